//! The automatic step: a difference is taken with a small step, then with larger ones, until what is gained over
//! noise is lost to truncation. Here is what is decided for one probe; [`compare`] looks at the numbers.
//!
//! The test whether truncation shows is that of Shi, Xie, Xuan and Nocedal, *Adaptive finite-difference interval
//! estimation for noisy derivative-free optimization*, SIAM J. Sci. Comput. 44(4), 2022, applied to each output: two
//! differences with different steps that differ by more than their noise. Every output keeps the difference with the
//! least bound, so that outputs of different curvature each have the step that suits them.

use super::axis::power_of_two;
use super::line::Reach;
use super::stencil::{Shape, Stencil};

/// A step grows by this much at first,
const GROWTH: f64 = 8.0;
/// and by this much after so many differences.
const LEAP: f64 = 64.0;
const LEAP_AFTER: u8 = 3;
/// Differences that are taken at most, and at most for digits beyond the fifth.
const MOST: u8 = 9;
const MOST_FOR_DIGITS: u8 = 6;
/// No step shrinks by more at once; by so much it does when a second pair of differences still asks for it.
const PLUNGE: f64 = 4096.0;
/// How far a step may go beyond the scale of its coordinate where nothing else shows the derivative.
const BEYOND: f64 = 1e6;
/// Steps tried when evaluations fail.
const ATTEMPTS: usize = 6;

/// How a probe's steps are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Method {
    /// One step; with a second, half as long, if a bound is wanted.
    Fixed {
        /// Whether a bound is wanted.
        bounded: bool,
    },
    /// As many as it takes.
    Climb,
    /// An extrapolation table of so many points.
    Tableau {
        /// The number of points.
        points: u8,
    },
}

/// Where a probe's points lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Both,
    Up,
    Down,
}

/// What the numbers of a difference say, all outputs together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Some output would gain from a larger step: its truncation does not show yet, its noise does.
    pub(super) grow: bool,
    /// The step that some output would rather have, smaller than all that were tried; infinite if there is none, or
    /// if this is not the first pair of steps since a start.
    pub(super) shrink_to: f64,
    /// No output changed by more than its noise.
    pub(super) silent: bool,
    /// No output changed at all, though it could have.
    pub(super) dead: bool,
    /// No output is known to more than four digits.
    pub(super) poor: bool,
    /// No difference shows though some value changed by far more than its noise, as at a minimum: the scale on which it
    /// changes has been reached.
    pub(super) level: bool,
    /// Most outputs keep this difference.
    pub(super) kept: bool,
}

/// One probe on its way.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) method: Method,
    order: u32,
    side: Side,
    reach: Reach,
    /// The step of this round.
    pub(super) step: f64,
    /// The step of the difference to compare with, 0 if there is none.
    pub(super) last: f64,
    /// That difference's noise, in units of the values' noise.
    pub(super) last_amplification: f64,
    /// The step of the difference that was kept, 0 if there is none.
    pub(super) kept: f64,
    /// Whether there is a bound.
    bounded: bool,
    /// Comparisons since the last start.
    compared: u8,
    /// Differences taken.
    taken: u8,
    /// How often the steps started again lower.
    restarts: u8,
    /// Which of this round's points failed: ahead, behind.
    failed: [bool; 2],
    /// The steps at which a point failed.
    pub(super) stumbles: Vec<f64>,
    /// The best step at first sight, relative to the coordinate's magnitude.
    relative: f64,
    next: Option<f64>,
}

impl Probe {
    pub(super) fn new(method: Method, order: u32, reach: Reach) -> Probe {
        let method = if method == Method::Climb && reach.by_hand { Method::Fixed { bounded: true } } else { method };
        Probe {
            method,
            order,
            side: Side::Both,
            reach,
            step: 0.0,
            last: 0.0,
            last_amplification: 0.0,
            kept: 0.0,
            bounded: false,
            compared: 0,
            taken: 0,
            restarts: 0,
            failed: [false; 2],
            stumbles: Vec::new(),
            relative: 0.0,
            next: None,
        }
    }

    /// The first stencil, given the [guess] relative to the coordinate's magnitude. It is approached from below.
    pub(super) fn start(&mut self, relative: f64) -> Stencil {
        let Reach { up, down, step, by_hand, magnitude, .. } = self.reach;
        self.relative = relative;
        let guess = if by_hand { step } else { relative * magnitude };
        self.side = match self.order {
            1 if up >= guess => Side::Up,
            1 if down >= guess => Side::Down,
            _ if self.order > 1 && up.min(down) >= guess.min(up.max(down) / 2.0) => Side::Both,
            _ if up >= down => Side::Up,
            _ => Side::Down,
        };
        // With powers of two x + h is exact wherever it can be, and linear functions have exact derivatives.
        self.step = match self.method {
            Method::Tableau { points } => {
                let levels = if self.side == Side::Both { points / 2 } else { points };
                let growth = (1u64 << (levels - 1)) as f64;
                let longest = match by_hand {
                    // What is called the step of the formula is the shorter of its two.
                    true if points == 4 => guess * growth,
                    true => guess,
                    false => power_of_two(guess),
                };
                longest.min(self.room()) / growth
            }
            _ => power_of_two(guess / GROWTH).min(self.room() / GROWTH),
        };
        self.stencil()
    }

    /// The longest step there is room for.
    fn room(&self) -> f64 {
        let Reach { up, down, .. } = self.reach;
        let farthest = if self.order > 1 && !matches!(self.method, Method::Tableau { .. }) { 2.0 } else { 1.0 };
        match self.side {
            Side::Both => up.min(down),
            Side::Up => up / farthest,
            Side::Down => down / farthest,
        }
    }

    /// The stencil of this round.
    fn stencil(&mut self) -> Stencil {
        self.step = self.reach.carried(self.step);
        let signed = if self.side == Side::Down { -self.step } else { self.step };
        match (self.method, self.side, self.order) {
            (Method::Tableau { points }, side, _) => {
                let sides = if side == Side::Both { 2 } else { 1 };
                Stencil::Tableau { t: signed, levels: usize::from(points) / sides, sides }
            }
            (_, Side::Both, _) => Stencil::Central(self.step),
            (_, _, 1) => Stencil::Pair(signed),
            _ => Stencil::OneSided(signed),
        }
    }

    /// The stencil of a step by hand.
    pub(super) fn by_hand(&self, shape: Shape) -> Stencil {
        Stencil::within(shape, self.reach.step, self.reach.up, self.reach.down)
    }

    /// The stencil with a longer step, where the last was lost in the coordinate's precision.
    pub(super) fn lengthen(&mut self) -> Option<Stencil> {
        if matches!(self.method, Method::Fixed { .. }) || self.step >= self.room() {
            return None;
        }
        // A step that is no number any more grows from the least that is one.
        self.step = (GROWTH * self.step).max(f64::MIN_POSITIVE).min(self.room());
        Some(self.stencil())
    }

    /// Whether this round's difference makes the first pair below all that were compared.
    pub(super) fn started_lower(&self) -> bool {
        self.restarts > 0 && self.compared == 0
    }

    /// Takes over a stencil that was chosen elsewhere.
    pub(super) fn adopt(&mut self, stencil: Stencil) {
        self.step = stencil.step().abs();
        self.side = match stencil {
            Stencil::Central(_) => Side::Both,
            _ if stencil.step() < 0.0 => Side::Down,
            _ => Side::Up,
        };
    }

    /// Whether its step was not found but given.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.method, Method::Fixed { .. })
    }

    /// From where to where its difference with the step that was kept went.
    pub(super) fn ends(&self) -> (f64, f64) {
        match self.side {
            Side::Both => (-self.kept, self.kept),
            Side::Up => (0.0, self.kept),
            Side::Down => (0.0, -self.kept),
        }
    }

    /// A point of this round failed.
    pub(super) fn fail(&mut self, ahead: bool) {
        self.failed[usize::from(!ahead)] = true;
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed != [false; 2]
    }

    /// Whether its step would leap if nothing shows: its coordinate is all but 0, and its own magnitude no measure.
    pub(super) fn may_leap(&self) -> bool {
        self.method == Method::Climb && self.reach.scale > GROWTH * self.reach.magnitude
    }

    /// A first difference was taken: the next is compared with it.
    pub(super) fn began(&mut self, amplification: f64, silent: bool) {
        self.taken += 1;
        self.compared = 0;
        self.last = self.step;
        self.last_amplification = amplification;
        self.next = match self.method {
            Method::Fixed { bounded } => {
                self.kept = self.step;
                bounded.then_some(self.step / 2.0)
            }
            Method::Climb => {
                if self.kept == 0.0 {
                    self.kept = self.step;
                }
                let grown = GROWTH * self.step;
                let leap = self.step * self.reach.scale / self.reach.magnitude;
                let grown = if silent && self.may_leap() { grown.max(leap) } else { grown };
                Some(grown.min(self.soft_limit()).max(self.step))
            }
            Method::Tableau { .. } => {
                self.kept = self.step;
                self.bounded = true;
                None
            }
        };
    }

    /// Whether there is a bound.
    pub(super) fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// Whether another difference will be compared with the last.
    pub(super) fn goes_on(&self) -> bool {
        self.last > 0.0 && self.next.is_some()
    }

    /// A difference was compared with the last.
    pub(super) fn compared(&mut self, amplification: f64, verdict: Verdict) {
        self.taken += 1;
        self.bounded = true;
        if matches!(self.method, Method::Fixed { .. }) {
            self.next = None;
            return;
        }
        if verdict.kept {
            self.kept = self.step;
        } else if self.kept == 0.0 || self.kept < self.last {
            self.kept = self.last;
        }
        self.next = self.decide(verdict);
        let restarts = self.next.is_some_and(|next| next < self.step);
        self.restarts += u8::from(restarts);
        self.compared += 1;
        self.last = if restarts { 0.0 } else { self.step };
        self.last_amplification = amplification;
    }

    fn decide(&mut self, verdict: Verdict) -> Option<f64> {
        if self.taken >= MOST {
            return None;
        }
        if self.compared == 0 && verdict.shrink_to < self.last / 3.0 {
            let lowest = self.last / PLUNGE;
            // Had the differences followed a power of the step, the first time would have been enough.
            let next = if self.restarts > 0 { lowest } else { power_of_two(verdict.shrink_to / 2.0).max(lowest) };
            let next = self.reach.carried(next);
            return (next < self.last).then_some(next);
        }
        if self.taken >= MOST_FOR_DIGITS && !verdict.poor {
            return None;
        }
        let within = self.soft_limit();
        let grows = verdict.grow || verdict.silent;
        let limit = if self.step < within {
            within
        } else if grows && self.turns() {
            let limit = self.soft_limit();
            let next = (GROWTH * self.step).max(self.relative * self.reach.scale).min(limit);
            return (next > 1.5 * self.step).then_some(next);
        } else if verdict.poor && !verdict.dead && !verdict.level {
            // Nothing is known but that there is noise: look farther, in the bounds.
            (BEYOND * within).min(self.room())
        } else {
            return None;
        };
        let factor = if self.taken < LEAP_AFTER { GROWTH } else { LEAP };
        let next = (self.step * factor).min(limit);
        (grows && next > 1.5 * self.step).then_some(next)
    }

    /// Turns to the side that has more room, where a bound is too near for steps to both sides that would show something.
    fn turns(&mut self) -> bool {
        let Reach { up, down, .. } = self.reach;
        let near = up.min(down);
        let turns = self.side == Side::Both
            && self.order > 1
            && near < power_of_two(self.reach.scale / 3.0)
            && up.max(down) / 2.0 > GROWTH * near;
        if turns {
            self.side = if up >= down { Side::Up } else { Side::Down };
        }
        turns
    }

    /// Steps go no farther than half the coordinate's scale without need.
    fn soft_limit(&self) -> f64 {
        power_of_two(self.reach.scale / 3.0).min(self.room())
    }

    /// The next stencil; `None` when the probe is done.
    ///
    /// After a failure: a smaller step, twice; then away from the side that failed; then the other side.
    pub(super) fn next(&mut self) -> Result<Option<Stencil>, GaveUp> {
        let failed = std::mem::take(&mut self.failed);
        if failed == [false; 2] {
            let Some(step) = self.next.take() else { return Ok(None) };
            self.step = step;
            return Ok(Some(self.stencil()));
        }
        self.stumbles.push(self.step);
        self.next = None;
        if self.kept > 0.0 {
            // There is a difference already. A smaller step beside it gives the bound, if there is none yet.
            let wants = !self.bounded && self.method != Method::Fixed { bounded: false };
            if !wants || self.stumbles.len() >= ATTEMPTS || self.step < self.last {
                return Ok(None);
            }
            self.step = self.last / GROWTH;
            return Ok(Some(self.stencil()));
        }
        let first = self.stumbles[0];
        let (side, step) = match self.stumbles.len() {
            1 => (self.side, first / GROWTH),
            2 => (self.side, first / LEAP),
            3 => {
                let other = match self.side {
                    Side::Both if failed[0] && !failed[1] => Side::Down,
                    Side::Down | Side::Both => Side::Up,
                    Side::Up => Side::Down,
                };
                (other, first / GROWTH)
            }
            4 => (self.side, first / LEAP),
            5 => {
                let other = if self.side == Side::Up { Side::Down } else { Side::Up };
                (other, first / LEAP)
            }
            _ => return Err(GaveUp),
        };
        self.side = side;
        self.step = step.min(self.room());
        if self.step <= 0.0 {
            return Err(GaveUp);
        }
        Ok(Some(self.stencil()))
    }
}

/// The optimal step of a function whose derivatives are of the size of its value over powers of the coordinate,
/// relative to that, given the relative noise of the values: (3e)^(1/3) or 2 e^(1/2).
pub(super) fn guess(method: Method, order: u32, noise: f64) -> f64 {
    match (method, order) {
        // Of a table with k columns the error is of order h^(2k): its optimal step is that much longer.
        (Method::Tableau { points }, _) => noise.powf(1.0 / (f64::from(points) + 1.0)) / 2.0,
        (_, 1) => 2.0 * (1.8 * noise).sqrt(),
        _ => (5.2 * noise).cbrt(),
    }
}

/// No step helped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GaveUp;
