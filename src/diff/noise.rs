//! How much noise a function's values carry, from a few of them on a short line.
//!
//! Two kinds are told apart. What rounding leaves, be it to float32 or to the digits of a printed number, shows in
//! the values themselves: their last digits are all zero. What an iteration or a random number leaves shows in
//! their differences (ECNoise).

use multiversion::multiversion;

use super::fold::{dot, norm};
use super::resolution::{known, resolution, resolution_of};

/// Values on the line, the base among them.
pub(super) const SAMPLES: usize = 7;

/// Outputs worked on at once: loops over so many are made into vector instructions.
const LANES: usize = 8;
type Lanes = [f64; LANES];

/// Noise beyond this part of the values is doubtful: it may be the function itself, which changes faster than the line
/// can show (Moré and Wild). So is what is so many times the resolution where differences still fall.
const DOUBTFUL: f64 = 0.1;
const FAR_ABOVE: f64 = 100.0;

/// Noise is coarse beyond this part of the values.
const COARSE: f64 = 1e4 * f64::EPSILON;

/// The rounding error of float64, as a standard deviation relative to a value.
const ROUNDING: f64 = f64::EPSILON / 2.0 / SQRT_3;
const SQRT_3: f64 = 1.732_050_807_568_877_2;
const SQRT_12: f64 = 2.0 * SQRT_3;

/// Noise of every output: standard deviations.
#[derive(Clone, Debug, Default)]
pub(super) struct Noise {
    /// At the base.
    pub(super) absolute: Vec<f64>,
    /// Divided by the magnitude of the values it was seen in: values far from the base may have more.
    pub(super) relative: Vec<f64>,
    /// Whether it is far above the rounding of float64, so that a difference of 0 says little.
    pub(super) coarse: Vec<bool>,
    /// Whether it may be the function itself, and must be seen on a shorter line.
    doubtful: Vec<bool>,
}

impl Noise {
    /// From the outcomes at the points of the line, by point; those of the base first. `far` holds outcomes farther
    /// away, for outputs that are constant on the line; it may be empty. `printed` has the distance of neighbouring
    /// values of those outputs for which it is known, else 0; it may be empty too.
    pub(super) fn measure(line: &[&[f64]], far: &[&[f64]], printed: &[f64]) -> Noise {
        let mut noise = Noise::of(line.first().map_or(0, |base| base.len()));
        measure_all(&mut noise, line, far, printed);
        noise
    }

    /// That of an output's values of this size: what was measured at the base, more where they are larger.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, size: f64) -> f64 {
        self.absolute[row].max(self.relative[row] * size)
    }

    /// The noise of w·f, given that of f: what the products themselves show, and no less than rounding each output
    /// would leave.
    pub(super) fn of_product(self, line: &[&[f64]], cotangent: &[f64]) -> Noise {
        let mut products = [[0.0; LANES]; SAMPLES];
        for (product, values) in products.iter_mut().zip(line) {
            product[0] = dot(cotangent, values);
        }
        let size: f64 = line.first().map_or(0.0, |base| base.iter().zip(cotangent).map(|(y, w)| (y * w).abs()).sum());
        let parts: Vec<f64> = self.absolute.iter().zip(cotangent).map(|(noise, w)| noise * w).collect();
        let mut noise = Noise::default();
        noise.append(1, &scatter(&products[..line.len()], &[size; LANES]), &[norm(&parts); LANES], &[size; LANES]);
        noise
    }

    /// Room for so many outputs.
    fn of(m: usize) -> Noise {
        let numbers = || Vec::with_capacity(m);
        Noise {
            absolute: numbers(),
            relative: numbers(),
            coarse: Vec::with_capacity(m),
            doubtful: Vec::with_capacity(m),
        }
    }

    /// Adds some outputs: what their differences show, no less than `least`, in values of these magnitudes.
    #[inline(always)]
    fn append(&mut self, count: usize, scatter: &Scatter, least: &Lanes, magnitude: &Lanes) {
        let (mut absolute, mut relative) = ([0.0; LANES], [0.0; LANES]);
        let (mut coarse, mut doubtful) = ([false; LANES], [false; LANES]);
        for lane in 0..LANES {
            let deviation = scatter.deviation[lane].max(least[lane]);
            let ratio = deviation / magnitude[lane];
            let ratio = if magnitude[lane] > 0.0 { ratio } else { ROUNDING };
            let falls = scatter.falls[lane] & (scatter.deviation[lane] > FAR_ABOVE * least[lane]);
            (absolute[lane], relative[lane]) = (deviation, ratio);
            (coarse[lane], doubtful[lane]) = (ratio > COARSE, falls | (ratio > DOUBTFUL));
        }
        self.absolute.extend_from_slice(&absolute[..count]);
        self.relative.extend_from_slice(&relative[..count]);
        self.coarse.extend_from_slice(&coarse[..count]);
        self.doubtful.extend_from_slice(&doubtful[..count]);
    }

    /// Whether the noise of some output must be seen on a shorter line.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.contains(&true)
    }

    /// Believes a shorter line where this one is doubtful and there is less noise, if the output changes at all on it.
    pub(super) fn amend(&mut self, shorter: &Noise, changes: impl Fn(usize) -> bool) {
        for row in 0..self.absolute.len() {
            if self.doubtful[row] && shorter.absolute[row] < self.absolute[row] && changes(row) {
                self.absolute[row] = shorter.absolute[row];
                self.relative[row] = shorter.relative[row];
                self.coarse[row] = shorter.coarse[row];
            }
        }
    }

    /// The least relative noise of any output that is not zero: the finest step that is worth a thought.
    pub(super) fn finest(&self) -> f64 {
        let least = self
            .relative
            .iter()
            .zip(&self.absolute)
            .filter(|(_, absolute)| **absolute > 0.0)
            .map(|(relative, _)| *relative)
            .fold(f64::INFINITY, f64::min);
        if least.is_finite() { least.max(ROUNDING) } else { ROUNDING }
    }
}

/// Block by block, with the widest vectors the machine has.
#[multiversion(targets("x86_64+avx2"))]
fn measure_all(noise: &mut Noise, line: &[&[f64]], far: &[&[f64]], printed: &[f64]) {
    let m = line.first().map_or(0, |base| base.len());
    let mut lanes = [[0.0; LANES]; SAMPLES];
    for first in (0..m).step_by(LANES) {
        let count = LANES.min(m - first);
        for (lanes, outcome) in lanes.iter_mut().zip(line) {
            lanes[..count].copy_from_slice(&outcome[first..first + count]);
        }
        let seen = &lanes[..line.len()];
        let Sight { greatest, bits, varies } = look(seen);
        let mut least = [0.0; LANES];
        for lane in 0..count {
            let values = || seen.iter().map(|values| values[lane]);
            let told = known(printed, first + lane).filter(|told| values().all(|value| told.has(value)));
            let mut resolution = told.unwrap_or_else(|| resolution(greatest[lane], bits[lane], values()));
            if !varies[lane] && !resolution.certain {
                let seen = far.iter().map(|outcome| outcome[first + lane]);
                // A function that changes does not keep so few digits unless it has no more.
                let changes = seen.clone().any(|value| value != lanes[0][lane]);
                resolution = resolution_of(seen);
                if !(resolution.certain || changes) {
                    resolution.quantum = 0.0;
                }
            }
            least[lane] = (resolution.quantum / SQRT_12).max(greatest[lane] * ROUNDING);
        }
        noise.append(count, &scatter(seen, &greatest), &least, &greatest);
    }
}

/// What is seen in the differences of values up to these magnitudes. Squares of the largest and of the smallest are no
/// numbers: they are brought to others first.
#[inline(always)]
fn scatter(values: &[Lanes], greatest: &Lanes) -> Scatter {
    let plain = |greatest: f64| greatest == 0.0 || (1e-140..1e140).contains(&greatest);
    if greatest.iter().all(|greatest| plain(*greatest)) {
        return ecnoise(values);
    }
    let factors = greatest.map(|greatest| if plain(greatest) || !greatest.is_finite() { 1.0 } else { greatest });
    let mut scaled = [[0.0; LANES]; SAMPLES];
    for (scaled, values) in scaled.iter_mut().zip(values) {
        for lane in 0..LANES {
            scaled[lane] = values[lane] / factors[lane];
        }
    }
    let mut scatter = ecnoise(&scaled[..values.len()]);
    for (deviation, factor) in scatter.deviation.iter_mut().zip(factors) {
        *deviation *= factor;
    }
    scatter
}

/// Whether an output is the same at all points of a line and its digits do not tell its resolution: whether it must
/// be seen farther away.
pub(super) fn needs_a_farther_look(line: &[&[f64]], printed: &[f64]) -> bool {
    let [base, next, ..] = line else { return false };
    let stays = base.iter().zip(*next).enumerate().filter(|(_, (base, next))| base == next);
    stays.filter(|(_, (base, _))| **base != 0.0).any(|(row, (base, _))| {
        let values = line.iter().map(|outcome| outcome[row]);
        values.clone().all(|value| value == *base) && known(printed, row).is_none() && !resolution_of(values).certain
    })
}

/// What is seen of values one by one.
struct Sight {
    /// The greatest magnitude.
    greatest: Lanes,
    /// The bits of all that are normal, put together.
    bits: [u64; LANES],
    /// Whether they are not all the same.
    varies: [bool; LANES],
}

#[inline(always)]
fn look(values: &[Lanes]) -> Sight {
    let (mut greatest, mut bits, mut varies) = ([0.0; LANES], [0; LANES], [false; LANES]);
    for value in values {
        for lane in 0..LANES {
            let size = value[lane].abs();
            greatest[lane] = if size > greatest[lane] { size } else { greatest[lane] };
            bits[lane] |= if size >= f64::MIN_POSITIVE { value[lane].to_bits() } else { 0 };
            varies[lane] |= value[lane] != values[0][lane];
        }
    }
    Sight { greatest, bits, varies }
}

/// What is seen in the differences of equally spaced values.
struct Scatter {
    /// The standard deviation of their noise, or what bounds it.
    deviation: Lanes,
    /// Whether differences fall to the last level: noise is not reached.
    falls: [bool; LANES],
}

/// The standard deviation of the noise in equally spaced values of several outputs: ECNoise of Moré and Wild,
/// *Estimating computational noise*, SIAM J. Sci. Comput. 33(3), 2011.
///
/// The k-th differences of a smooth function vanish quickly with k, those of noise grow, by a known factor. The first
/// level k at which three in a row agree, and that changes its sign, is noise. Where there is none the highest
/// differences bound it.
#[inline(always)]
fn ecnoise(values: &[Lanes]) -> Scatter {
    let mut differences = [[0.0; LANES]; SAMPLES];
    let count = values.len();
    differences[..count].copy_from_slice(values);
    // Of every level the variance, and whether differences are of either sign.
    let (mut variances, mut signs) = ([[0.0; LANES]; SAMPLES], [[false; LANES]; SAMPLES]);
    let mut factor = 1.0;
    for level in 1..count {
        let (mut sum, mut least, mut most) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for i in 0..count - level {
            let next = differences[i + 1];
            for lane in 0..LANES {
                let difference = next[lane] - differences[i][lane];
                differences[i][lane] = difference;
                sum[lane] += difference * difference;
                least[lane] = if difference < least[lane] { difference } else { least[lane] };
                most[lane] = if difference > most[lane] { difference } else { most[lane] };
            }
        }
        let level_f = level as f64;
        factor *= level_f / (2.0 * (2.0 * level_f - 1.0));
        let weight = factor / (count - level) as f64;
        for lane in 0..LANES {
            variances[level][lane] = sum[lane] * weight;
            signs[level][lane] = (least[lane] < 0.0) & (most[lane] > 0.0);
        }
    }
    let (mut variance, mut falls) = ([0.0; LANES], [false; LANES]);
    // So few differences show the function's, not the noise.
    if count >= 5 {
        for lane in 0..LANES {
            variance[lane] = (2.0 * variances[count - 2][lane] + variances[count - 1][lane]) / 3.0;
        }
    }
    // The last levels hold so few differences that only both of them together tell something.
    if count == SAMPLES {
        for lane in 0..LANES {
            let [_, first, _, third, _, fifth, sixth] = variances.map(|variance| variance[lane]);
            falls[lane] = (third < first / 16.0) & (fifth.max(sixth) < third / 16.0);
        }
    }
    // The first level of all that are noise is that looked at last.
    for level in (1..count.saturating_sub(2)).rev() {
        for lane in 0..LANES {
            let [a, b, c] = [0, 1, 2].map(|up| variances[level + up][lane]);
            let is_noise = signs[level][lane] & (a.max(b).max(c) <= 16.0 * a.min(b).min(c));
            variance[lane] = if is_noise { a } else { variance[lane] };
            falls[lane] &= !is_noise;
        }
    }
    Scatter { deviation: variance.map(f64::sqrt), falls }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
        (0..SAMPLES).map(|k| vec![f(1.3 + 5.1e-5 * k as f64)]).collect()
    }

    fn measured(f: impl Fn(f64) -> f64) -> f64 {
        let outcomes = line(f);
        let outcomes: Vec<&[f64]> = outcomes.iter().map(|outcome| &outcome[..]).collect();
        Noise::measure(&outcomes, &[], &[]).absolute[0]
    }

    #[test]
    fn rounding_is_seen_in_the_values() {
        let exact = measured(f64::exp);
        assert!((1e-17..1e-14).contains(&exact), "{exact}");
        let single = measured(|x| f64::from(x.exp() as f32));
        assert!((3e-8..3e-7).contains(&single), "{single}");
        // 3.66930: the last digit is 1e-5.
        let printed = measured(|x| format!("{:.5e}", x.exp()).parse().unwrap_or(f64::NAN));
        assert!((2e-6..1e-5).contains(&printed), "{printed}");
        let fixed = measured(|x| format!("{:.3}", 1e3 * x.exp()).parse().unwrap_or(f64::NAN));
        assert!((2e-4..1e-3).contains(&fixed), "{fixed}");
    }

    #[test]
    fn what_a_text_told_is_believed_while_the_values_agree() {
        let measured = |printed: f64, f: &dyn Fn(f64) -> f64| {
            let outcomes = line(f);
            let outcomes: Vec<&[f64]> = outcomes.iter().map(|outcome| &outcome[..]).collect();
            Noise::measure(&outcomes, &[], &[printed]).absolute[0]
        };
        // Printed with two decimals, it does not change on the line.
        let gain = measured(1e-2, &|x| (1.7 * x * 100.0).round() / 100.0);
        assert!((gain - 1e-2 / SQRT_12).abs() < 1e-12, "{gain}");
        // The base, 3.375, was all there was to print; its neighbours have 17 digits.
        let cube = measured(1e-3, &|x| (x + 0.2).powi(3));
        assert!(cube < 1e-14, "{cube}");
    }

    #[test]
    fn noise_is_seen_in_the_differences() {
        for level in [1e-10, 1e-6, 1e-3] {
            let noise = measured(|x| x.exp() * (1.0 + level * (1.7e13 * x).sin()));
            let expected = 1.3f64.exp() * level / 2f64.sqrt();
            assert!((0.3..3.0).contains(&(noise / expected)), "{level}: {noise}");
        }
    }

    #[test]
    fn a_constant_says_nothing_of_its_digits_unless_it_has_some() {
        assert!(measured(|_| 1.0) < 1e-15);
        assert!((1e-7..1e-6).contains(&measured(|_| 0.123_456)));
        let far = [[2.5f64], [2.123_45]];
        let far: Vec<&[f64]> = far.iter().map(|outcome| &outcome[..]).collect();
        let outcomes = line(|_| 2.0);
        let outcomes: Vec<&[f64]> = outcomes.iter().map(|outcome| &outcome[..]).collect();
        assert!(needs_a_farther_look(&outcomes, &[]));
        assert!((2e-6..1e-5).contains(&Noise::measure(&outcomes, &far, &[]).absolute[0]));
        // Two digits, and yet not a constant.
        let (line, far) = ([[0.062f64]; SAMPLES], [[0.059f64], [0.063]]);
        let [line, far]: [Vec<&[f64]>; 2] =
            [line.iter().map(|y| &y[..]).collect(), far.iter().map(|y| &y[..]).collect()];
        assert!((2e-4..1e-3).contains(&Noise::measure(&line, &far, &[]).absolute[0]));
    }
}
