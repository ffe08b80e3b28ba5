//! A held request in few words: what it has, none of what it lacks, and its texts once for all that share them.

use crate::codec::{CUSTOM, Member, Record};
use crate::wire::Slice;

/// Longer texts are cut: a finding shows no more.
const LONGEST: usize = 256;
/// Texts met lately are found again by their place among this many.
const KNOWN: usize = 256;
/// Words in front of those that a row may lack: its number, trace id, span id and which of the others follow.
const HEAD: usize = 5;

/// Where a row lies, and when it is judged among those of its bucket.
#[derive(Debug, Clone, Copy)]
struct Held {
    time: i64,
    at: u32,
    /// Taken out again; its place stays, for a copy counts them.
    gone: bool,
}

/// The requests of one stretch of time, as they came.
#[derive(Debug, Default)]
pub struct Bucket {
    held: Vec<Held>,
    gone: usize,
    words: Vec<u64>,
    texts: Texts,
}

impl Bucket {
    /// Requests held.
    pub fn len(&self) -> usize {
        self.held.len() - self.gone
    }

    /// Requests that came, those taken out again among them.
    pub fn places(&self) -> usize {
        self.held.len()
    }

    /// What they take, in bytes.
    pub fn cost(&self) -> usize {
        self.held.len() * size_of::<Held>()
            + self.words.len() * size_of::<u64>()
            + self.texts.bytes.len()
    }

    /// Adds a request, with the texts that a finding names.
    pub fn push(&mut self, number: u64, row: &Record, member: &Member) {
        let held = self.pack(number, row, member);
        grow(&mut self.held, 1);
        self.held.push(held);
    }

    /// Puts another row in the place of one, under the same number.
    pub fn replace(&mut self, index: usize, row: &Record, member: &Member) {
        let number = self.get(index).map(|(number, _)| number);
        let packed = number.map(|number| self.pack(number, row, member));
        if let (Some(held), Some(packed)) = (self.held.get_mut(index), packed) {
            *held = packed;
        }
    }

    /// The place of a span.
    pub fn find(&self, trace: &[u8; 16], span: &[u8; 8]) -> Option<usize> {
        let whole = u128::from_be_bytes(*trace);
        let ids = [
            (whole >> 64) as u64,
            whole as u64,
            u64::from_be_bytes(*span),
        ];
        let is = |held: &Held| !held.gone && self.ids(held) == Some(&ids[..]);
        self.held.iter().position(is)
    }

    /// Takes a request out.
    pub fn take(&mut self, index: usize) -> Option<(u64, Record, Member)> {
        let (number, mut row) = self.get(index)?;
        let member = self.apart(&mut row);
        self.held.get_mut(index)?.gone = true;
        self.gone += 1;
        Some((number, row, member))
    }

    /// The texts of a row of this bucket as those of a member.
    pub fn apart(&self, row: &mut Record) -> Member {
        let mut member = Member::empty();
        member.made = moved(row, |slice| slice.of(&self.texts.bytes), Vec::new());
        member
    }

    fn ids(&self, held: &Held) -> Option<&[u64]> {
        let at = held.at as usize;
        self.words.get(at + 1..at + HEAD - 1)
    }

    fn pack(&mut self, number: u64, row: &Record, member: &Member) -> Held {
        let texts = texts(row).map(|slice| self.texts.keep(member.text(slice)));
        let whole = u128::from_be_bytes(row.trace_id);
        let (mut rest, mut mask, mut length) = ([0; WORDS], 0, 0);
        for (bit, word) in words(row, texts).into_iter().enumerate() {
            rest[length] = word;
            mask |= u64::from(word != 0) << bit;
            length += usize::from(word != 0);
        }
        let span = u64::from_be_bytes(row.span_id);
        grow(&mut self.words, HEAD + length);
        let at = self.words.len() as u32;
        self.words
            .extend([number, (whole >> 64) as u64, whole as u64, span, mask]);
        self.words.extend_from_slice(&rest[..length]);
        Held {
            time: row.time,
            at,
            gone: false,
        }
    }

    /// The request that came as the `index`-th of these, and its number; None of one that was taken out.
    pub fn get(&self, index: usize) -> Option<(u64, Record)> {
        let held = self.held.get(index).filter(|held| !held.gone)?;
        let words = self.words.get(held.at as usize..)?;
        let (head, rest) = words.split_first_chunk::<HEAD>()?;
        let [number, high, low, span, mask] = *head;
        let mut row = Record {
            trace_id: (u128::from(high) << 64 | u128::from(low)).to_be_bytes(),
            span_id: span.to_be_bytes(),
            ..Record::default()
        };
        let mut rest = rest.iter();
        let mut all = [0; WORDS];
        for (bit, word) in all.iter_mut().enumerate() {
            if mask >> bit & 1 == 1 {
                *word = rest.next().copied().unwrap_or_default();
            }
        }
        unpack(&mut row, &all);
        Some((number, row))
    }

    /// Puts the requests in order of time, trace and span.
    pub fn sort(&mut self) {
        let words = &self.words;
        let ids = |held: &Held| words.get(held.at as usize + 1..held.at as usize + HEAD - 1);
        self.held
            .sort_by(|a, b| a.time.cmp(&b.time).then_with(|| ids(a).cmp(&ids(b))));
    }

    /// Empties it; the texts go to whoever holds the rows, and memory for new ones comes in their place.
    pub fn empty(&mut self, mut memory: Vec<u8>) -> Vec<u8> {
        self.held.clear();
        self.gone = 0;
        self.words.clear();
        self.texts.known.clear();
        memory.clear();
        std::mem::replace(&mut self.texts.bytes, memory)
    }
}

/// Moves the texts that a finding names behind those already in `made`.
pub fn moved<'a>(row: &mut Record, text: impl Fn(Slice) -> &'a [u8], mut made: Vec<u8>) -> Vec<u8> {
    for slice in texts_of(row) {
        let text = text(*slice);
        let text = &text[..text.len().min(LONGEST)];
        *slice = Slice {
            at: made.len() as u32,
            len: text.len() as u32,
        };
        made.extend_from_slice(text);
    }
    made
}

/// Texts one after the other; one that was met lately is not stored again.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    known: Vec<Slice>,
}

impl Texts {
    fn keep(&mut self, text: &[u8]) -> Slice {
        if text.is_empty() {
            return Slice::default();
        }
        let text = &text[..text.len().min(LONGEST)];
        self.known.resize(KNOWN, Slice::default());
        let known = &mut self.known[place(text)];
        if known.of(&self.bytes) != text {
            *known = Slice {
                at: self.bytes.len() as u32,
                len: text.len() as u32,
            };
            grow(&mut self.bytes, text.len());
            self.bytes.extend_from_slice(text);
        }
        *known
    }
}

/// Makes room by a quarter, not by half: there are many buckets, and what they have to spare stays unused.
fn grow<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 4).max(64));
    }
}

/// Texts that differ mostly differ in length, begin or end; one that shares its place is stored again, no more.
fn place(text: &[u8]) -> usize {
    let ends = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes.fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    let (head, tail) = (
        &text[..text.len().min(8)],
        &text[text.len().saturating_sub(8)..],
    );
    let mixed = ends(&mut head.iter()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ ends(&mut tail.iter()).wrapping_add(text.len() as u64);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % KNOWN
}

/// Names once what a held row keeps, beside ids and flags.
macro_rules! kept {
    ($($number:ident)*; $($key:ident)*; $($flag:ident)*; $($text:ident)*) => {
        const TEXTS: usize = [$(stringify!($text)),*].len();
        const WORDS: usize = 8 + CUSTOM + TEXTS + [$(stringify!($number)),*].len() + [$(stringify!($key)),*].len();

        fn texts(row: &Record) -> [Slice; TEXTS] {
            [$(row.$text),*]
        }

        fn texts_of(row: &mut Record) -> [&mut Slice; TEXTS] {
            [$(&mut row.$text),*]
        }

        /// Everything as a word that is 0 where it is missing, or follows from those before.
        fn words(row: &Record, texts: [Slice; TEXTS]) -> [u64; WORDS] {
            let mut flags = 0;
            $(flags = flags << 2 | u64::from((row.$flag + 1) as u8);)*
            let [$($text),*] = texts;
            let [c0, c1, c2, c3, c4, c5, c6, c7] = row.custom;
            [
                u64::from_be_bytes(row.parent_id),
                flags,
                u64::from(row.marks) << 32 | u64::from(row.kind as u32),
                row.start,
                row.end,
                row.time as u64 ^ row.start,
                (row.stream ^ row.time) as u64,
                row.duration.to_bits() ^ lasted(row).to_bits(),
                $(row.$key,)*
                $(row.$number.to_bits() ^ f64::NAN.to_bits(),)*
                $(u64::from($text.at) << 32 | u64::from($text.len),)*
                c0, c1, c2, c3, c4, c5, c6, c7,
            ]
        }

        fn unpack(row: &mut Record, words: &[u64; WORDS]) {
            let [parent, mut flags, kind, start, end, time, stream, duration, $($key,)* $($number,)* $($text,)* custom @ ..] = *words;
            row.parent_id = parent.to_be_bytes();
            (row.marks, row.kind) = ((kind >> 32) as u32, kind as i32);
            (row.start, row.end) = (start, end);
            row.time = (time ^ start) as i64;
            row.stream = stream as i64 ^ row.time;
            row.duration = f64::from_bits(duration ^ lasted(row).to_bits());
            $(row.$key = $key;)*
            $(row.$number = f64::from_bits($number ^ f64::NAN.to_bits());)*
            $(row.$text = Slice { at: ($text >> 32) as u32, len: $text as u32 };)*
            row.custom = custom;
            for flag in flags_of(row).into_iter().rev() {
                *flag = (flags & 3) as i8 - 1;
                flags >>= 2;
            }
        }

        fn flags_of(row: &mut Record) -> [&mut i8; [$(stringify!($flag)),*].len()] {
            [$(&mut row.$flag),*]
        }
    };
}

kept! {
    status request_size response_size object_number payload_p payload_score payload_usual;
    environment service version method scheme host path query route endpoint object_id client network user_agent credential principal
    session role error_type path_parent path_stem query_shape;
    request succeeded denied not_found failed login login_failed authenticated probe late repeat asset automatic nested listed;
    service_text method_text route_text client_text peer_text agent_text
}

/// The duration (s) that start and end give.
fn lasted(row: &Record) -> f64 {
    row.end.wrapping_sub(row.start) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        Record {
            trace_id: [7; 16],
            span_id: [1, 2, 3, 4, 5, 6, 7, 8],
            parent_id: [9; 8],
            start: 5,
            end: u64::MAX,
            time: -6,
            stream: i64::MAX,
            endpoint: 11,
            principal: u64::MAX,
            status: 404.0,
            duration: -0.0,
            custom: [0, 1, 0, 2, 0, 3, u64::MAX, 4],
            request: 1,
            succeeded: -1,
            late: -1,
            kind: -2,
            marks: 5,
            ..Record::default()
        }
    }

    #[test]
    fn what_comes_out_is_what_went_in() {
        let mut bucket = Bucket::default();
        let rows = [full(), Record::default(), full()];
        for (row, number) in rows.iter().zip(3..) {
            bucket.push(number, row, &Member::empty());
        }
        for (index, row) in rows.iter().enumerate() {
            let (number, out) = bucket.get(index).unwrap_or_default();
            assert_eq!(number, 3 + index as u64);
            assert_eq!(format!("{out:?}"), format!("{row:?}"));
        }
        assert!(bucket.get(3).is_none());
    }

    #[test]
    fn texts_are_stored_once_and_cut() {
        let mut texts = Texts::default();
        let slices: Vec<_> = ["GET", "", "/orders/{id}", "GET", "/orders/{id}"]
            .map(|text| texts.keep(text.as_bytes()))
            .into();
        assert_eq!(texts.bytes, b"GET/orders/{id}");
        assert_eq!(slices[3].of(&texts.bytes), b"GET");
        assert_eq!(slices[4].of(&texts.bytes), b"/orders/{id}");
        assert_eq!(slices[1].len, 0);
        assert_eq!(texts.keep(&[b'x'; 1000]).len as usize, LONGEST);
    }

    #[test]
    fn equal_times_are_told_apart_by_their_ids() {
        let mut bucket = Bucket::default();
        for (number, (time, trace)) in [(5, 2), (5, 1), (4, 3)].into_iter().enumerate() {
            let row = Record {
                time,
                trace_id: [trace; 16],
                ..Record::default()
            };
            bucket.push(number as u64, &row, &Member::empty());
        }
        bucket.sort();
        let order: Vec<_> = (0..3)
            .map(|index| bucket.get(index).unwrap_or_default().0)
            .collect();
        assert_eq!(order, [2, 1, 0]);
    }
}
