//! How finely the values of an output are resolved: what rounding left, be it to float32 or to the digits of a printed
//! number, shows in the values themselves. Their last digits are all zero.

use super::axis::exp2;

/// Values with more significant decimal digits than this were not printed.
const MOST_DIGITS: i32 = 12;
/// The least whole number with more of them.
const LEAST_TOO_LONG: f64 = 1e12;

/// Constant values with at least so many digits are taken for all that was printed; with fewer, as a 1 or a
/// 0.5, they say nothing.
const TELLING_DIGITS: i32 = 4;

/// What is known of one output before differences have been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resolution {
    /// The distance of neighbouring values that can be told apart.
    pub(super) quantum: f64,
    /// Whether the values hold enough digits to be sure.
    pub(super) certain: bool,
}

impl Resolution {
    /// Whether a value may be one of those that can be told apart. Not all are of a number whose zeros at the end were
    /// left out, as 3.375 among numbers of 17 digits.
    pub(super) fn has(&self, value: f64) -> bool {
        let steps = value / self.quantum;
        (steps - steps.round()).abs() <= 8.0 * f64::EPSILON * steps.abs()
    }
}

/// The resolution of an output whose text has told it.
pub(super) fn known(printed: &[f64], row: usize) -> Option<Resolution> {
    let quantum = printed.get(row).copied().filter(|quantum| *quantum > 0.0)?;
    Some(Resolution { quantum, certain: true })
}

/// How finely values are resolved: the coarser of their last decimal digit and their last bit, given that all
/// have as many significant ones as the one with the most. `greatest` is the greatest magnitude of them, `bits` those of
/// all normal ones put together.
#[inline(always)]
pub(super) fn resolution(greatest: f64, bits: u64, values: impl DoubleEndedIterator<Item = f64>) -> Resolution {
    if greatest == 0.0 || !greatest.is_normal() {
        return Resolution::default();
    }
    let bits = significant_bits(bits);
    // Just below a power of ten, or of two, values may soon be resolved more coarsely.
    let soon = 1.05 * greatest;
    let binary = exp2(exponent(soon) + 1 - bits);
    // The base comes last: it may be a round number where others are none.
    let mut normal = values.rev().filter(|value| value.is_normal());
    let digits = normal.try_fold(0, |most, value| Some(significant_digits(value)?.max(most)));
    let Some(digits) = digits else { return Resolution { quantum: binary, certain: bits >= 8 } };
    let decimal = 10f64.powi(soon.log10().floor() as i32 + 1 - digits);
    Resolution { quantum: binary.max(decimal), certain: digits >= TELLING_DIGITS && bits >= 8 }
}

/// The same of values that were not looked at yet.
pub(super) fn resolution_of(values: impl DoubleEndedIterator<Item = f64> + Clone) -> Resolution {
    let greatest = values.clone().map(f64::abs).fold(0.0, f64::max);
    let normal = values.clone().filter(|value| value.is_normal());
    resolution(greatest, normal.fold(0, |bits, value| bits | value.to_bits()), values)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bits_are_counted() {
        for (value, digits) in
            [(2.71829, Some(6)), (-6.0, Some(1)), (1.5e-7, Some(2)), (123456789012.0, Some(12)), (1.0 / 3.0, None)]
        {
            assert_eq!(significant_digits(value), digits, "{value}");
        }
        assert_eq!([1.0, 1.5, f64::from(0.1f32)].map(|value| significant_bits(value.to_bits())), [1, 2, 24]);
    }
}
