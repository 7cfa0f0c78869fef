//! The inner loops of a comparison, output by output: which difference to keep, with which bound. Blocks of outputs
//! are treated alike, as the most difficult of them needs it, without a branch an output.

use std::ops::Range;

use multiversion::multiversion;

use super::{DEVIATIONS, Fresh, Kept, SAFETY, Step};

/// Two differences that differ by more than this part of the sum of their noise bounds show truncation.
const SEEN: f64 = 0.7;
/// A derivative known to this relative precision needs no better step,
const ENOUGH: f64 = 1e-9;
/// and one known to this needs none beyond the coordinate's scale; nor does one known to so many times the relative
/// noise of its output, which is what steps of that scale give where the output changes on it.
const FAIR: f64 = 3e-5;
const FAIR_IN_NOISE: f64 = 100.0;

/// Numbers that are put together in any order.
const LANES: usize = 8;

/// Outputs that are treated alike.
pub(super) const BLOCK: usize = 2 * LANES;

/// Block by block, with the widest vectors the machine has.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn compare_all(fresh: &Fresh<'_>, last: Step, order: i32, by_hand: bool, kept: &mut Kept<'_>) -> Seen {
    let mut seen = Seen { ratios: [f64::INFINITY; LANES], ..Seen::default() };
    // Made here of what came in registers: what was just stored in parts and is read as a whole waits for all stores
    // before it, which are those of a whole column.
    let pair = &Pair::new(fresh.step, last, order, by_hand);
    let m = fresh.difference.len();
    // All of one length, as far as the compiler can see.
    let all = Rows {
        new: fresh.difference,
        old: kept.last.map(|old| &old[..m]),
        outcome: &fresh.outcome[..m],
        base: &fresh.base[..m],
        absolute: &fresh.noise.absolute[..m],
        relative: &fresh.noise.relative[..m],
    };
    let (value, bound) = (&mut kept.value[..m], &mut kept.bound[..m]);
    match (kept.last, kept.lower) {
        (None, _) => pair.compare::<true, true>(all, value, bound, &mut seen),
        (Some(_), true) => pair.compare::<false, true>(all, value, bound, &mut seen),
        (Some(_), false) => pair.compare::<false, false>(all, value, bound, &mut seen),
    }
    seen
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Seen {
    /// What some output shows.
    pub(super) flags: u64,
    /// Outputs that keep the fresh difference.
    pub(super) chosen: u64,
    /// The least ratios of noise to truncation, where that matters and somebody asks.
    ratios: [f64; LANES],
    /// Whether some were looked at closely.
    pub(super) closely: bool,
}

impl Seen {
    /// The least ratio of noise to truncation, infinite if none matters.
    pub(super) fn ratio(&self) -> f64 {
        self.ratios.into_iter().fold(f64::INFINITY, f64::min)
    }
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

impl<'a> Rows<'a> {
    /// Some of them.
    #[inline(always)]
    fn some(self, rows: Range<usize>) -> Rows<'a> {
        Rows {
            new: &self.new[rows.clone()],
            old: self.old.map(|old| &old[rows.clone()]),
            outcome: &self.outcome[rows.clone()],
            base: &self.base[rows.clone()],
            absolute: &self.absolute[rows.clone()],
            relative: &self.relative[rows],
        }
    }
}

/// Whether all numbers are zero, of either sign.
#[inline(always)]
pub(super) fn are_zero(numbers: &[f64]) -> bool {
    let mut bits = [0; 4];
    let (chunks, rest) = numbers.as_chunks::<4>();
    for chunk in chunks {
        for (bits, number) in bits.iter_mut().zip(chunk) {
            *bits |= number.to_bits() << 1;
        }
    }
    bits == [0; 4] && rest.iter().all(|number| *number == 0.0)
}

/// All bits, if so.
#[inline(always)]
fn mask(so: bool) -> u64 {
    u64::from(so).wrapping_neg()
}

/// The flag, if so.
#[inline(always)]
fn flag(so: bool, flag: u64) -> u64 {
    mask(so) & flag
}

/// A larger step would do some output good.
pub(super) const WANTING: u64 = 1;
/// Some output changed by more than the noise.
pub(super) const LOUD: u64 = 2;
/// Some output is known well enough.
pub(super) const KNOWN: u64 = 4;
const ALL: u64 = WANTING | LOUD | KNOWN;

/// One of two numbers, without a branch: loops around it are made into vector instructions.
#[inline(always)]
fn select(first: bool, a: f64, b: f64) -> f64 {
    let mask = mask(first);
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

    /// Block by block. With `FIRST` the last difference is the value; with `STARTS` somebody asks whether to start again
    /// lower.
    #[inline(always)]
    fn compare<const FIRST: bool, const STARTS: bool>(
        &self,
        all: Rows<'_>,
        value: &mut [f64],
        bound: &mut [f64],
        seen: &mut Seen,
    ) {
        let m = value.len();
        // Blocks have a length that the compiler knows.
        let whole = m / BLOCK * BLOCK;
        let shortcuts = self.grows && !self.by_hand;
        let mut first = 0;
        loop {
            // Most entries of many matrices are zero. A loop of its own has what it needs in registers.
            while shortcuts && first < whole {
                let rows = first..first + BLOCK;
                let (some, value) = (all.some(rows.clone()), &mut value[rows.clone()]);
                if !are_zero(some.new) || !are_zero(some.old.unwrap_or(value)) {
                    break;
                }
                self.keep_zero::<FIRST>(some, value, &mut bound[rows], seen);
                first += BLOCK;
            }
            if first == whole {
                break;
            }
            let rows = first..first + BLOCK;
            self.compare_some::<FIRST, STARTS>(
                all.some(rows.clone()),
                &mut value[rows.clone()],
                &mut bound[rows],
                seen,
            );
            first += BLOCK;
        }
        self.compare_some::<FIRST, STARTS>(all.some(whole..m), &mut value[whole..], &mut bound[whole..], seen);
    }

    #[inline(always)]
    fn compare_some<const FIRST: bool, const STARTS: bool>(
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
        }
        seen.chosen += chosen;
        if seen.flags != ALL {
            self.look(rows, value, bound, &[0; BLOCK], seen);
        }
    }

    /// What the outputs show, once they are compared.
    #[inline(always)]
    fn look(&self, rows: Rows<'_>, value: &[f64], bound: &[f64], truncate: &[u64; BLOCK], seen: &mut Seen) {
        let n = value.len();
        let (outcome, difference, bound) = (&rows.outcome[..n], &rows.new[..n], &bound[..n]);
        let (absolute, relative, truncate) = (&rows.absolute[..n], &rows.relative[..n], &truncate[..n]);
        let (new_factor, _) = self.factors();
        let stretch = 2.0 * self.fresh.length;
        let mut flags = 0;
        for row in 0..n {
            let (size, magnitude) = (difference[row].abs(), value[row].abs());
            let noise = most(absolute[row], relative[row] * (outcome[row].abs() + stretch * size));
            let audible = size > noise * new_factor + size * f64::EPSILON;
            let lacks = bound[row] > ENOUGH * magnitude;
            flags |= flag(lacks & audible, WANTING) & !truncate[row] | flag(audible, LOUD);
            // Where truncation shows, the scale on which the output changes has been reached.
            let enough = most(FAIR, FAIR_IN_NOISE * relative[row]) * magnitude;
            flags |= flag(bound[row] < enough, KNOWN) | truncate[row] & KNOWN;
        }
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
        let mut chosen = 0;
        let mut truncate = [0; BLOCK];
        let (mut some, mut all) = (0, !0);
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

            let truncates_here = mask(truncates);
            truncate[row] = truncates_here;
            some |= truncates_here;
            all &= truncates_here;
            chosen += u64::from(better & (extrapolates != grows));
            if STARTS {
                let lacks = bound[row] > ENOUGH * value[row].abs();
                let matters = truncates & lacks & (truncation > short_noise);
                ratios[row] = select(matters, short_noise / truncation, f64::INFINITY);
            }
        }
        seen.closely = true;
        seen.chosen += if by_hand { 0 } else { chosen };
        seen.flags |= some & KNOWN;
        if seen.flags != ALL && (all == 0 || seen.flags & LOUD == 0) {
            self.look(rows, value, bound, &truncate, seen);
        }
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

        #[test]
        fn how_many_are_compared_together_changes_nothing(
            stretches in prop::collection::vec((0..3, 1..=2 * BLOCK), 1..5),
            slopes in prop::collection::vec((0.5..2.0f64, 0.0..1.0f64), 8 * BLOCK),
            before in 1e-12..1e-6f64,
        ) {
            // Stretches of outputs that are 0, that show no truncation, and that may.
            let kinds = stretches.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
            let numbers = kinds.zip(&slopes).map(|(kind, (slope, part))| match kind {
                0 => (0.0, 0.0),
                1 => (*slope, slope + part * 1e-11),
                _ => (*slope, slope + part * 1e-6),
            });
            let (old, new): (Vec<f64>, Vec<f64>) = numbers.unzip();
            let (ones, noise) = (vec![1.0; old.len()], vec![2e-16; old.len()]);
            let all = Rows { new: &new, old: None, outcome: &ones, base: &ones, absolute: &noise, relative: &noise };
            let again = Rows { old: Some(&old), ..all };
            let block_by_block = |all: Rows<'_>, way: fn(&Pair, Rows<'_>, &mut [f64], &mut [f64], &mut Seen), bound| {
                let starts = (0..old.len()).step_by(BLOCK);
                let parts = starts.map(|first| first..(first + BLOCK).min(old.len()));
                let parts = parts.map(|rows| by(way, all.some(rows.clone()), &old[rows], bound));
                parts.fold((Vec::new(), Vec::new(), [0, 0]), |(mut values, mut bounds, seen), part| {
                    values.extend(part.0);
                    bounds.extend(part.1);
                    (values, bounds, [seen[0] | part.2[0], seen[1] + part.2[1]])
                })
            };
            let together = by(Pair::compare::<true, true>, all, &old, f64::NAN);
            prop_assert!(agree(&together, &block_by_block(all, Pair::closely::<true, true>, f64::NAN)));
            let together = by(Pair::compare::<false, false>, again, &old, before);
            prop_assert!(agree(&together, &block_by_block(again, Pair::closely::<false, false>, before)));
        }
    }
}
