//! One coordinate of the base point: its value, domain, precision and step.

use super::Decimal;

/// What differences need to know of one coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Its value at the base point.
    pub x: f64,
    /// The least value it may take (−∞ without a bound).
    pub lower: f64,
    /// The greatest value it may take (+∞ without a bound).
    pub upper: f64,
    /// The step to take, positive: one that was asked for, or the automatic one.
    pub step: f64,
    /// Whether it was asked for.
    pub by_hand: bool,
    /// The magnitude of changes that matter, where x says nothing because it is 0.
    pub scale: f64,
    /// Significand bits of the type the model gets it in: 53, 24 or 11.
    pub bits: u32,
    /// How it is written, where it goes into a text that cannot carry every value. The value at the base is then one
    /// that it can.
    pub text: Option<Decimal>,
}

impl Axis {
    /// The value next to `x + by` that arrives as it is and lies within the bounds.
    #[inline]
    pub(super) fn displaced(&self, by: f64) -> f64 {
        let Some(text) = self.text else { return self.in_bounds(round_to(self.x + by, self.bits)) };
        let whole = self.snapped(by);
        let (up, down) = self.room();
        let whole = if whole > up || -whole > down { by.clamp(-down, up) } else { whole };
        let value = text.round_within(round_to(self.x + whole, self.bits), self.lower, self.upper);
        if value.is_nan() { self.x } else { value }
    }

    fn in_bounds(&self, value: f64) -> f64 {
        if value > self.upper {
            let down = round_to(self.upper, self.bits);
            if down <= self.upper { down } else { neighbour(down, self.bits, -1.0) }
        } else if value < self.lower {
            let up = round_to(self.lower, self.bits);
            if up >= self.lower { up } else { neighbour(up, self.bits, 1.0) }
        } else {
            value
        }
    }

    /// The distance of neighbouring values near `x + by`.
    pub(super) fn spacing(&self, by: f64) -> f64 {
        let value = self.x.abs() + by.abs();
        let binary = no_less(value * exp2(1 - self.bits as i32));
        self.text.map_or(binary, |text| text.spacing(value).max(binary))
    }

    /// The step as its text can carry it, and no shorter than that.
    pub fn carried_step(&self) -> f64 {
        let Some(text) = self.text else { return self.step };
        let value = self.within(self.step.max(text.spacing(self.x.abs() + self.step)));
        let carried = (value - self.x).abs();
        if carried > 0.0 { carried } else { self.step }
    }

    /// A step as its text can carry it, 0 if it cannot; any step of a coordinate that is not written in one.
    pub(super) fn snapped(&self, step: f64) -> f64 {
        self.text.map_or(step, |text| carried(text, self.x, step))
    }

    /// The greater of its magnitude and its scale.
    pub fn scale_here(&self) -> f64 {
        self.x.abs().max(self.scale)
    }

    /// Whether there is little room on one side of it.
    pub fn is_cramped(&self) -> bool {
        let (up, down) = self.room();
        up.min(down) < 0.01 * self.scale_here()
    }

    /// The value displaced by so much, or the other way, or as far as there is room.
    pub fn within(&self, by: f64) -> f64 {
        let (up, down) = self.room();
        self.displaced(if up >= by || up >= down { by } else { -by })
    }

    /// How far it really moves when it is to be displaced: to either side on average, or where there is room.
    #[inline]
    pub(super) fn realised(&self, by: f64) -> f64 {
        let (there, back) = (self.displaced(by) - self.x, self.x - self.displaced(-by));
        if back / by < 0.5 { there } else { (there + back) / 2.0 }
    }

    /// Its own magnitude, or the scale where it is 0.
    pub(super) fn magnitude(&self) -> f64 {
        if self.x == 0.0 { self.scale } else { self.x.abs() }
    }

    /// How far it may go up and down.
    #[inline]
    pub(super) fn room(&self) -> (f64, f64) {
        let greatest = match self.bits {
            11 => 65504.0,
            24 => f64::from(f32::MAX),
            _ => f64::MAX,
        };
        (self.upper.min(greatest) - self.x, self.x - self.lower.max(-greatest))
    }
}

/// A step as the text of a number can carry it: so many of the distances between neighbouring values, those farther
/// away from 0, so that it leads as far in both directions.
pub(super) fn carried(text: Decimal, x: f64, step: f64) -> f64 {
    let spacing = text.spacing(x.abs() + step.abs());
    if spacing > 0.0 { (step / spacing).round() * spacing } else { step }
}

/// `value` rounded to a significand of `bits` bits: 53 (float64), 24 (float32) or 11 (float16),
/// subnormals included.
#[inline]
pub fn round_to(value: f64, bits: u32) -> f64 {
    match bits {
        53.. => value,
        24 => f64::from(value as f32),
        _ => round_to_half(value, bits),
    }
}

/// float16: below 2^-14 the spacing stays 2^-24.
fn round_to_half(value: f64, bits: u32) -> f64 {
    let exponent = value.abs().max(2f64.powi(-14)).log2().floor();
    let spacing = (exponent + 1.0 - f64::from(bits)).exp2();
    (value / spacing).round_ties_even() * spacing
}

/// The next representable value in the direction of `sign`.
fn neighbour(value: f64, bits: u32, sign: f64) -> f64 {
    let spacing = value.abs().max(2f64.powi(-14)) * 2f64.powi(1 - bits as i32);
    match bits {
        24 if sign > 0.0 => f64::from((value as f32).next_up()),
        24 => f64::from((value as f32).next_down()),
        _ => round_to(value + sign * spacing, bits),
    }
}

/// The step for a coordinate whose model says nothing about it: the root of the precision at which
/// truncation and rounding error balance, ε^(1/2) for first-order differences and ε^(1/3) for
/// second-order ones, times max(|x|, `scale`); rounded to a power of two, so that x + h is exact
/// wherever it can be and the division by h is too.
///
/// `bits` is the coarser of the precisions of the coordinate and of the outputs. The rule is that
/// of Dennis and Schnabel, *Numerical Methods for Unconstrained Optimization*, section 5.4. What comes back gives the
/// step for an x.
pub fn automatic_step(scale: f64, bits: u32, order: u32) -> impl Fn(f64) -> f64 {
    let relative = relative_step(bits, order);
    move |x| power_of_two(relative * x.abs().max(scale))
}

/// The step relative to a coordinate's magnitude: ε^(1/2) or ε^(1/3).
fn relative_step(bits: u32, order: u32) -> f64 {
    let epsilon = 2f64.powi(1 - bits as i32);
    if order == 1 { epsilon.sqrt() } else { epsilon.cbrt() }
}

/// The power of two nearest to a positive number, on the scale of logarithms. Found in its bits, since
/// this is done for every coordinate.
#[inline]
pub(super) fn power_of_two(value: f64) -> f64 {
    if !value.is_normal() {
        return value;
    }
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = value.to_bits();
    let power = f64::from_bits(bits & !FRACTION);
    let above_middle = bits & FRACTION > std::f64::consts::SQRT_2.to_bits() & FRACTION;
    if above_middle && power < f64::MAX / 2.0 { power * 2.0 } else { power }
}

/// The least power of two that is no less than a positive normal number.
#[inline]
pub(super) fn no_less(value: f64) -> f64 {
    if !value.is_normal() {
        return value;
    }
    let power = f64::from_bits(value.to_bits() & !((1 << 52) - 1));
    if power == value { power } else { 2.0 * power }
}

/// 2^`power`.
#[inline]
pub(super) fn exp2(power: i32) -> f64 {
    match power {
        -1022..=1023 => f64::from_bits(((power + 1023) as u64) << 52),
        _ => 2f64.powi(power),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_knows_half_precision() {
        assert_eq!(round_to(1.0 + 2f64.powi(-11), 11), 1.0);
        assert_eq!(round_to(1.0 + 3.0 * 2f64.powi(-12), 11), 1.0 + 2f64.powi(-10));
        assert_eq!(round_to(2f64.powi(-25) * 1.5, 11), 2f64.powi(-24));
        assert_eq!(round_to(0.1, 24), f64::from(0.1f32));
    }

    #[test]
    fn steps_are_powers_of_two() {
        for (value, power) in
            [(1.0, 1.0), (1.41, 1.0), (1.42, 2.0), (3.0, 4.0), (0.7, 0.5), (0.71, 1.0), (1e-300, 2f64.powi(-997))]
        {
            assert_eq!(power_of_two(value), power, "{value}");
        }
        assert_eq!(automatic_step(1.0, 53, 1)(0.0), 2f64.powi(-26));
        assert_eq!(automatic_step(1.0, 24, 2)(0.0), 2f64.powi(-8));
        for (value, power) in [(1.0, 1.0), (1.1, 2.0), (0.7, 1.0), (2f64.powi(-900), exp2(-900))] {
            assert_eq!(no_less(value), power, "{value}");
        }
    }

    #[test]
    fn a_bound_between_two_values_is_never_passed() {
        // 0.1 is no float32, and the nearest one lies above it.
        let axis = Axis { x: 0.0, lower: -0.1, upper: 0.1, step: 1.0, by_hand: true, scale: 1.0, bits: 24, text: None };
        assert_eq!(axis.displaced(0.1), f64::from(0.1f32.next_down()));
        assert_eq!(axis.displaced(-0.1), -f64::from(0.1f32.next_down()));
        let half = Axis { bits: 11, ..axis };
        assert!(half.displaced(0.1) <= 0.1 && half.displaced(0.1) > 0.0999);
    }
}
