//! One coordinate of the base point, and what those of a leaf have in common: domain, precision and step.

use super::Decimal;

/// What is less than so many times its scale is 0 for all that steps are concerned.
const LEAST: f64 = 1e-100;

/// What differences need to know of one coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Its value at the base point.
    pub x: f64,
    /// What it has in common with others.
    pub kind: Kind,
    /// How it is written, where it goes into a text that cannot carry every value. The value at the base is then one
    /// that it can.
    pub text: Option<Decimal>,
}

/// What the coordinates of a leaf have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// The least value they may take (−∞ without a bound).
    pub lower: f64,
    /// The greatest value they may take (+∞ without a bound).
    pub upper: f64,
    /// The step to take: one that was asked for, or the automatic one.
    pub step: Step,
    /// Whether it was asked for.
    pub by_hand: bool,
    /// The magnitude of changes that matter, where a value says nothing because it is 0.
    pub scale: f64,
    /// Significand bits of the type the model gets them in: 53, 24 or 11.
    pub bits: u32,
}

/// The step of a coordinate, positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The same for all.
    Given(f64),
    /// This times the greater of the coordinate's magnitude and its scale, rounded to a power of two: so that x + h is
    /// exact wherever it can be, and the division by h is too.
    Relative(f64),
}

impl Step {
    /// The step for coordinates whose model says nothing about it: the root of the precision at which truncation and
    /// rounding error balance, ε^(1/2) for first-order differences and ε^(1/3) for second-order ones, times
    /// max(|x|, scale).
    ///
    /// `bits` is the coarser of the precisions of the coordinates and of the outputs. The rule is that of Dennis and
    /// Schnabel, *Numerical Methods for Unconstrained Optimization*, section 5.4.
    pub fn automatic(bits: u32, order: u32) -> Step {
        let epsilon = 2f64.powi(1 - bits as i32);
        Step::Relative(if order == 1 { epsilon.sqrt() } else { epsilon.cbrt() })
    }
}

impl Kind {
    /// The step from `x`.
    #[inline]
    pub(super) fn step(&self, x: f64) -> f64 {
        match self.step {
            Step::Given(step) => step,
            Step::Relative(relative) => power_of_two(relative * x.abs().max(self.scale)),
        }
    }

    /// The value next to this that arrives as it is and lies within the bounds.
    #[inline(always)]
    pub(super) fn nearest(&self, value: f64) -> f64 {
        let Kind { lower, upper, bits, .. } = *self;
        let value = round_to(value, bits);
        if value <= upper && value >= lower { value } else { bounded(value, lower, upper, bits) }
    }

    /// Its magnitude, or the scale where it is 0, or so small that steps of its size would be lost.
    #[inline]
    pub(super) fn magnitude(&self, x: f64) -> f64 {
        if x.abs() < LEAST * self.scale { self.scale } else { x.abs() }
    }

    /// How far it may go up and down from `x`.
    #[inline]
    pub(super) fn room(&self, x: f64) -> (f64, f64) {
        let greatest = self.greatest();
        (self.upper.min(greatest) - x, x - self.lower.max(-greatest))
    }

    /// Whether nothing but its type bounds it.
    pub(super) fn is_free(&self) -> bool {
        self.lower == f64::NEG_INFINITY && self.upper == f64::INFINITY
    }

    /// Whether every value arrives as it is.
    pub(super) fn takes_all(&self) -> bool {
        self.is_free() && self.bits == 53
    }

    /// The greatest finite value of its type.
    #[inline]
    pub(super) fn greatest(&self) -> f64 {
        match self.bits {
            11 => 65504.0,
            24 => f64::from(f32::MAX),
            _ => f64::MAX,
        }
    }

    /// The distance of the least values of its type from 0.
    pub(super) fn least(&self) -> f64 {
        match self.bits {
            11 => exp2(-24),
            24 => exp2(-149),
            _ => exp2(-1074),
        }
    }
}

impl Axis {
    /// The step to take; an automatic one no shorter than its text can carry.
    #[inline]
    pub fn step(&self) -> f64 {
        let step = self.kind.step(self.x);
        match self.text {
            Some(text) if !self.kind.by_hand => self.carried(text, step),
            _ => step,
        }
    }

    #[cold]
    fn carried(self, text: Decimal, step: f64) -> f64 {
        let value = self.within(step.max(text.spacing(self.x.abs() + step)));
        let carried = (value - self.x).abs();
        if carried > 0.0 { carried } else { step }
    }

    /// The value next to `x + by` that arrives as it is and lies within the bounds.
    #[inline(always)]
    pub(super) fn displaced(&self, by: f64) -> f64 {
        match self.text {
            None => self.kind.nearest(self.x + by),
            Some(text) => self.written(text, by),
        }
    }

    /// The same of one that is written as this text.
    #[cold]
    fn written(self, text: Decimal, by: f64) -> f64 {
        let whole = self.snapped(by);
        let (up, down) = self.room();
        let whole = if whole > up || -whole > down { by.clamp(-down, up) } else { whole };
        let Kind { lower, upper, bits, .. } = self.kind;
        let value = text.round_within(round_to(self.x + whole, bits), lower, upper);
        if value.is_nan() { self.x } else { value }
    }

    /// The distance of neighbouring values near `x + by`.
    pub(super) fn spacing(&self, by: f64) -> f64 {
        let value = self.x.abs() + by.abs();
        let binary = no_less(value * exp2(1 - self.kind.bits as i32));
        self.text.map_or(binary, |text| text.spacing(value).max(binary))
    }

    /// A step as its text can carry it, 0 if it cannot; any step of a coordinate that is not written in one.
    pub(super) fn snapped(&self, step: f64) -> f64 {
        self.text.map_or(step, |text| carried(text, self.x, step))
    }

    /// The greater of its magnitude and its scale.
    pub fn scale_here(&self) -> f64 {
        self.x.abs().max(self.kind.scale)
    }

    /// Whether there is little room on one side of it.
    #[inline]
    pub fn is_cramped(&self) -> bool {
        let (up, down) = self.room();
        up.min(down) < 0.01 * self.scale_here()
    }

    /// The value displaced by so much, or the other way, or as far as there is room.
    pub fn within(&self, by: f64) -> f64 {
        let (up, down) = self.room();
        self.displaced(if up >= by || up >= down { by } else { -by })
    }

    /// Its own magnitude, or the scale where it is 0.
    pub(super) fn magnitude(&self) -> f64 {
        self.kind.magnitude(self.x)
    }

    /// How far it may go up and down.
    #[inline]
    pub(super) fn room(&self) -> (f64, f64) {
        self.kind.room(self.x)
    }
}

/// A step as the text of a number can carry it: so many of the distances between neighbouring values, those farther
/// away from 0, so that it leads as far in both directions.
pub(super) fn carried(text: Decimal, x: f64, step: f64) -> f64 {
    let spacing = text.spacing(x.abs() + step.abs());
    if spacing > 0.0 { (step / spacing).round() * spacing } else { step }
}

/// A value within bounds, or the next that there is within them. Numbers are passed, so that loops around it keep them
/// in registers.
#[cold]
fn bounded(value: f64, lower: f64, upper: f64, bits: u32) -> f64 {
    if value > upper {
        let down = round_to(upper, bits);
        if down <= upper { down } else { neighbour(down, bits, -1.0) }
    } else if value < lower {
        let up = round_to(lower, bits);
        if up >= lower { up } else { neighbour(up, bits, 1.0) }
    } else {
        value
    }
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

/// The power of two nearest to a positive number, on the scale of logarithms. Found in its bits, since
/// this is done for every coordinate.
#[inline]
pub(super) fn power_of_two(value: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    const BELOW_MIDDLE: u64 = std::f64::consts::SQRT_2.to_bits() & FRACTION;
    if !(f64::MIN_POSITIVE..f64::MAX / 2.0).contains(&value) {
        return if value.is_normal() { exp2(1023) } else { value };
    }
    // A fraction above the middle carries into the exponent.
    f64::from_bits((value.to_bits() + (FRACTION - BELOW_MIDDLE)) & !FRACTION)
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
    use crate::diff::axes::UNIT;

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
        let automatic = |bits, order| Kind { step: Step::automatic(bits, order), bits, ..UNIT };
        assert_eq!(automatic(53, 1).step(0.0), 2f64.powi(-26));
        assert_eq!(automatic(24, 2).step(0.0), 2f64.powi(-8));
        for (value, power) in [(1.0, 1.0), (1.1, 2.0), (0.7, 1.0), (2f64.powi(-900), exp2(-900))] {
            assert_eq!(no_less(value), power, "{value}");
        }
    }

    #[test]
    fn a_bound_between_two_values_is_never_passed() {
        // 0.1 is no float32, and the nearest one lies above it.
        let kind = Kind { lower: -0.1, upper: 0.1, bits: 24, ..UNIT };
        assert_eq!(kind.nearest(0.1), f64::from(0.1f32.next_down()));
        assert_eq!(kind.nearest(-0.1), -f64::from(0.1f32.next_down()));
        let half = Kind { bits: 11, ..kind };
        assert!(half.nearest(0.1) <= 0.1 && half.nearest(0.1) > 0.0999);
    }
}
