//! Groups of coordinates that move at once, each by its own step.

use std::sync::Arc;

use super::axis::{exp2, power_of_two};
use super::line::{Reach, least};
use super::{Axes, Colouring, Displacement, Kind, Step, fold};

/// A type's own bounds are of no concern where they are so many times farther away than a coordinate moves.
const FAR: f64 = 1e30;

/// One line a group. Its parameter multiplies the units of its coordinates.
pub(super) struct Groups {
    /// The coordinates of each.
    pub(super) of: Arc<Colouring>,
    /// How far each coordinate moves at parameter 1.
    pub(super) units: Vec<f64>,
    pub(super) reaches: Vec<Reach>,
    /// Of each group a parameter from which on all its coordinates move for certain.
    sure: Vec<f64>,
    /// Whether the units were given.
    pub(super) are_given: bool,
}

impl Groups {
    /// Where steps are fixed a coordinate's unit is its step, as it is where that was asked for; else it is in
    /// proportion to its magnitude. One that has no room ahead goes the other way.
    pub(super) fn new(axes: &Axes, of: Arc<Colouring>, fixed: bool) -> Groups {
        let mut units = Vec::with_capacity(axes.len());
        for (range, kind) in axes.stretches() {
            let values = axes.values()[range].iter();
            if fixed || kind.by_hand {
                units.extend(values.map(|&x| kind.step(x)));
            } else {
                units.extend(values.map(|&x| power_of_two(kind.magnitude(x))));
            }
        }
        let mut groups = Groups::with_units(axes, of, units);
        for (group, members) in groups.of.groups.iter().enumerate() {
            let reach = &mut groups.reaches[group];
            let mut sure = if axes.are_written() { f64::INFINITY } else { 0.0f64 };
            for (kind, members) in axes.by_kind(members, |i| *i) {
                reach.by_hand |= kind.by_hand;
                // A unit is at least so many times its coordinate, and at least so long.
                let (ratio, shortest) = match kind.step {
                    Step::Relative(relative) if fixed => (relative / 2.0, relative / 2.0 * kind.scale),
                    Step::Given(step) if fixed => (0.0, step),
                    _ => {
                        let shortest = shorten(axes, members, &groups.units, reach);
                        (if kind.by_hand { 0.0 } else { 0.5 }, shortest)
                    }
                };
                // It moves where it is four times the distance of neighbouring values.
                sure = sure.max(exp2(3 - kind.bits as i32) / ratio).max(4.0 * kind.least() / shortest);
            }
            reach.scale = reach.magnitude;
            groups.sure[group] = sure;
        }
        groups
    }

    /// Groups whose units are given; those that have no room that way go the other. Each is rounded to where it leads,
    /// within its bounds: there is room for all of them.
    pub(super) fn given(axes: &Axes, of: Arc<Colouring>, units: Vec<f64>) -> Groups {
        let mut groups = Groups::with_units(axes, of, units);
        for reach in &mut groups.reaches {
            (reach.by_hand, reach.up) = (true, reach.up.max(1.0));
        }
        for (range, kind) in axes.stretches() {
            let moves = groups.units[range.clone()].iter_mut().zip(&axes.values()[range.clone()]);
            if axes.adds(&kind) {
                moves.for_each(|(unit, x)| *unit = (x + *unit) - x);
            } else {
                moves.zip(range).for_each(|((unit, x), i)| *unit = axes.of_kind(kind, i).displaced(*unit) - x);
            }
        }
        groups.are_given = true;
        groups
    }

    /// Groups that reach as far as there is room, by a step of one unit.
    fn with_units(axes: &Axes, of: Arc<Colouring>, mut units: Vec<f64>) -> Groups {
        let greatest = axes.kinds().map(Kind::greatest).fold(f64::MAX, f64::min);
        let room = (greatest - fold::magnitude(axes.values())) / fold::magnitude(&units);
        let is_far = room > FAR;
        let limit = if is_far { room } else { f64::INFINITY };
        let mut reaches = Vec::with_capacity(of.groups.len());
        for members in &of.groups {
            let mut reach = Reach { up: limit, down: limit, step: 1.0, ..Reach::endless() };
            for (kind, members) in axes.by_kind(members, |i| *i).filter(|(kind, _)| !(is_far && kind.is_free())) {
                for &i in members {
                    let (up, down) = kind.room(axes.values()[i]);
                    let (unit, length) = (units[i], units[i].abs());
                    let (ahead, back) = if unit > 0.0 { (up, down) } else { (down, up) };
                    let turns = ahead < back.min(length);
                    let (ahead, back) = if turns { (back, ahead) } else { (ahead, back) };
                    units[i] = if turns { -unit } else { unit };
                    // One that does not move is never in the way.
                    (reach.up, reach.down) = (least(reach.up, ahead / length), least(reach.down, back / length));
                }
            }
            reaches.push(reach);
        }
        let sure = vec![0.0; reaches.len()];
        Groups { of, units, reaches, sure, are_given: false }
    }

    /// The parameter at which a group's point really lies, when it is wanted at `t`: 0 where a coordinate would stay.
    /// Each is rounded in its own way.
    pub(super) fn realised(&self, axes: &Axes, group: usize, t: f64) -> f64 {
        let moves = |&i: &usize| {
            let axis = axes.at(i);
            axis.displaced(self.units[i] * t) != axis.x
        };
        if t.abs() >= self.sure[group] || self.of.groups[group].iter().all(moves) { t } else { 0.0 }
    }

    pub(super) fn displace(&self, axes: &Axes, group: usize, t: f64, out: &mut Displacement) {
        axes.displace(&self.of.groups[group], |&i| (i, self.units[i] * t), out);
    }

    /// Given moves become what was taken of them, where that was less, and so do the changes in their columns, and the
    /// bounds of these where there are any.
    pub(super) fn cut(&mut self, taken: impl Iterator<Item = f64>, columns: [&mut [f64]; 2], height: usize) {
        let [changes, bounds] = columns;
        for (group, part) in taken.enumerate().filter(|(_, part)| *part != 1.0) {
            for columns in [&mut *changes, &mut *bounds] {
                let column = columns.get_mut(group * height..(group + 1) * height).unwrap_or_default();
                column.iter_mut().for_each(|number| *number *= part);
            }
            self.of.groups[group].iter().for_each(|&i| self.units[i] *= part);
        }
    }

    /// The steps of all coordinates, 0 of those in no group. Where a group's were fixed, its units become what they
    /// really were, rounding and all.
    pub(super) fn settle(&mut self, axes: &Axes, walks: &[Walk]) -> Vec<f64> {
        let mut steps = Vec::with_capacity(axes.len());
        for (range, kind) in axes.stretches() {
            let (values, groups) = (&axes.values()[range.clone()], &self.of.group_of[range.clone()]);
            let moves = self.units[range.clone()].iter_mut().zip(groups).zip(values);
            let of = |group: &u32| walks.get(*group as usize);
            if axes.adds(&kind) {
                steps.extend(moves.map(|((unit, group), x)| walked(unit, of(group), |by| x + by)));
            } else {
                let moves = moves.zip(range);
                steps.extend(
                    moves.map(|(((unit, group), _), i)| {
                        walked(unit, of(group), |by| axes.of_kind(kind, i).displaced(by))
                    }),
                );
            }
        }
        steps
    }
}

/// The step of a coordinate, whose unit becomes what it really was, given where it is when it is to go so far.
#[inline(always)]
fn walked(unit: &mut f64, walk: Option<&Walk>, displaced: impl Fn(f64) -> f64) -> f64 {
    let Some(walk) = walk else { return 0.0 };
    if walk.fixed {
        *unit = (displaced(*unit * walk.to) - displaced(*unit * walk.from)) * walk.per_parameter;
    }
    (*unit * walk.kept).abs()
}

/// Where the difference that was kept of a group went.
pub(super) struct Walk {
    kept: f64,
    fixed: bool,
    from: f64,
    to: f64,
    per_parameter: f64,
}

impl Walk {
    /// By a step of `kept`, from one parameter to another; whether that was fixed.
    pub(super) fn new(kept: f64, (from, to): (f64, f64), fixed: bool) -> Walk {
        // Without an output there was no walk.
        Walk { kept, fixed: fixed && kept > 0.0, from, to, per_parameter: 1.0 / (to - from) }
    }
}

/// Shortens a reach to the steps and the scales of coordinates. The length of the shortest unit
/// comes back.
fn shorten(axes: &Axes, members: &[usize], units: &[f64], reach: &mut Reach) -> f64 {
    let mut shortest = f64::INFINITY;
    for &i in members {
        let (axis, length) = (axes.at(i), units[i].abs());
        let per_unit = 1.0 / length;
        shortest = least(shortest, length);
        reach.step = least(reach.step, axis.step() * per_unit);
        reach.magnitude = least(reach.magnitude, axis.scale_here() * per_unit);
    }
    shortest
}
