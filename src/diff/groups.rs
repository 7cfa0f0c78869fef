//! Groups of coordinates that move at once, each by its own step.

use std::sync::Arc;

use super::axis::{exp2, power_of_two};
use super::line::{Reach, least};
use super::{Axes, Displacement, Kind, Step};

/// A type's own bounds are of no concern where they are so many times farther away than a coordinate moves.
const FAR: f64 = 1e30;

/// One line a group. Its parameter multiplies the units of its coordinates.
pub(super) struct Groups {
    /// The coordinates of each, ascending.
    pub(super) members: Arc<Vec<Vec<usize>>>,
    /// How far each coordinate moves at parameter 1.
    pub(super) units: Vec<f64>,
    pub(super) reaches: Vec<Reach>,
    /// Of each group a parameter from which on all its coordinates move for certain.
    sure: Vec<f64>,
}

impl Groups {
    /// Where steps are fixed a coordinate's unit is its step, as it is where that was asked for; else it is in
    /// proportion to its magnitude. One that has no room ahead goes the other way.
    pub(super) fn new(axes: &Axes, members: Arc<Vec<Vec<usize>>>, fixed: bool) -> Groups {
        let mut groups = Groups { units: vec![0.0; axes.len()], reaches: Vec::new(), sure: Vec::new(), members };
        for group in groups.members.iter() {
            let mut reach = Reach::endless();
            let mut sure = if axes.are_written() { f64::INFINITY } else { 0.0f64 };
            for (kind, members) in axes.by_kind(group, |i| *i) {
                let steps = fixed || kind.by_hand;
                let shortest = if steps {
                    lay_out(axes, kind, members, |_, x| kind.step(x), &mut groups.units, &mut reach)
                } else {
                    let unit = |_, x| power_of_two(kind.magnitude(x));
                    lay_out(axes, kind, members, unit, &mut groups.units, &mut reach)
                };
                if steps {
                    reach.step = least(reach.step, 1.0);
                } else {
                    for &i in members {
                        let axis = axes.at(i);
                        let per_unit = 1.0 / groups.units[i].abs();
                        reach.step = least(reach.step, axis.step() * per_unit);
                        reach.magnitude = least(reach.magnitude, axis.scale_here() * per_unit);
                    }
                }
                reach.by_hand |= kind.by_hand;
                // A unit is at least so many times the coordinate. It moves where that many units are four times the
                // distance of neighbouring values.
                let ratio = match kind.step {
                    Step::Relative(relative) if steps => relative / 2.0,
                    Step::Given(_) if steps => 0.0,
                    _ => 0.5,
                };
                sure = sure.max(exp2(3 - kind.bits as i32) / ratio).max(4.0 * kind.least() / shortest);
            }
            reach.scale = reach.magnitude;
            groups.reaches.push(reach);
            groups.sure.push(sure);
        }
        groups
    }

    /// One group of all coordinates. Their units are so long; those that have no room that way go the other.
    pub(super) fn of_all(axes: &Axes, units: &[f64]) -> Groups {
        let members: Vec<usize> = (0..axes.len()).collect();
        let mut groups = Groups { units: vec![0.0; axes.len()], reaches: Vec::new(), sure: vec![0.0], members: Arc::default() };
        let mut reach = Reach { step: 1.0, by_hand: true, ..Reach::endless() };
        for (kind, members) in axes.by_kind(&members, |i| *i) {
            lay_out(axes, kind, members, |i, _| units[i], &mut groups.units, &mut reach);
        }
        Groups { members: Arc::new(vec![members]), reaches: vec![reach], ..groups }
    }

    /// The parameter at which a group's point really lies, when it is wanted at `t`: 0 where a coordinate would stay.
    /// Each is rounded in its own way.
    pub(super) fn realised(&self, axes: &Axes, group: usize, t: f64) -> f64 {
        let moves = |&i: &usize| {
            let axis = axes.at(i);
            axis.displaced(self.units[i] * t) != axis.x
        };
        if t.abs() >= self.sure[group] || self.members[group].iter().all(moves) { t } else { 0.0 }
    }

    pub(super) fn displace(&self, axes: &Axes, group: usize, t: f64, out: &mut Displacement) {
        axes.displace(&self.members[group], |&i| (i, self.units[i] * t), out);
    }

    /// Makes the units of a group what they were, rounding and all, where it went from parameter `from` to `to`.
    pub(super) fn settle(&mut self, axes: &Axes, group: usize, from: f64, to: f64) {
        let per_parameter = 1.0 / (to - from);
        for (&kind, members) in axes.by_kind(&self.members[group], |i| *i) {
            for &i in members {
                let end = |t: f64| axes.displaced(kind, i, self.units[i] * t);
                self.units[i] = (end(to) - end(from)) * per_parameter;
            }
        }
    }
}

/// Gives coordinates of one kind their units, and shortens the reach to what they have. The length of the shortest
/// comes back.
fn lay_out(
    axes: &Axes,
    kind: &Kind,
    members: &[usize],
    unit: impl Fn(usize, f64) -> f64,
    units: &mut [f64],
    reach: &mut Reach,
) -> f64 {
    let (mut farthest, mut longest, mut shortest) = (0.0f64, 0.0f64, f64::INFINITY);
    for &i in members {
        let x = axes.values()[i];
        let unit = unit(i, x);
        units[i] = unit;
        farthest = -least(-farthest, -x.abs());
        longest = -least(-longest, -unit.abs());
        shortest = least(shortest, unit.abs());
    }
    let room = (kind.greatest() - farthest) / longest;
    if kind.is_free() && room > FAR {
        (reach.up, reach.down) = (least(reach.up, room), least(reach.down, room));
        return shortest;
    }
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
    shortest
}
