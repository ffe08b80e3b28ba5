//! The slab: one `Vec<u64>`, each entry a header of four words and its cells, so that an entry is one or two cache lines.

const KEY: usize = 0;
const FIRST: usize = 1;
const LAST: usize = 2;
const STATE: usize = 3;
pub const HEADER: usize = 4;

pub const PLACE: u64 = 0b11;
const LATER: u64 = 0b100;
const VISITED: u64 = 0b1000;
/// In how many seconds after the first an entry was visited, held to three; each is a sweep that it outlasts unvisited.
/// A visit in main gives all three back.
const PROOF: u64 = 0b11_0000;
const ONE_PROOF: u64 = 0b1_0000;
const SECOND: i64 = 1_000_000_000;
const WORDS_SHIFT: u32 = 8;
const WORDS_MASK: u64 = 0xFF_FFFF;
const FRESH_SHIFT: u32 = 32;

/// Where an entry waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Made since the last settle.
    Fresh,
    /// Not yet visited a second later.
    Probation,
    /// Established.
    Main,
}

/// Entries in one vector; freed slots are used again.
#[derive(Debug)]
pub struct Slab {
    words: Vec<u64>,
    free: Vec<u32>,
    stride: usize,
}

impl Slab {
    /// A slab of `cells` words an entry that reserves address space for `entries`, so that growing seldom copies.
    pub fn new(cells: usize, entries: u64) -> Self {
        let stride = HEADER + cells;
        let mut words = Vec::new();
        let wanted = usize::try_from(entries).unwrap_or(0).saturating_mul(stride);
        // Refused memory is no error here: the vector grows as any other.
        let _ = words.try_reserve_exact(wanted.min(1 << 24));
        Self {
            words,
            free: Vec::new(),
            stride,
        }
    }

    pub fn width(&self) -> usize {
        self.stride - HEADER
    }

    #[inline]
    fn at(&self, slot: u32) -> usize {
        slot as usize * self.stride
    }

    #[inline]
    pub fn key(&self, slot: u32) -> u64 {
        self.words[self.at(slot) + KEY]
    }

    #[inline]
    pub fn cells(&self, slot: u32) -> &[u64] {
        let at = self.at(slot);
        &self.words[at + HEADER..at + self.stride]
    }

    #[inline]
    pub fn cells_mut(&mut self, slot: u32) -> &mut [u64] {
        let at = self.at(slot);
        &mut self.words[at + HEADER..at + self.stride]
    }

    /// Reads a word of each cache line of an entry, which fetches them all at once.
    #[inline]
    pub fn touch(&self, slot: u32) -> u64 {
        let at = self.at(slot);
        self.words.get(at..at + self.stride).map_or(0, |entry| {
            entry.iter().step_by(8).fold(0, |all, word| all ^ word)
        })
    }

    /// A new fresh entry with zero cells; `fresh` is its place in the list of fresh ones.
    pub fn insert(&mut self, key: u64, time: i64, fresh: usize) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = (self.words.len() / self.stride) as u32;
            self.words.resize(self.words.len() + self.stride, 0);
            slot
        });
        let at = self.at(slot);
        self.words[at + KEY] = key;
        self.words[at + FIRST] = time as u64;
        self.words[at + LAST] = time as u64;
        self.words[at + STATE] = (fresh as u64) << FRESH_SHIFT;
        slot
    }

    /// Notes a visit. Of a fresh entry, its place in the list of fresh ones.
    #[inline]
    pub fn visit(&mut self, slot: u32, time: i64) -> Option<usize> {
        let at = self.at(slot);
        let header = &mut self.words[at..at + HEADER];
        let proves = time.div_euclid(SECOND) > (header[LAST] as i64).div_euclid(SECOND);
        if proves && header[STATE] & PROOF != PROOF {
            header[STATE] += ONE_PROOF;
        }
        header[LAST] = (header[LAST] as i64).max(time) as u64;
        header[FIRST] = (header[FIRST] as i64).min(time) as u64;
        let later = time - header[FIRST] as i64 >= super::PROMOTION;
        header[STATE] |= VISITED | if later { LATER } else { 0 };
        (header[STATE] & PLACE == 0).then(|| (header[STATE] >> FRESH_SHIFT) as usize)
    }

    pub fn place(&self, slot: u32) -> Place {
        match self.words[self.at(slot) + STATE] & PLACE {
            0 => Place::Fresh,
            1 => Place::Probation,
            _ => Place::Main,
        }
    }

    /// What a snapshot keeps of an entry beside its cells: key, first and last visit, and its marks.
    pub fn saved(&self, slot: u32) -> [u64; HEADER] {
        let mut header = [0; HEADER];
        if let Some(words) = self.words.get(self.at(slot)..) {
            header
                .iter_mut()
                .zip(words)
                .for_each(|(to, &from)| *to = from);
        }
        header[STATE] &= PLACE | LATER | VISITED | PROOF;
        header
    }

    /// Gives an entry its visits and marks back; it stays where it is.
    pub fn restore(&mut self, slot: u32, saved: &[u64; HEADER]) {
        let at = self.at(slot);
        self.words[at + FIRST] = saved[FIRST];
        self.words[at + LAST] = saved[LAST];
        self.words[at + STATE] |= saved[STATE] & (LATER | VISITED | PROOF);
    }

    /// The place of a fresh entry in the list of fresh ones.
    pub fn fresh_place(&self, slot: u32) -> usize {
        (self.words[self.at(slot) + STATE] >> FRESH_SHIFT) as usize
    }

    /// Moves a fresh entry to the queue that it was in before; its visits there stay known.
    pub fn requeue(&mut self, slot: u32, place: Place) {
        let at = self.at(slot) + STATE;
        self.words[at] =
            self.words[at] & (WORDS_MASK << WORDS_SHIFT | LATER | VISITED | PROOF) | place as u64;
    }

    /// Moves an entry; visits before that are forgotten in its new queue.
    pub fn set_place(&mut self, slot: u32, place: Place) {
        let at = self.at(slot) + STATE;
        let kept = self.words[at] & (WORDS_MASK << WORDS_SHIFT | LATER | PROOF);
        self.words[at] = kept | place as u64;
    }

    pub fn later(&self, slot: u32) -> bool {
        self.words[self.at(slot) + STATE] & LATER != 0
    }

    /// Whether the entry was visited since it was last looked at.
    pub fn take_visited(&mut self, slot: u32) -> bool {
        let at = self.at(slot) + STATE;
        let visited = self.words[at] & VISITED != 0;
        self.words[at] &= !VISITED;
        self.words[at] |= if visited { PROOF } else { 0 };
        visited
    }

    /// Spends the proof of one second, if there is any.
    pub fn take_proof(&mut self, slot: u32) -> bool {
        let at = self.at(slot) + STATE;
        let proven = self.words[at] & PROOF != 0;
        self.words[at] -= if proven { ONE_PROOF } else { 0 };
        proven
    }

    pub fn last(&self, slot: u32) -> i64 {
        self.words[self.at(slot) + LAST] as i64
    }

    pub fn words(&self, slot: u32) -> u64 {
        (self.words[self.at(slot) + STATE] >> WORDS_SHIFT) & WORDS_MASK
    }

    pub fn add_words(&mut self, slot: u32, grown: i64) -> Place {
        let words = self.words(slot).saturating_add_signed(grown) & WORDS_MASK;
        let at = self.at(slot) + STATE;
        self.words[at] = self.words[at] & !(WORDS_MASK << WORDS_SHIFT) | words << WORDS_SHIFT;
        self.place(slot)
    }

    /// Frees the slot; its cells are zero again, as a fresh entry's are.
    pub fn remove(&mut self, slot: u32) {
        let at = self.at(slot);
        self.words[at..at + self.stride].fill(0);
        self.free.push(slot);
    }
}
