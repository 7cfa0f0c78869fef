//! Two differences with different steps, held against each other: what each is worth, and whether another is worth its
//! evaluations. The numbers are gone through in [`pair`].

mod pair;

use self::pair::{BLOCK, KNOWN, LOUD, WANTING, are_zero, compare_all};
use super::climb::Verdict;
use super::noise::Noise;

/// Noise is bounded by so many standard deviations. They are estimated from seven values, hence not two.
pub(super) const DEVIATIONS: f64 = 3.0;
/// Truncation is bounded by so many times its estimate.
pub(super) const SAFETY: f64 = 3.0;
/// A value that changed by so many times its noise did change.
const MOVED: f64 = 30.0;

/// What the noise of outcomes does to a difference.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Its length.
    pub(super) length: f64,
    /// Noise of the difference over noise of the values.
    pub(super) amplification: f64,
}

/// A fresh difference and what it was made of, all of the same length: the outputs, or their product with a
/// cotangent.
#[derive(Clone, Copy)]
pub(super) struct Fresh<'a> {
    pub(super) difference: &'a [f64],
    /// The outcome at its last point, for the magnitude of the values.
    pub(super) outcome: &'a [f64],
    pub(super) base: &'a [f64],
    pub(super) noise: &'a Noise,
    pub(super) step: Step,
}

impl Fresh<'_> {
    /// The noise of the values that made it.
    #[inline(always)]
    fn noise(&self, row: usize) -> f64 {
        let size = self.outcome[row].abs() + 2.0 * self.step.length * self.difference[row].abs();
        self.noise.at(row, size)
    }

    /// Whether no output changed by more than its noise.
    pub(super) fn is_silent(&self) -> bool {
        let audible = |row: usize| self.difference[row].abs() > DEVIATIONS * self.noise(row) * self.step.amplification;
        let mut blocks = self.difference.chunks(BLOCK).enumerate();
        blocks.all(|(at, block)| are_zero(block) || !(at * BLOCK..at * BLOCK + block.len()).any(audible))
    }

    /// Whether the value of some output changed by far more than its noise.
    fn has_moved(&self) -> bool {
        let moved = |row: usize| (self.outcome[row] - self.base[row]).abs() > MOVED * self.noise(row);
        (0..self.difference.len()).any(moved)
    }

    /// Whether no output changed at all, though it could have.
    fn is_dead(&self) -> bool {
        (0..self.difference.len())
            .all(|row| self.difference[row] == 0.0 && self.outcome[row] == self.base[row] && !self.noise.coarse[row])
    }
}

/// Where the results of a probe are kept.
pub(super) struct Kept<'a> {
    /// The derivative.
    pub(super) value: &'a mut [f64],
    /// The bound of its error.
    pub(super) bound: &'a mut [f64],
    /// The last difference. Without it that is the value, and there is no bound yet.
    pub(super) last: Option<&'a [f64]>,
    /// Whether that is the first of steps below all that were tried before.
    pub(super) lower: bool,
}

impl Kept<'_> {
    /// Gives up what differences with far shorter steps disprove: where truncation follows no power of the step, as
    /// of an oscillation that longer steps passed over, bounds that were made of it are no bounds.
    fn doubt(&mut self, fresh: &Fresh<'_>, last: Step, order: i32) {
        let Some(previous) = self.last else { return };
        let gain = (fresh.step.length / last.length).powi(order) - 1.0;
        for (row, (new, old)) in fresh.difference.iter().zip(previous).enumerate() {
            let bound = DEVIATIONS * fresh.noise(row) * last.amplification + SAFETY / gain * (new - old).abs();
            if (self.value[row] - old).abs() > self.bound[row] + bound {
                self.bound[row] = f64::INFINITY;
            }
        }
    }
}

/// Compares a fresh difference with the last, and keeps what is better; with `by_hand` the last, whose bound this
/// gives.
pub(super) fn compare(fresh: &Fresh<'_>, last: Step, order: i32, by_hand: bool, kept: &mut Kept<'_>) -> Verdict {
    if kept.lower {
        kept.doubt(fresh, last, order);
    }
    let seen = compare_all(fresh, last, order, by_hand, kept);
    let silent = seen.flags & LOUD == 0;
    // Truncation grows with the step's order, noise shrinks with the step.
    let ratio = seen.ratio();
    let shorter = last.length.min(fresh.step.length);
    Verdict {
        grow: seen.flags & WANTING != 0,
        shrink_to: if ratio < f64::INFINITY { shorter * (ratio / 2.0).powf(1.0 / f64::from(order + 1)) } else { ratio },
        silent,
        dead: silent && fresh.is_dead(),
        poor: seen.flags & KNOWN == 0,
        level: silent && fresh.has_moved(),
        kept: !seen.closely || 2 * seen.chosen > fresh.difference.len() as u64,
    }
}
