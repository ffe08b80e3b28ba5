//! Lists that outgrow the cells of an entry: sets of values, histograms. Each belongs to one cell, which holds its handle.

/// Lists of words by handle; handle 0 is the empty list.
#[derive(Debug, Default)]
pub struct Spill {
    lists: Vec<Vec<u64>>,
    free: Vec<u32>,
    grown: i64,
}

/// Room for a list of `length` words: a quarter more, so that the cost, which is the length, stays near the memory.
fn capacity(length: usize) -> usize {
    length + length / 4 + 3
}

impl Spill {
    /// The list of a handle.
    #[inline]
    #[must_use]
    pub fn list(&self, handle: u64) -> &[u64] {
        match (handle as usize).checked_sub(1) {
            Some(at) => self.lists.get(at).map_or(&[], Vec::as_slice),
            None => &[],
        }
    }

    /// Reads the middle of a list, where a search begins.
    #[inline]
    pub fn touch(&self, handle: u64) -> u64 {
        let list = self.list(handle);
        list.get(list.len() / 2).copied().unwrap_or_default()
    }

    /// The list of a handle, to change values in place.
    #[inline]
    pub fn list_mut(&mut self, handle: u64) -> &mut [u64] {
        match (handle as usize).checked_sub(1) {
            Some(at) => self.lists.get_mut(at).map_or(&mut [], Vec::as_mut_slice),
            None => &mut [],
        }
    }

    /// Inserts words at `at`; an empty list gets a handle.
    pub fn insert(&mut self, handle: &mut u64, at: usize, values: &[u64]) {
        if *handle == 0 {
            *handle = self.make();
        }
        let Some(list) = self.lists.get_mut(*handle as usize - 1) else {
            return;
        };
        let (before, at) = (list.len(), at.min(list.len()));
        let after = before + values.len();
        if after > list.capacity() {
            list.reserve_exact(capacity(after) - before);
        }
        list.extend_from_slice(values);
        list[at..].rotate_right(values.len());
        self.grown += values.len() as i64;
    }

    /// Keeps the words that pass; gives memory back when the list has become small.
    pub fn retain(&mut self, handle: &mut u64, keep: impl FnMut(&u64) -> bool) {
        self.edit(handle, |list| list.retain(keep));
    }

    /// Shortens a list.
    pub fn truncate(&mut self, handle: &mut u64, length: usize) {
        self.edit(handle, |list| list.truncate(length));
    }

    fn edit(&mut self, handle: &mut u64, change: impl FnOnce(&mut Vec<u64>)) {
        let Some(list) = (*handle as usize)
            .checked_sub(1)
            .and_then(|at| self.lists.get_mut(at))
        else {
            return;
        };
        let before = list.len();
        change(list);
        self.grown += list.len() as i64 - before as i64;
        if list.is_empty() {
            self.free(*handle);
            *handle = 0;
        } else if 2 * list.len() < list.capacity() {
            list.shrink_to(capacity(list.len()));
        }
    }

    /// Frees the list of a handle.
    pub fn free(&mut self, handle: u64) {
        if let Some(list) = (handle as usize)
            .checked_sub(1)
            .and_then(|at| self.lists.get_mut(at))
        {
            *list = Vec::new();
            self.free.push(handle as u32 - 1);
        }
    }

    /// Words of cost added since the last call.
    #[inline]
    pub(super) fn take_grown(&mut self) -> i64 {
        std::mem::take(&mut self.grown)
    }

    fn make(&mut self) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.lists.push(Vec::new());
            self.lists.len() as u32 - 1
        });
        u64::from(at) + 1
    }
}
