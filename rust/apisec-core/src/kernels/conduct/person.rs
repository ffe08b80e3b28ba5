//! What is kept of one session: 296 bytes, as words of a table's entry; zero words are a session without a request.

/// Words in an entry.
pub const CELLS: usize = 37;
/// Features of a session.
pub const FEATURES: usize = 12;
/// Channels of evidence.
pub const CHANNELS: usize = 5;
/// Waits are told apart in so many bins of 31 %.
pub const BINS: usize = 24;

/// A field as little-endian bytes.
trait Field: Copy + Default {
    const BYTES: usize;
    fn take(from: &[u8]) -> Self;
    fn put(self, to: &mut [u8]);
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Field for $type {
            const BYTES: usize = size_of::<$type>();
            fn take(from: &[u8]) -> Self {
                from.try_into().map_or(0 as $type, <$type>::from_le_bytes)
            }
            fn put(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 i64 f32 }

impl<T: Field, const N: usize> Field for [T; N]
where
    [T; N]: Default,
{
    const BYTES: usize = N * T::BYTES;
    fn take(from: &[u8]) -> Self {
        let mut all = Self::default();
        for (one, bytes) in all.iter_mut().zip(from.chunks_exact(T::BYTES)) {
            *one = T::take(bytes);
        }
        all
    }
    fn put(self, to: &mut [u8]) {
        for (one, bytes) in self.into_iter().zip(to.chunks_exact_mut(T::BYTES)) {
            one.put(bytes);
        }
    }
}

macro_rules! person {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// One session's conduct so far.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[allow(missing_docs)]
        pub struct Person { $($(#[$doc])* pub $name: $type,)* }

        impl Person {
            /// Reads an entry's words.
            pub fn read(cells: &[u64]) -> Self {
                let mut bytes = [0; 8 * CELLS];
                for (bytes, cell) in bytes.chunks_exact_mut(8).zip(cells) {
                    bytes.copy_from_slice(&cell.to_le_bytes());
                }
                let mut rest = &bytes[..];
                $(let $name = next::<$type>(&mut rest);)*
                Self { $($name,)* }
            }

            /// Writes an entry's words.
            pub fn write(&self, cells: &mut [u64]) {
                let mut bytes = [0; 8 * CELLS];
                let mut rest = &mut bytes[..];
                $({
                    let (head, tail) = rest.split_at_mut(<$type as Field>::BYTES);
                    self.$name.put(head);
                    rest = tail;
                })*
                debug_assert!(rest.is_empty());
                for (cell, bytes) in cells.iter_mut().zip(bytes.chunks_exact(8)) {
                    *cell = u64::take(bytes);
                }
            }
        }

        const _: () = assert!(8 * CELLS == 0 $(+ <$type as Field>::BYTES)*);
    };
}

fn next<T: Field>(rest: &mut &[u8]) -> T {
    let (head, tail) = rest.split_at(T::BYTES);
    *rest = tail;
    T::take(head)
}

person! {
    /// Time of the last request plus 1, ns; 0: none yet.
    last: i64,
    /// The population that it is compared with and teaches: that of its first request.
    among: u64,
    /// Paths, query shapes and endpoints met, a bit each: what is full loses evidence and never adds any.
    paths: [u64; 4],
    shapes: [u64; 4],
    endpoints: u64,
    /// The page being looked at.
    page: u64,
    /// The endpoint whose queries it votes on.
    voted: u64,
    /// Time from the page to the last request plus 1, ms; 0: no page yet.
    since: u32,
    /// This page and the one before, its parent and its stem; 0: none.
    here: u32,
    before: u32,
    parent: u32,
    stem: u32,
    /// Wait before this page, and the running mean of waits, as logarithms plus 1; 0: none.
    wait: f32,
    usual: f32,
    /// Sum of the waits.
    waits: f32,
    bins: [u8; BINS],
    /// Trials of the features: all pages, flat, narrow, reread, noback, bare.
    trials: [u16; 6],
    requests: u16,
    pages: u16,
    sums: [f32; FEATURES],
    squares: [f32; 6],
    /// Channels rhythm, restless, bare: hits; trials of restless and bare.
    hits: [u16; 3],
    asked: [u16; 2],
    /// Channels probe and fuzz: the walks, hits of fuzz, trials.
    walks: [f32; 2],
    varied: u16,
    probed: [u16; 2],
    best: [f32; CHANNELS],
    /// Queries of `voted`, and those of a new shape.
    queries: u8,
    queried: u8,
    loads: u8,
    /// Below: requests refused, up to 13; then TAUGHT and others.
    marks: u8,
}

/// `Person::marks`: it has taught, or must not.
pub const TAUGHT: u8 = 16;
/// `Person::marks`: the page's endpoint was new to the session.
pub const FRESH: u8 = 32;
/// `Person::marks`: the page had been seen before.
pub const SEEN: u8 = 64;
/// `Person::marks`: something was loaded since the page.
pub const LOADED: u8 = 128;
/// `Person::marks`: refusals are counted up to here.
pub const REFUSED: u8 = 13;

impl Person {
    /// Whether a mark is set.
    pub fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Sets or clears a mark.
    pub fn mark(&mut self, mark: u8, set: bool) {
        self.marks = if set {
            self.marks | mark
        } else {
            self.marks & !mark
        };
    }

    /// Requests refused so far, up to `REFUSED`.
    pub fn refused(&self) -> u8 {
        self.marks & 15
    }

    /// Counts a refusal.
    pub fn refuse(&mut self) {
        self.marks += u8::from(self.refused() < REFUSED);
    }
}

/// Sets the bit of a hash; true when it was not set.
pub fn meet(bits: &mut [u64], hash: u64) -> bool {
    let place = (hash >> 3) as usize % (64 * bits.len());
    let (word, bit) = (&mut bits[place / 64], 1 << (place % 64));
    let new = *word & bit == 0;
    *word |= bit;
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_whole_person() {
        let mut cells = [0; CELLS];
        assert_eq!(Person::read(&cells), Person::default());
        for (at, cell) in cells.iter_mut().enumerate() {
            *cell = (at as u64 + 1) * 0x0101_0101_0101;
        }
        let before = cells;
        Person::read(&before).write(&mut cells);
        assert_eq!(cells, before);
    }

    #[test]
    fn refusals_are_counted_up_to_a_bound() {
        let mut person = Person::default();
        person.mark(SEEN, true);
        (0..40).for_each(|_| person.refuse());
        assert_eq!(
            (person.refused(), person.has(SEEN), person.has(TAUGHT)),
            (REFUSED, true, false)
        );
    }
}
