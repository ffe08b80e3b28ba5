//! The id of texts that stand in the resource: the spans of one resource share them.

use crate::codec::{Member, Slice};
use crate::hash::Hasher;

/// The last id made in a member.
#[derive(Debug, Default)]
pub struct Memo {
    slices: [Slice; 3],
    id: u64,
}

impl Memo {
    /// The id of three texts of a member, any of which may be empty; never 0.
    pub fn id(&mut self, hasher: &Hasher, member: &Member, slices: [Slice; 3]) -> u64 {
        if self.id == 0 || self.slices != slices {
            self.id = hasher.texts(&slices.map(|slice| member.text(slice)));
            self.slices = slices;
        }
        self.id
    }
}
