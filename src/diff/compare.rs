//! Two differences with different steps, held against each other: what each is worth, output by output.

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
        let within = |row: usize| self.difference[row].abs() <= DEVIATIONS * self.noise(row) * self.step.amplification;
        (0..self.difference.len()).all(|row| self.difference[row] == 0.0 || within(row))
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
    /// The bound of its error; infinite as long as there is none.
    pub(super) bound: &'a mut [f64],
    /// The last difference.
    pub(super) last: &'a mut [f64],
}

impl Kept<'_> {
    /// Gives up what differences with far shorter steps disprove: where truncation follows no power of the step, as
    /// of an oscillation that longer steps passed over, bounds that were made of it are no bounds.
    pub(super) fn doubt(&mut self, fresh: &Fresh<'_>, last: Step, order: i32) {
        let gain = (fresh.step.length / last.length).powi(order) - 1.0;
        for row in 0..self.value.len() {
            let (new, old) = (fresh.difference[row], self.last[row]);
            let bound = DEVIATIONS * fresh.noise(row) * last.amplification + SAFETY / gain * (new - old).abs();
            if (self.value[row] - old).abs() > self.bound[row] + bound {
                self.bound[row] = f64::INFINITY;
            }
        }
    }
}

/// Compares a fresh difference with the last, and keeps what is better; with `by_hand` the last, whose bound this
/// gives.
pub(super) fn compare(fresh: Fresh<'_>, last: Step, order: i32, by_hand: bool, kept: Kept<'_>) -> Verdict {
    if !by_hand && fresh.step.length > last.length && !shows_truncation(&fresh, last, kept.last) {
        return keep_longer(&fresh, last, kept);
    }
    let Kept { value, bound, last: previous } = kept;
    let grows = fresh.step.length > last.length;
    let ratio = if grows { fresh.step.length / last.length } else { last.length / fresh.step.length };
    let gain = ratio.powi(order) - 1.0;
    let (to_short, to_long) = (SAFETY / gain, SAFETY * (1.0 + 1.0 / gain));
    let n = value.len();
    // One length for all, so that bounds are checked once.
    let (value, bound, previous) = (&mut value[..n], &mut bound[..n], &mut previous[..n]);
    let difference = &fresh.difference[..n];

    let (mut grow, mut loud, mut fair) = (false, false, false);
    let (mut chosen, mut shrink_to) = (0usize, f64::INFINITY);
    for row in 0..n {
        let (new, old) = (difference[row], previous[row]);
        let rounding = new.abs() * f64::EPSILON;
        let noise = DEVIATIONS * fresh.noise(row);
        let new_noise = noise * fresh.step.amplification + rounding;
        // Values that grow with the step carry their noise with them.
        let nearer = if grows { (DEVIATIONS * fresh.noise.absolute[row]).max(noise / ratio).min(noise) } else { noise };
        let old_noise = nearer * last.amplification + rounding;
        let (short, long, short_noise, long_noise) =
            if grows { (old, new, old_noise, new_noise) } else { (new, old, new_noise, old_noise) };
        let apart = (new - old).abs();
        let seen = apart > SEEN * (short_noise + long_noise);
        let short_bound = short_noise + to_short * apart;
        let long_bound = long_noise + if seen { to_long * apart } else { apart.max(short_noise) };
        let extrapolated = short + (short - long) / gain;
        let (candidate, candidate_bound, is_new) = if by_hand {
            (old, long_bound, false)
        } else if seen && short_bound < long_bound {
            (extrapolated, short_bound, !grows)
        } else {
            // As far as can be seen the longer step has nothing but less noise.
            (long, long_bound, grows)
        };
        let better = candidate_bound < bound[row] || by_hand;
        value[row] = if better { candidate } else { value[row] };
        bound[row] = if better { candidate_bound } else { bound[row] };
        previous[row] = new;

        let size = value[row].abs();
        let enough = bound[row] <= ENOUGH * size;
        let silent = new.abs() <= new_noise;
        grow |= !enough && !seen && !silent;
        loud |= !silent;
        // Where truncation shows, the scale on which the output changes has been reached.
        fair |= seen || bound[row] <= most(FAIR, FAIR_IN_NOISE * fresh.noise.relative[row]) * size;
        chosen += usize::from(better && is_new);
        if seen && !enough && to_short * apart > short_noise {
            // Truncation grows with the step's order, noise shrinks with the step.
            shrink_to = shrink_to.min(short_noise / (2.0 * to_short * apart));
        }
    }
    Verdict {
        grow,
        shrink_to: shrink_to.powf(1.0 / f64::from(order + 1)) * last.length.min(fresh.step.length),
        silent: !loud,
        dead: !loud && fresh.is_dead(),
        poor: !fair,
        kept: 2 * chosen > n,
    }
}

/// Numbers worked on at once: loops over so many are made into vector instructions.
const LANES: usize = 8;

/// The greater of two numbers that are numbers.
#[inline(always)]
fn most(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Whether some output may differ from the last difference by more than the noise: judged by the noise at the base,
/// which is the least there is.
fn shows_truncation(fresh: &Fresh<'_>, last: Step, previous: &[f64]) -> bool {
    let factor = SEEN * DEVIATIONS * (last.amplification + fresh.step.amplification);
    let mut excess = [f64::NEG_INFINITY; LANES];
    let (news, new_rest) = fresh.difference.as_chunks::<LANES>();
    let (olds, old_rest) = previous.as_chunks::<LANES>();
    let (noises, noise_rest) = fresh.noise.absolute.as_chunks::<LANES>();
    for ((new, old), noise) in news.iter().zip(olds).zip(noises) {
        for lane in 0..LANES {
            excess[lane] = most((new[lane] - old[lane]).abs() - factor * noise[lane], excess[lane]);
        }
    }
    for ((new, old), noise) in new_rest.iter().zip(old_rest).zip(noise_rest) {
        excess[0] = most((new - old).abs() - factor * noise, excess[0]);
    }
    excess.iter().any(|excess| *excess > 0.0)
}

/// No output shows truncation: the longer step has nothing but less noise. What [`compare`] does then, without a
/// branch, since most differences are of this kind.
fn keep_longer(fresh: &Fresh<'_>, last: Step, kept: Kept<'_>) -> Verdict {
    let Kept { value, bound, last: previous } = kept;
    let n = value.len();
    let (value, bound, previous) = (&mut value[..n], &mut bound[..n], &mut previous[..n]);
    let (difference, outcome) = (&fresh.difference[..n], &fresh.outcome[..n]);
    let (absolute, relative) = (&fresh.noise.absolute[..n], &fresh.noise.relative[..n]);
    let Step { length, amplification } = fresh.step;
    let shrink = last.length / length;
    let (mut wanting, mut loud, mut fair) = ([-1.0; LANES], [-1.0; LANES], [-1.0; LANES]);
    for start in (0..n).step_by(LANES) {
        for (lane, row) in (start..n.min(start + LANES)).enumerate() {
            let new = difference[row];
            let size = new.abs();
            let noise = DEVIATIONS * most(absolute[row], relative[row] * (outcome[row].abs() + 2.0 * length * size));
            let rounding = size * f64::EPSILON;
            let new_noise = noise * amplification + rounding;
            let old_noise = most(DEVIATIONS * absolute[row], noise * shrink) * last.amplification + rounding;
            let new_bound = new_noise + most((new - previous[row]).abs(), old_noise);
            let better = new_bound < bound[row];
            value[row] = if better { new } else { value[row] };
            bound[row] = if better { new_bound } else { bound[row] };
            previous[row] = new;
            let audible = size - new_noise;
            loud[lane] = most(audible, loud[lane]);
            let lacking = if audible > 0.0 { bound[row] - ENOUGH * value[row].abs() } else { -1.0 };
            wanting[lane] = most(lacking, wanting[lane]);
            let tolerance = most(FAIR, FAIR_IN_NOISE * relative[row]);
            fair[lane] = most(tolerance * value[row].abs() - bound[row], fair[lane]);
        }
    }
    let any = |lanes: [f64; LANES]| lanes.iter().any(|lane| *lane > 0.0);
    let silent = !any(loud);
    Verdict {
        grow: any(wanting),
        shrink_to: f64::INFINITY,
        silent,
        dead: silent && fresh.is_dead(),
        poor: !any(fair),
        kept: true,
    }
}
