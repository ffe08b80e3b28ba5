//! Points by family, and what they come to.

use super::super::NO_FAMILY;
use super::findings::Finding;

/// Families there may be.
pub const FAMILIES: usize = 16;
/// The highest score, and the heaviest weight.
pub const MOST: u32 = 16;

/// Points for a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub family: u8,
    pub weight: u8,
}

/// Points by family.
#[derive(Debug, Default)]
pub struct Tally([u32; FAMILIES]);

impl Tally {
    pub fn add(&mut self, rule: Rule) {
        if let Some(points) = self.0.get_mut(usize::from(rule.family)) {
            *points += u32::from(rule.weight);
        }
    }

    pub fn find(&mut self, finding: Finding, rules: &[Rule; Finding::COUNT]) {
        self.add(rules[finding as usize]);
    }

    /// The best family's points and half of the second's, at most 16, and the best family.
    pub fn verdict(&self) -> (u8, u8) {
        let (mut best, mut second, mut family) = (0, 0, NO_FAMILY);
        if self.0 == [0; FAMILIES] {
            return (0, NO_FAMILY);
        }
        for (place, &points) in (0u8..).zip(&self.0) {
            if points > best {
                (second, best, family) = (best, points, place);
            } else {
                second = second.max(points);
            }
        }
        ((best + second / 2).min(MOST) as u8, family)
    }
}
