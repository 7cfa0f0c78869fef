//! How much noise a function's values carry, from a few of them on a short line.
//!
//! Two kinds are told apart. What rounding leaves, be it to float32 or to the digits of a printed number, shows in
//! the values themselves: their last digits are all zero. What an iteration or a random number leaves shows in
//! their differences (ECNoise).

use super::axis::exp2;
use super::fold::dot;

/// Values on the line, the base among them.
pub(super) const SAMPLES: usize = 7;

/// Outputs worked on at once: loops over so many are made into vector instructions.
const LANES: usize = 8;
type Lanes = [f64; LANES];

/// Values with more significant decimal digits than this were not printed.
const MOST_DIGITS: i32 = 12;
/// The least whole number with more of them.
const LEAST_TOO_LONG: f64 = 1e12;

/// Constant values with at least so many digits are taken for all that was printed; with fewer, as a 1 or a
/// 0.5, they say nothing.
const TELLING_DIGITS: i32 = 4;

/// Noise beyond this part of the values is doubtful: it may be the function itself, which changes faster than the line
/// can show (Moré and Wild). So is what is so many times the resolution where differences still fall.
const DOUBTFUL: f64 = 0.1;
const FAR_ABOVE: f64 = 100.0;

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

/// What is known of one output before differences have been looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Resolution {
    /// The distance of neighbouring values that can be told apart.
    quantum: f64,
    /// Whether the values hold enough digits to be sure.
    certain: bool,
}

impl Resolution {
    /// Whether a value may be one of those that can be told apart. Not all are of a number whose zeros at the end were
    /// left out, as 3.375 among numbers of 17 digits.
    fn has(&self, value: f64) -> bool {
        let steps = value / self.quantum;
        (steps - steps.round()).abs() <= 8.0 * f64::EPSILON * steps.abs()
    }
}

impl Noise {
    /// From the outcomes at the points of the line, by point; those of the base first. `far` holds outcomes farther
    /// away, for outputs that are constant on the line; it may be empty. `printed` has the distance of neighbouring
    /// values of those outputs for which it is known, else 0; it may be empty too.
    pub(super) fn measure(line: &[&[f64]], far: &[&[f64]], printed: &[f64]) -> Noise {
        let m = line.first().map_or(0, |base| base.len());
        let mut noise = Noise::of(m);
        let mut statistical = [Scatter::default(); LANES];
        let mut lanes = [[0.0; LANES]; SAMPLES];
        for row in 0..m {
            if row % LANES == 0 {
                for (lanes, outcome) in lanes.iter_mut().zip(line) {
                    let some = &outcome[row..m.min(row + LANES)];
                    lanes[..some.len()].copy_from_slice(some);
                }
                statistical = ecnoise(&lanes[..line.len()]);
            }
            let values: [f64; SAMPLES] = std::array::from_fn(|sample| lanes[sample][row % LANES]);
            let seen = &values[..line.len()];
            let greatest = largest(seen);
            let told = known(printed, row).filter(|told| seen.iter().all(|value| told.has(*value)));
            let mut resolution = told.unwrap_or_else(|| resolution(seen));
            if is_constant(seen) && !resolution.certain {
                let farther = column(far, row);
                let farther = &farther[..far.len()];
                resolution = self::resolution(farther);
                if !resolution.certain {
                    resolution.quantum = 0.0;
                }
            }
            let Scatter { deviation, falls } = statistical[row % LANES];
            let least = (resolution.quantum / SQRT_12).max(greatest * ROUNDING);
            noise.push(deviation.max(least), greatest, falls && deviation > FAR_ABOVE * least);
        }
        noise
    }

    /// The noise of w·f, given that of f: what the products themselves show, and no less than rounding each output
    /// would leave.
    pub(super) fn of_product(self, line: &[&[f64]], cotangent: &[f64]) -> Noise {
        let mut products = [[0.0; LANES]; SAMPLES];
        for (product, values) in products.iter_mut().zip(line) {
            product[0] = dot(cotangent, values);
        }
        let size: f64 = line.first().map_or(0.0, |base| base.iter().zip(cotangent).map(|(y, w)| (y * w).abs()).sum());
        let parts: f64 = self.absolute.iter().zip(cotangent).map(|(noise, w)| (noise * w).powi(2)).sum();
        let mut noise = Noise::default();
        let Scatter { deviation, falls } = ecnoise(&products[..line.len()])[0];
        let least = parts.sqrt();
        noise.push(deviation.max(least), size, falls && deviation > FAR_ABOVE * least);
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

    fn push(&mut self, deviation: f64, magnitude: f64, falls: bool) {
        let relative = if magnitude > 0.0 { deviation / magnitude } else { ROUNDING };
        self.absolute.push(deviation);
        self.relative.push(relative);
        self.coarse.push(relative > 1e4 * f64::EPSILON);
        self.doubtful.push(falls || relative > DOUBTFUL);
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

/// Whether an output is the same at all points of a line and its digits do not tell its resolution: whether it must
/// be seen farther away.
pub(super) fn needs_a_farther_look(line: &[&[f64]], printed: &[f64]) -> bool {
    let [base, next, ..] = line else { return false };
    let stays = base.iter().zip(*next).enumerate().filter(|(_, (base, next))| base == next);
    stays.map(|(row, _)| row).any(|row| {
        let values = column(line, row);
        let seen = &values[..line.len()];
        known(printed, row).is_none() && is_constant(seen) && largest(seen) > 0.0 && !resolution(seen).certain
    })
}

/// The resolution of an output whose text has told it.
fn known(printed: &[f64], row: usize) -> Option<Resolution> {
    let quantum = printed.get(row).copied().filter(|quantum| *quantum > 0.0)?;
    Some(Resolution { quantum, certain: true })
}

fn column(outcomes: &[&[f64]], row: usize) -> [f64; SAMPLES] {
    let mut values = [0.0; SAMPLES];
    for (value, outcome) in values.iter_mut().zip(outcomes) {
        *value = outcome[row];
    }
    values
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|value| *value == values[0])
}

/// How finely values are resolved: the coarser of their last decimal digit and their last bit, given that all
/// have as many significant ones as the one with the most.
fn resolution(values: &[f64]) -> Resolution {
    let greatest = largest(values);
    if greatest == 0.0 || !greatest.is_normal() {
        return Resolution::default();
    }
    let nonzero = || values.iter().filter(|value| value.is_normal());
    let bits = significant_bits(nonzero().fold(0, |bits, value| bits | value.to_bits()));
    // Just below a power of ten, or of two, values may soon be resolved more coarsely.
    let soon = 1.05 * greatest;
    let binary = exp2(exponent(soon) + 1 - bits);
    // The base comes last: it may be a round number where others are none.
    let digits = nonzero().rev().try_fold(0, |most, value| Some(significant_digits(*value)?.max(most)));
    let Some(digits) = digits else { return Resolution { quantum: binary, certain: bits >= 8 } };
    let decimal = 10f64.powi(soon.log10().floor() as i32 + 1 - digits);
    Resolution { quantum: binary.max(decimal), certain: digits >= TELLING_DIGITS && bits >= 8 }
}

/// The exponent of a normal number: 0 for 1 ≤ |v| < 2.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// The number of bits of a normal number's significand up to its last 1; of several numbers whose bits are put together
/// the most that any has.
fn significant_bits(bits: u64) -> i32 {
    let fraction = bits & ((1 << 52) - 1);
    53 - (fraction | 1 << 52).trailing_zeros() as i32
}

/// The number of significant decimal digits a normal number was printed with; `None` if it has more than a printed
/// one has.
fn significant_digits(value: f64) -> Option<i32> {
    // Scaled so that its digits are those of a whole number. Its magnitude, from the binary exponent by 78913 / 2^18,
    // which is log10(2) as closely as that needs, may be one short.
    let magnitude = (exponent(value) * 78913) >> 18;
    let scaled = value.abs() * power_of_ten(MOST_DIGITS - 1 - magnitude);
    let scaled = if scaled < LEAST_TOO_LONG { scaled } else { scaled / 10.0 };
    let whole = (scaled + 0.5) as i64;
    // Rounding to float64 and scaling move the twelfth digit by less than a thousandth.
    if (scaled - whole as f64).abs() > 1e-3 || whole == 0 {
        return None;
    }
    let (mut digits, mut rest) = (MOST_DIGITS, whole);
    while digits > 1 && rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    Some(digits)
}

/// 10^`power`, or the nearest that is a number.
fn power_of_ten(power: i32) -> f64 {
    const EXACT: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    let exact = usize::try_from(power).ok().and_then(|power| EXACT.get(power));
    exact.copied().unwrap_or_else(|| 10f64.powi(power.clamp(-300, 300)))
}

/// What is seen in the differences of equally spaced values.
#[derive(Clone, Copy, Default)]
struct Scatter {
    /// The standard deviation of their noise, or what bounds it.
    deviation: f64,
    /// Whether differences fall to the last level: noise is not reached.
    falls: bool,
}

/// The standard deviation of the noise in equally spaced values of several outputs: ECNoise of Moré and Wild, *Estimating computational
/// noise*, SIAM J. Sci. Comput. 33(3), 2011.
///
/// The k-th differences of a smooth function vanish quickly with k, those of noise grow, by a known factor. The first
/// level k at which three in a row agree, and that changes its sign, is noise. Where there is none the highest
/// differences bound it.
fn ecnoise(values: &[Lanes]) -> [Scatter; LANES] {
    let mut differences = [[0.0; LANES]; SAMPLES];
    let count = values.len();
    differences[..count].copy_from_slice(values);
    // Of every level the variance, and the least and the greatest difference.
    let mut levels = [([0.0; LANES], [0.0; LANES], [0.0; LANES]); SAMPLES];
    let mut factor = 1.0;
    for (level, (variance, least, most)) in levels.iter_mut().enumerate().take(count).skip(1) {
        for i in 0..count - level {
            let next = differences[i + 1];
            for lane in 0..LANES {
                let difference = next[lane] - differences[i][lane];
                differences[i][lane] = difference;
                variance[lane] += difference * difference;
                least[lane] = if difference < least[lane] { difference } else { least[lane] };
                most[lane] = if difference > most[lane] { difference } else { most[lane] };
            }
        }
        let level_f = level as f64;
        factor *= level_f / (2.0 * (2.0 * level_f - 1.0));
        let weight = factor / (count - level) as f64;
        variance.iter_mut().for_each(|variance| *variance *= weight);
    }
    std::array::from_fn(|lane| {
        let variance = |level: usize| levels[level].0[lane];
        let is_noise = |level: &usize| {
            let (_, least, most) = &levels[*level];
            let (a, b, c) = (variance(*level), variance(level + 1), variance(level + 2));
            least[lane] < 0.0 && most[lane] > 0.0 && a.max(b).max(c) <= 16.0 * a.min(b).min(c)
        };
        if let Some(level) = (1..count.saturating_sub(2)).find(is_noise) {
            return Scatter { deviation: variance(level).sqrt(), falls: false };
        }
        let deviation = match count {
            // So few differences show the function's, not the noise.
            0..5 => 0.0,
            _ => ((2.0 * variance(count - 2) + variance(count - 1)) / 3.0).sqrt(),
        };
        // The last levels hold so few differences that only both of them together tell something.
        let falls =
            count == SAMPLES && variance(3) < variance(1) / 16.0 && variance(5).max(variance(6)) < variance(3) / 16.0;
        Scatter { deviation, falls }
    })
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
    fn digits_and_bits_are_counted() {
        for (value, digits) in
            [(2.71829, Some(6)), (-6.0, Some(1)), (1.5e-7, Some(2)), (123456789012.0, Some(12)), (1.0 / 3.0, None)]
        {
            assert_eq!(significant_digits(value), digits, "{value}");
        }
        assert_eq!([1.0, 1.5, f64::from(0.1f32)].map(|value| significant_bits(value.to_bits())), [1, 2, 24]);
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
    }
}
