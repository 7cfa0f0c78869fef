//! Logarithmic axes, and numbers as they are written beside them.

/// A logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// One decade, where there is nothing to show.
    pub(super) const UNIT: Scale = Scale { low: 0.0, high: 1.0 };

    /// The axis that shows these values with a little room on either side; those that are not positive have no place
    /// on it. `None` where there are none.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Option<Scale> {
        let logarithms = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) = logarithms.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (v.min(a), v.max(b)));
        let room = ((high - low) / 50.0).max(0.05);
        (low <= high).then_some(Scale { low: low - room, high: high + room })
    }

    /// The same over whole decades, the uppermost ones if there are more than `most`: smaller values lie before its
    /// beginning.
    pub(super) fn decades(values: impl Iterator<Item = f64>, most: u16) -> Option<Scale> {
        let Scale { low, high } = Scale::around(values)?;
        let (low, high) = (low.floor(), high.ceil());
        Some(Scale { low: low.max(high - f64::from(most)), high })
    }

    /// Where a positive value lies: 0 at the beginning of the axis, 1 at its end.
    pub(super) fn place(self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    /// The value at a place.
    pub(super) fn value(self, place: f64) -> f64 {
        10f64.powf(self.low + place * (self.high - self.low))
    }

    /// The exponents to label, at most so many.
    pub(super) fn ticks(self, most: usize) -> Vec<i32> {
        let (low, high) = (self.low.ceil() as i32, self.high.floor() as i32);
        let span = (high - low).max(1);
        let stride = (1..=span).find(|stride| ((span / stride) as usize) < most).unwrap_or(span);
        (low..=high).filter(|exponent| exponent.rem_euclid(stride) == 0).collect()
    }
}

/// A number with two digits: `1.5e-5`, `0.25`, `210`.
pub(super) fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 | 1e-3..1e4 => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

/// A power of ten: `10⁻⁵`.
pub(super) fn power(exponent: i32) -> String {
    let digit = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => char::from_u32('⁰' as u32 + (c as u32 - '0' as u32)).unwrap_or(c),
    };
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        _ => format!("10{}", exponent.to_string().chars().map(digit).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_their_values() {
        let values = || [3e-7, 0.0, f64::INFINITY, 2.0].into_iter();
        let scale = Scale::decades(values(), 18).unwrap();
        assert_eq!(scale, Scale { low: -7.0, high: 1.0 });
        assert_eq!((scale.place(1e-7), scale.place(10.0), scale.place(1e-3)), (0.0, 1.0, 0.5));
        assert!((scale.value(scale.place(3e-4)) / 3e-4 - 1.0).abs() < 1e-12);
        assert_eq!(scale.ticks(5), [-6, -4, -2, 0]);
        assert_eq!(Scale::decades(values(), 3), Some(Scale { low: -2.0, high: 1.0 }));
        let tight = Scale::around(values()).unwrap();
        assert!(tight.place(3e-7) > 0.0 && tight.place(3e-7) < 0.03 && tight.place(2.0) > 0.97);
        assert_eq!(Scale::around([0.0].into_iter()), None);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 1.0, 0.249, 211.6, 1.23e-5, -4.56e7, f64::INFINITY].map(short);
        assert_eq!(numbers, ["0", "1", "0.25", "210", "1.2e-5", "-4.6e7", "inf"]);
    }

    #[test]
    fn powers_are_superscripts() {
        assert_eq!([-12, 0, 1, 30].map(power), ["10⁻¹²", "1", "10", "10³⁰"]);
    }
}
