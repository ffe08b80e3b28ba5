//! `half_space_trees(features..., by, taught_by, where)`: how seldom rows fall where this one does (Tan, Ting and Liu, 2011).
//!
//! The trees are handed over with the plan and are the same for every key; a key keeps the mass of each node. Scores look at
//! the window before, so what is learned is only felt when a window is full. River's `HalfSpaceTrees` to the last bit.

use super::Settings;
use crate::table::Spill;

/// Cells: handle of the masses, rows learned. A mass is a word: that of the window before above, that of this one below.
pub const CELLS: usize = 2;

const HANDLE: usize = 0;
const LEARNED: usize = 1;
const LOW: u64 = 0xFFFF_FFFF;

/// Trees, each level after level: a node's children are at 2n + 1 and 2n + 2.
#[derive(Debug)]
pub struct Forest {
    splits: Vec<(usize, f64)>,
    height: usize,
    window: u64,
    size_limit: f64,
    max_score: f64,
    blank: Vec<u64>,
}

impl Forest {
    /// Reads the settings of a question over `features` columns.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn build(settings: &Settings<'_>, features: usize) -> Result<Self, String> {
        let trees = settings.integer("trees", 1, 100)? as usize;
        let height = settings.integer("height", 1, 12)? as usize;
        let window = settings.integer("window_size", 1, 1_000_000)?;
        let chosen: Vec<usize> = settings.list("features")?;
        let thresholds: Vec<f64> = settings.list("thresholds")?;
        let splits = trees * ((1 << height) - 1);
        if chosen.len() != splits || thresholds.len() != splits {
            return Err(format!(
                "settings `features` and `thresholds` must have {splits} values"
            ));
        }
        if chosen.iter().any(|&feature| feature >= features)
            || thresholds.iter().any(|at| !at.is_finite())
        {
            return Err(format!(
                "a split is at no number, or at none of {features} features"
            ));
        }
        let nodes = (1 << (height + 1)) - 1;
        Ok(Self {
            splits: chosen.into_iter().zip(thresholds).collect(),
            height,
            window: window as u64,
            size_limit: 0.1 * window as f64,
            max_score: (trees as i64 * window * nodes) as f64,
            blank: vec![0; trees * nodes as usize],
        })
    }

    /// Whether a window is full, so that there is something to compare with.
    #[must_use]
    pub fn is_supported(&self, cells: &[u64]) -> bool {
        cells[LEARNED] >= self.window
    }

    /// 0 to 1, more where fewer rows of the window before fell; NaN features are missing.
    #[must_use]
    pub fn score(&self, cells: &[u64], spill: &Spill, row: &[f64]) -> f64 {
        let score: f64 = self
            .trees(spill.list(cells[HANDLE]))
            .map(|(splits, masses)| self.mass(splits, masses, row))
            .sum();
        1.0 - score / self.max_score
    }

    /// Learns one row.
    pub fn learn(&self, cells: &mut [u64], spill: &mut Spill, row: &[f64]) {
        if cells[HANDLE] == 0 {
            spill.insert(&mut cells[HANDLE], 0, &self.blank);
        }
        cells[LEARNED] += 1;
        let masses = spill.list_mut(cells[HANDLE]);
        let inner = (1 << self.height) - 1;
        for (splits, masses) in self
            .splits
            .chunks_exact(inner)
            .zip(masses.chunks_exact_mut(2 * inner + 1))
        {
            let mut node = 0;
            for _ in 0..self.height {
                masses[node] += 1;
                node = next(splits, masses, node, row);
            }
            masses[node] += 1;
        }
        if cells[LEARNED].is_multiple_of(self.window) {
            masses.iter_mut().for_each(|mass| *mass <<= 32);
        }
    }

    fn trees<'a>(
        &'a self,
        masses: &'a [u64],
    ) -> impl Iterator<Item = (&'a [(usize, f64)], &'a [u64])> {
        let inner = (1 << self.height) - 1;
        self.splits
            .chunks_exact(inner)
            .zip(masses.chunks_exact(2 * inner + 1))
    }

    fn mass(&self, splits: &[(usize, f64)], masses: &[u64], row: &[f64]) -> f64 {
        let (mut node, mut score) = (0, 0.0);
        for depth in 0..self.height {
            let before = (masses[node] >> 32) as f64;
            score += before * (1u64 << depth) as f64;
            if before < self.size_limit {
                return score;
            }
            node = next(splits, masses, node, row);
        }
        score + (masses[node] >> 32) as f64 * (1u64 << self.height) as f64
    }
}

/// The child a row falls to; without the feature, the one that more rows of this window fell to.
#[inline]
fn next(splits: &[(usize, f64)], masses: &[u64], node: usize, row: &[f64]) -> usize {
    let ((feature, threshold), left) = (splits[node], 2 * node + 1);
    let value = row[feature];
    let right = if value.is_nan() {
        masses[left] & LOW < masses[left + 1] & LOW
    } else {
        value >= threshold
    };
    left + usize::from(right)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::kernels::laws::Draw;

    const WINDOW: u64 = 50;

    fn forest(features: usize) -> Result<Forest, String> {
        let (trees, height) = (10, 4);
        let splits = trees * ((1 << height) - 1);
        let mut draw = Draw(3);
        let chosen: Vec<u64> = (0..splits)
            .map(|_| draw.next(features.max(1) as u64))
            .collect();
        let at: Vec<f64> = (0..splits)
            .map(|_| (20 + draw.next(60)) as f64 / 100.0)
            .collect();
        let settings: Map<String, Value> = [
            ("trees", json!(trees)),
            ("height", json!(height)),
            ("window_size", json!(WINDOW)),
            ("features", json!(chosen)),
            ("thresholds", json!(at)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        Forest::build(&Settings(&settings), features)
    }

    /// Rows around one place.
    fn usual(draw: &mut Draw) -> [f64; 2] {
        [
            (10 + draw.next(10)) as f64 / 100.0,
            (15 + draw.next(10)) as f64 / 100.0,
        ]
    }

    #[test]
    fn what_lies_elsewhere_scores_higher_once_a_window_is_full() -> Result<(), String> {
        let (forest, mut draw) = (forest(2)?, Draw(7));
        let (mut cells, mut spill) = ([0; CELLS], Spill::default());
        for learned in 1..=3 * WINDOW {
            assert_eq!(forest.is_supported(&cells), learned > WINDOW);
            forest.learn(&mut cells, &mut spill, &usual(&mut draw));
        }
        let near = forest.score(&cells, &spill, &usual(&mut draw));
        let far = forest.score(&cells, &spill, &[0.95, 0.9]);
        assert!(far > near + 0.1, "{far} {near}");
        assert!((0.0..=1.0).contains(&near) && (0.0..=1.0).contains(&far));
        Ok(())
    }

    #[test]
    fn a_window_in_hand_is_not_felt() -> Result<(), String> {
        let (forest, mut draw) = (forest(2)?, Draw(7));
        let (mut cells, mut spill) = ([0; CELLS], Spill::default());
        (0..WINDOW).for_each(|_| forest.learn(&mut cells, &mut spill, &usual(&mut draw)));
        let before = forest.score(&cells, &spill, &[0.95, 0.9]);
        (0..WINDOW - 1).for_each(|_| forest.learn(&mut cells, &mut spill, &[0.95, 0.9]));
        assert_eq!(forest.score(&cells, &spill, &[0.95, 0.9]), before);
        forest.learn(&mut cells, &mut spill, &[0.95, 0.9]);
        assert!(forest.score(&cells, &spill, &[0.95, 0.9]) < before);
        Ok(())
    }

    #[test]
    fn a_missing_feature_goes_where_most_rows_went() -> Result<(), String> {
        let (forest, mut draw) = (forest(2)?, Draw(7));
        let (mut cells, mut spill) = ([0; CELLS], Spill::default());
        for _ in 0..WINDOW + WINDOW / 2 {
            forest.learn(&mut cells, &mut spill, &usual(&mut draw));
        }
        let missing = forest.score(&cells, &spill, &[f64::NAN, f64::NAN]);
        let near = forest.score(&cells, &spill, &usual(&mut draw));
        assert!(missing <= near + 0.05, "{missing} {near}");
        Ok(())
    }

    #[test]
    fn what_cannot_be_a_forest_is_refused() {
        assert!(forest(0).is_err());
        let empty = Map::new();
        assert!(Forest::build(&Settings(&empty), 2).is_err());
    }
}
