//! Differences of one coordinate with many steps: how their error depends on the step.

use super::Axis;
use super::axis::power_of_two;

/// Steps from the longest, about the coordinate's scale, to the shortest, each half the one before: twelve decades.
const OCTAVES: i32 = 40;

/// How much longer than asked for a displacement may come out in the coordinate's precision, or shorter.
const OFF: f64 = 0.1;

/// Errors by so much larger than noise are truncation's.
const ABOVE_NOISE: f64 = 5.0;
/// How far the order of an error that is truncation's may be off, and how many such errors are believed.
const OFF_ORDER: f64 = 0.3;
const BELIEVED: usize = 3;

/// One step, and where it leads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// The step: a power of two, or what the coordinate's text can carry next to one.
    pub step: f64,
    /// The coordinate's value ahead of the base.
    pub ahead: Result<f64, Missing>,
    /// Its value behind.
    pub behind: Result<f64, Missing>,
}

/// Why there is no point at a step's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It would lie beyond a bound.
    Bounds,
    /// The step vanishes beside the value, or is much changed by rounding.
    Lost,
}

/// The steps to try for a coordinate, the shortest first.
pub fn ladder(axis: &Axis) -> Vec<Rung> {
    let (up, down) = axis.room();
    let longest = power_of_two(axis.scale_here());
    let end = |by: f64, room: f64| {
        if by.abs() > room {
            return Err(Missing::Bounds);
        }
        if by == 0.0 {
            return Err(Missing::Lost);
        }
        let value = axis.displaced(by);
        if ((value - axis.x) / by - 1.0).abs() > OFF { Err(Missing::Lost) } else { Ok(value) }
    };
    let rung = |wanted: f64| {
        let carried = axis.snapped(wanted);
        let step = if carried > 0.0 { carried } else { wanted };
        Rung { step, ahead: end(carried, up), behind: end(-carried, down) }
    };
    (0..=OCTAVES).rev().map(|octave| rung(longest * 2f64.powi(-octave))).collect()
}

/// Whether first-order differences go ahead, and not behind: wherever there is room for every step, or more of it.
pub fn goes_ahead(axis: &Axis) -> bool {
    let (up, down) = axis.room();
    up >= axis.scale_here().min(down)
}

/// The noise of a difference of this order, in units of the noise of values over the step: the root of the sum of
/// the squares of its weights.
pub fn amplification(order: u32) -> f64 {
    if order == 1 { std::f64::consts::SQRT_2 } else { std::f64::consts::FRAC_1_SQRT_2 }
}

/// The factor C of a truncation error C·step^order, from errors by step, ascending: where they are far above the
/// noise of the values, and grow as they should. `None` where that is nowhere.
pub fn truncation(errors: &[(f64, f64)], order: u32, noise: f64) -> Option<f64> {
    let power = order as i32;
    let mut factors: Vec<f64> = errors
        .windows(2)
        .filter(|pair| {
            let [(near, small), (far, large)] = [pair[0], pair[1]];
            let slope = (large / small).log2() / (far / near).log2();
            small > ABOVE_NOISE * amplification(order) * noise / near && (slope - f64::from(order)).abs() < OFF_ORDER
        })
        .map(|pair| pair[1].1 / pair[1].0.powi(power))
        .collect();
    factors.sort_by(f64::total_cmp);
    (factors.len() >= BELIEVED).then(|| factors[factors.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Kind;
    use crate::diff::axes::UNIT;

    const AXIS: Axis = Axis { x: 1.3, kind: UNIT, text: None };

    #[test]
    fn steps_span_twelve_decades_and_stay_within_bounds() {
        let rungs = ladder(&AXIS);
        assert_eq!((rungs[0].step, rungs[40].step, rungs.len()), (2f64.powi(-40), 1.0, 41));
        assert!(rungs.iter().all(|rung| rung.ahead == Ok(1.3 + rung.step) && rung.behind == Ok(1.3 - rung.step)));
        let bounded = Axis { kind: Kind { lower: 1.0, upper: 1.3, ..UNIT }, ..AXIS };
        let rungs = ladder(&bounded);
        assert!(rungs.iter().all(|rung| rung.ahead == Err(Missing::Bounds)));
        assert_eq!(rungs.iter().filter(|rung| rung.behind.is_ok()).count(), 39, "up to a quarter");
        assert!(goes_ahead(&AXIS) && !goes_ahead(&bounded));
    }

    #[test]
    fn steps_that_are_lost_in_the_precision_are_left_out() {
        let rungs = ladder(&Axis { x: f64::from(1.3f32), kind: Kind { bits: 24, ..UNIT }, ..AXIS });
        let lost = rungs.iter().filter(|rung| rung.ahead == Err(Missing::Lost)).count();
        assert_eq!(lost, 17, "those below the last bit");
    }

    #[test]
    fn truncation_is_found_where_it_is_seen() {
        // f = e^x: the error of a central difference is f‴ h²/6, and noise.
        let errors: Vec<_> = (0..=40)
            .map(|k| {
                let step = 2f64.powi(k - 40);
                (step, (1.3f64.exp() * step * step / 6.0 + 1e-16 / step).abs())
            })
            .collect();
        let found = truncation(&errors, 2, 1e-16).unwrap();
        assert!((found / (1.3f64.exp() / 6.0) - 1.0).abs() < 0.01, "{found}");
        assert_eq!(truncation(&errors[..20], 2, 1e-16), None);
    }
}
