//! Two differences with different steps, held against each other: what each is worth, output by output.

use std::ops::Range;

use multiversion::multiversion;

use super::climb::Verdict;
use super::noise::Noise;

/// Noise is bounded by so many standard deviations. They are estimated from seven values, hence not two.
const DEVIATIONS: f64 = 3.0;
/// Truncation is bounded by so many times its estimate.
const SAFETY: f64 = 3.0;
/// Two differences that differ by more than this part of the sum of their noise bounds show truncation.
const SEEN: f64 = 0.7;
/// A derivative known to this relative precision needs no better step,
const ENOUGH: f64 = 1e-9;
/// and one known to this needs none beyond the coordinate's scale; nor does one known to so many times the relative
/// noise of its output, which is what steps of that scale give where the output changes on it.
const FAIR: f64 = 3e-5;
const FAIR_IN_NOISE: f64 = 100.0;
/// A value that changed by so many times its noise did change.
const MOVED: f64 = 30.0;

/// Numbers that are put together in any order.
const LANES: usize = 8;

/// Outputs that are treated alike: as the most difficult of them needs it.
const BLOCK: usize = 2 * LANES;

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
    /// The noise of the values that made it: what was measured at the base, more where values are larger.
    #[inline(always)]
    fn noise(&self, row: usize) -> f64 {
        let size = self.outcome[row].abs() + 2.0 * self.step.length * self.difference[row].abs();
        self.noise.absolute[row].max(self.noise.relative[row] * size)
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
    let mut seen = Seen { ratios: [f64::INFINITY; LANES], ..Seen::default() };
    compare_all(fresh, last, order, by_hand, kept, &mut seen);
    let silent = seen.flags & LOUD == 0;
    // Truncation grows with the step's order, noise shrinks with the step.
    let ratio = seen.ratios.into_iter().fold(f64::INFINITY, f64::min);
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

/// Block by block, with the widest vectors the machine has.
#[multiversion(targets("x86_64+avx2"))]
fn compare_all(fresh: &Fresh<'_>, last: Step, order: i32, by_hand: bool, kept: &mut Kept<'_>, seen: &mut Seen) {
    // Made here of what came in registers: what was just stored in parts and is read as a whole waits for all stores
    // before it, which are those of a whole column.
    let pair = &Pair::new(fresh.step, last, order, by_hand);
    let m = fresh.difference.len();
    let whole = m / BLOCK * BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        // Of a length that the compiler knows.
        compare_some(pair, fresh, kept, first..first + BLOCK, seen);
    }
    compare_some(pair, fresh, kept, whole..m, seen);
}

#[inline(always)]
fn compare_some(pair: &Pair, fresh: &Fresh<'_>, kept: &mut Kept<'_>, rows: Range<usize>, seen: &mut Seen) {
    let (value, bound) = (&mut kept.value[rows.clone()], &mut kept.bound[rows.clone()]);
    let some = Rows {
        new: &fresh.difference[rows.clone()],
        old: kept.last.map(|old| &old[rows.clone()]),
        outcome: &fresh.outcome[rows.clone()],
        base: &fresh.base[rows.clone()],
        absolute: &fresh.noise.absolute[rows.clone()],
        relative: &fresh.noise.relative[rows],
    };
    match (kept.last, kept.lower) {
        (None, _) => pair.compare::<true, true>(some, value, bound, seen),
        (Some(_), true) => pair.compare::<false, true>(some, value, bound, seen),
        (Some(_), false) => pair.compare::<false, false>(some, value, bound, seen),
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// What some output shows.
    flags: u64,
    /// Outputs that keep the fresh difference.
    chosen: u64,
    /// The least ratios of noise to truncation, where that matters and somebody asks.
    ratios: [f64; LANES],
    /// Whether some were looked at closely.
    closely: bool,
}

/// The steps of the fresh difference and of the last, and what follows from them for all outputs.
struct Pair {
    fresh: Step,
    last: Step,
    by_hand: bool,
    /// Whether the fresh step is the longer.
    grows: bool,
    ratio: f64,
    gain: f64,
    to_short: f64,
    to_long: f64,
}

/// Some outputs.
#[derive(Clone, Copy)]
struct Rows<'a> {
    new: &'a [f64],
    /// The last difference; without it that is the value, and nothing is bounded yet.
    old: Option<&'a [f64]>,
    outcome: &'a [f64],
    base: &'a [f64],
    absolute: &'a [f64],
    relative: &'a [f64],
}

/// Whether all numbers are zero, of either sign.
#[inline(always)]
fn are_zero(numbers: &[f64]) -> bool {
    let mut bits = [0; 4];
    let (chunks, rest) = numbers.as_chunks::<4>();
    for chunk in chunks {
        for (bits, number) in bits.iter_mut().zip(chunk) {
            *bits |= number.to_bits() << 1;
        }
    }
    bits == [0; 4] && rest.iter().all(|number| *number == 0.0)
}

/// The flag, if so.
#[inline(always)]
fn flag(so: bool, flag: u64) -> u64 {
    u64::from(so).wrapping_neg() & flag
}

/// A larger step would do some output good.
const WANTING: u64 = 1;
/// Some output changed by more than the noise.
const LOUD: u64 = 2;
/// Some output is known well enough.
const KNOWN: u64 = 4;

/// One of two numbers, without a branch: loops around it are made into vector instructions.
#[inline(always)]
fn select(first: bool, a: f64, b: f64) -> f64 {
    let mask = u64::from(first).wrapping_neg();
    f64::from_bits(a.to_bits() & mask | b.to_bits() & !mask)
}

/// The greater of two numbers that are numbers.
#[inline(always)]
fn most(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl Pair {
    #[inline(always)]
    fn new(fresh: Step, last: Step, order: i32, by_hand: bool) -> Pair {
        let grows = fresh.length > last.length;
        let ratio = if grows { fresh.length / last.length } else { last.length / fresh.length };
        let gain = ratio.powi(order) - 1.0;
        let (to_short, to_long) = (SAFETY / gain, SAFETY * (1.0 + 1.0 / gain));
        Pair { fresh, last, by_hand, grows, ratio, gain, to_short, to_long }
    }

    /// With `FIRST` the last difference is the value; with `STARTS` somebody asks whether to start again lower.
    #[inline(always)]
    fn compare<const FIRST: bool, const STARTS: bool>(
        &self,
        rows: Rows<'_>,
        value: &mut [f64],
        bound: &mut [f64],
        seen: &mut Seen,
    ) {
        if self.by_hand || !self.grows {
            return self.closely::<FIRST, STARTS>(rows, value, bound, seen);
        }
        let old = rows.old.unwrap_or(value);
        // Most entries of many matrices are zero.
        if are_zero(rows.new) && are_zero(old) {
            return self.keep_zero::<FIRST>(rows, value, bound, seen);
        }
        // Judged by the noise at the base, which is the least there is.
        let factor = SEEN * DEVIATIONS * (self.last.amplification + self.fresh.amplification);
        let pairs = rows.new.iter().zip(old).zip(rows.absolute);
        if pairs.fold(0, |any, ((new, old), noise)| any | u64::from((new - old).abs() > factor * noise)) != 0 {
            self.closely::<FIRST, STARTS>(rows, value, bound, seen);
        } else {
            self.keep_longer::<FIRST>(rows, value, bound, seen);
        }
    }

    /// What noise is multiplied by in the fresh difference and in the last.
    #[inline(always)]
    fn factors(&self) -> (f64, f64) {
        (DEVIATIONS * self.fresh.amplification, DEVIATIONS * self.last.amplification)
    }

    /// What [`Pair::keep_longer`] does where both differences are 0: there is noise, nothing else.
    #[inline(always)]
    fn keep_zero<const FIRST: bool>(&self, rows: Rows<'_>, value: &mut [f64], bound: &mut [f64], seen: &mut Seen) {
        let n = value.len();
        let (bound, outcome) = (&mut bound[..n], &rows.outcome[..n]);
        let (absolute, relative) = (&rows.absolute[..n], &rows.relative[..n]);
        let (new_factor, old_factor) = self.factors();
        let shrink = 1.0 / self.ratio;
        let mut chosen = if FIRST { n as u64 } else { 0 };
        // An output that is what it was at the base has the noise it had there.
        let base = &rows.base[..n];
        if FIRST && (0..n).fold(0, |bits, row| bits | (outcome[row].to_bits() ^ base[row].to_bits())) == 0 {
            let factor = new_factor + old_factor;
            // Written apart from what is read, which the compiler could not know.
            let mut bounds = [0.0; BLOCK];
            for row in 0..n {
                bounds[row] = absolute[row] * factor;
            }
            bound.copy_from_slice(&bounds[..n]);
            seen.chosen += chosen;
            return;
        }
        for row in 0..n {
            let noise = most(absolute[row], relative[row] * outcome[row].abs());
            let new_bound = noise * new_factor + most(absolute[row], noise * shrink) * old_factor;
            if FIRST {
                bound[row] = new_bound;
            } else {
                let better = new_bound < bound[row];
                chosen += u64::from(better);
                value[row] = select(better, 0.0, value[row]);
                bound[row] = select(better, new_bound, bound[row]);
            }
        }
        seen.chosen += chosen;
    }

    /// No output shows truncation: the longer step has nothing but less noise. What [`Pair::closely`] does then, without
    /// a branch, since most differences are of this kind.
    #[inline(always)]
    fn keep_longer<const FIRST: bool>(&self, rows: Rows<'_>, value: &mut [f64], bound: &mut [f64], seen: &mut Seen) {
        let n = value.len();
        let (bound, outcome, difference) = (&mut bound[..n], &rows.outcome[..n], &rows.new[..n]);
        let (absolute, relative) = (&rows.absolute[..n], &rows.relative[..n]);
        let last = if FIRST { &[] } else { &rows.old.unwrap_or_default()[..n] };
        let (new_factor, old_factor) = self.factors();
        let (shrink, stretch) = (1.0 / self.ratio, 2.0 * self.fresh.length);
        let mut chosen = if FIRST { n as u64 } else { 0 };
        let mut flags = 0;
        for row in 0..n {
            let new = difference[row];
            let old = if FIRST { value[row] } else { last[row] };
            let size = new.abs();
            let noise = most(absolute[row], relative[row] * (outcome[row].abs() + stretch * size));
            let rounding = size * f64::EPSILON;
            let new_noise = noise * new_factor + rounding;
            let old_noise = most(absolute[row], noise * shrink) * old_factor + rounding;
            let new_bound = new_noise + most((new - old).abs(), old_noise);
            if FIRST {
                (value[row], bound[row]) = (new, new_bound);
            } else {
                let better = new_bound < bound[row];
                chosen += u64::from(better);
                value[row] = select(better, new, value[row]);
                bound[row] = select(better, new_bound, bound[row]);
            }
            let (audible, size) = (size > new_noise, value[row].abs());
            flags |= flag(audible & (bound[row] > ENOUGH * size), WANTING) | flag(audible, LOUD);
            flags |= flag(bound[row] < most(FAIR, FAIR_IN_NOISE * relative[row]) * size, KNOWN);
        }
        seen.chosen += chosen;
        seen.flags |= flags;
    }

    /// Whatever the outputs show.
    #[inline(always)]
    fn closely<const FIRST: bool, const STARTS: bool>(
        &self,
        rows: Rows<'_>,
        value: &mut [f64],
        bound: &mut [f64],
        seen: &mut Seen,
    ) {
        let n = value.len();
        let (bound, outcome, difference) = (&mut bound[..n], &rows.outcome[..n], &rows.new[..n]);
        let (absolute, relative) = (&rows.absolute[..n], &rows.relative[..n]);
        let last = if FIRST { &[] } else { &rows.old.unwrap_or_default()[..n] };
        let Pair { by_hand, grows, gain, to_short, to_long, .. } = *self;
        let (new_factor, old_factor) = self.factors();
        // Values that grow with the step carry their noise with them.
        let (shrink, stretch) = (if grows { 1.0 / self.ratio } else { 1.0 }, 2.0 * self.fresh.length);
        let part = 1.0 / gain;
        let (mut flags, mut chosen) = (0, 0);
        let mut all_ratios = [f64::INFINITY; BLOCK];
        let ratios = &mut all_ratios[..n];
        for row in 0..n {
            let new = difference[row];
            let old = if FIRST { value[row] } else { last[row] };
            let before = if FIRST { f64::INFINITY } else { bound[row] };
            let size = new.abs();
            let noise = most(absolute[row], relative[row] * (outcome[row].abs() + stretch * size));
            let rounding = size * f64::EPSILON;
            let new_noise = noise * new_factor + rounding;
            let old_noise = most(absolute[row], noise * shrink) * old_factor + rounding;
            let (short, long, short_noise, long_noise) =
                if grows { (old, new, old_noise, new_noise) } else { (new, old, new_noise, old_noise) };
            let apart = (new - old).abs();
            let truncates = apart > SEEN * (short_noise + long_noise);
            let truncation = to_short * apart;
            let short_bound = short_noise + truncation;
            let long_bound = long_noise + select(truncates, to_long * apart, most(apart, short_noise));
            // As far as can be seen the longer step has nothing but less noise, else the two are extrapolated.
            let extrapolates = !by_hand & truncates & (short_bound < long_bound);
            let extrapolated = short + (short - long) * part;
            let candidate = if by_hand { old } else { long };
            let candidate = select(extrapolates, extrapolated, candidate);
            let candidate_bound = select(extrapolates, short_bound, long_bound);
            let better = (candidate_bound < before) | by_hand;
            value[row] = select(better, candidate, value[row]);
            bound[row] = select(better, candidate_bound, before);

            let magnitude = value[row].abs();
            let lacks = bound[row] > ENOUGH * magnitude;
            let audible = size > new_noise;
            flags |= flag(lacks & !truncates & audible, WANTING) | flag(audible, LOUD);
            // Where truncation shows, the scale on which the output changes has been reached.
            let enough = most(FAIR, FAIR_IN_NOISE * relative[row]) * magnitude;
            flags |= flag(truncates | (bound[row] <= enough), KNOWN);
            chosen += u64::from(better & (extrapolates != grows));
            if STARTS {
                let matters = truncates & lacks & (truncation > short_noise);
                ratios[row] = select(matters, short_noise / truncation, f64::INFINITY);
            }
        }
        seen.closely = true;
        seen.chosen += if by_hand { 0 } else { chosen };
        seen.flags |= flags;
        let all_ratios = if STARTS { all_ratios.as_chunks::<LANES>().0 } else { &[] };
        for ratios in all_ratios {
            for (least, ratio) in seen.ratios.iter_mut().zip(ratios) {
                *least = if ratio < least { *ratio } else { *least };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = (Vec<f64>, Vec<f64>, [u64; 2]);

    /// Values, bounds and what was seen by one of the ways to compare.
    fn by(
        way: impl Fn(&Pair, Rows<'_>, &mut [f64], &mut [f64], &mut Seen),
        rows: Rows<'_>,
        old: &[f64],
        bound: f64,
    ) -> Outcome {
        let last = Step { length: 1e-6, amplification: 1e6 };
        let pair = Pair::new(Step { length: 8e-6, amplification: 1.25e5 }, last, 2, false);
        let (mut value, mut bound) = (old.to_vec(), vec![bound; old.len()]);
        let mut seen = Seen::default();
        way(&pair, rows, &mut value, &mut bound, &mut seen);
        (value, bound, [seen.flags, seen.chosen])
    }

    fn agree(a: &Outcome, b: &Outcome) -> bool {
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs());
        near(&a.0, &b.0) && near(&a.1, &b.1) && a.2 == b.2
    }

    proptest! {
        #[test]
        fn shortcuts_find_what_a_close_look_finds(
            outputs in prop::collection::vec((-2.0..2.0f64, -0.5..0.5f64, 0.5..2.0f64), 1..=BLOCK),
            before in 1e-12..1e-6f64,
        ) {
            // At the base there is as much noise as was seen about it, where values were no smaller.
            let noise = vec![2e-16; outputs.len()];
            let relative = vec![1e-16; outputs.len()];
            let outcome: Vec<f64> = outputs.iter().map(|(.., size)| *size).collect();
            let old: Vec<f64> = outputs.iter().map(|(slope, ..)| if slope.abs() < 0.5 { 0.0 } else { *slope }).collect();
            // Apart by less than noise explains: 3e-10 with the shorter step.
            let new: Vec<f64> = old.iter().zip(&outputs).map(|(old, (_, part, _))| old + part * 1e-10).collect();
            let rows = Rows { new: &new, old: None, outcome: &outcome, base: &outcome, absolute: &noise, relative: &relative };
            let again = Rows { old: Some(&old), ..rows };
            let close = by(Pair::closely::<true, true>, rows, &old, f64::NAN);
            prop_assert!(agree(&close, &by(Pair::keep_longer::<true>, rows, &old, f64::NAN)));
            prop_assert!(agree(&close, &by(Pair::compare::<true, true>, rows, &old, f64::NAN)));
            let close = by(Pair::closely::<false, true>, again, &old, before);
            prop_assert!(agree(&close, &by(Pair::keep_longer::<false>, again, &old, before)));
            let zeros = vec![0.0; outputs.len()];
            let rows = Rows { new: &zeros, ..rows };
            let close = by(Pair::closely::<true, true>, rows, &zeros, f64::NAN);
            prop_assert!(agree(&close, &by(Pair::compare::<true, true>, rows, &zeros, f64::NAN)));
        }
    }
}
