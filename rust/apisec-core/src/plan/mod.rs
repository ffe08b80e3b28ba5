//! The plan: all detectors as one list of nodes over columns, run piece by piece.
//!
//! Results never depend on how the stream is cut into batches: pointwise nodes look at their row alone, kernels answer
//! as of their row, tables settle at whole seconds and after every 512 rows, baselines learn at whole seconds.

mod check;
mod columns;
mod conduct;
mod flags;
mod keep;
mod keyed;
mod node;
mod outside;
mod pointwise;
mod run;
mod signal;
mod spec;
mod tick;

pub use columns::{ColumnMap, Data, Rows};
pub use node::Input;
pub use outside::{Call as OutsideCall, Outside};
pub use pointwise::mix;
pub use run::{Plan, Wanted};
pub use signal::{Answers, Raised};
pub use spec::Error;

#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod tests;
