//! What to evaluate: decided from the axes alone, before anything has been.

use super::direction::Signs;
use super::stencil::{Rule, Shape, Stencil};
use super::{Axis, Displacement, Sweep};

/// How derivatives are approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// (f(x+h) − f(x−h)) / 2h: second order, 2n evaluations.
    Central,
    /// (f(x+h) − f(x)) / h: first order, n+1 evaluations.
    Forward,
    /// (f(x) − f(x−h)) / h: first order, n+1 evaluations.
    Backward,
    /// Simultaneous random perturbations: 2·samples evaluations whatever n is, unbiased, with a
    /// relative error of sqrt((n−1)/samples).
    Stochastic {
        /// Number of random directions.
        samples: usize,
        /// Seed of the directions.
        seed: u64,
    },
}

/// The number of random directions taken when none is asked for: max(10, ⌊√n⌋).
pub fn default_samples(n: usize) -> usize {
    n.isqrt().max(10)
}

/// What is asked of f at the base point.
#[derive(Clone, Copy, Debug)]
pub enum Problem<'a> {
    /// The m × n matrix J.
    Jacobian,
    /// J·v for a tangent v of length n.
    Jvp(&'a [f64]),
    /// w·J for a cotangent w of length m, which [`Plan::start`] is given: no matrix is held.
    Vjp,
}

/// Why a coordinate cannot be differentiated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Defect {
    /// Its bounds leave no other value.
    NoRoom {
        /// The coordinate.
        coordinate: usize,
    },
    /// The step vanishes when added to the value, in the precision the model gets it in.
    StepLost {
        /// The coordinate.
        coordinate: usize,
        /// The step.
        step: f64,
    },
    /// The tangent is not zero, but every displacement along it vanishes.
    TangentLost,
}

/// Where a point lies relative to the base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The base itself.
    Base,
    /// One coordinate displaced by `step`.
    Axis {
        /// The coordinate.
        coordinate: usize,
        /// Its displacement.
        step: f64,
    },
    /// The tangent, times `step`, added.
    Tangent {
        /// The factor.
        step: f64,
    },
    /// A random direction, or its opposite.
    Sample {
        /// Which direction.
        sample: usize,
        /// Whether it is the opposite.
        reversed: bool,
    },
}

/// The lines along which differences are taken, one per probe.
pub(super) enum Directions {
    /// Probe j goes along coordinate j, at these values.
    Axes(Vec<[f64; 2]>),
    /// Probe j goes along the j-th vector, at these parameter values.
    Along(Vec<(Vec<f64>, [f64; 2])>),
    /// Probe j goes along the j-th random direction.
    Random(Signs),
}

/// All that will be evaluated.
pub struct Plan {
    pub(super) axes: Vec<Axis>,
    pub(super) directions: Directions,
    pub(super) rules: Vec<Rule>,
    /// The first point of each probe, and the number of points at the end; the base is not counted.
    pub(super) starts: Vec<usize>,
    /// The number of points of every probe, if they all have one or all have two.
    uniform: Option<usize>,
    pub(super) uses_base: bool,
    pub(super) vjp: bool,
}

impl Plan {
    /// Plans the evaluations, or lists every coordinate that cannot be differentiated.
    ///
    /// [`Algorithm::Stochastic`] becomes central where that is no dearer, and for a JVP, whose one
    /// direction is known.
    pub fn new(axes: Vec<Axis>, problem: Problem<'_>, algorithm: Algorithm) -> Result<Plan, Vec<Defect>> {
        let (shape, random) = match algorithm {
            Algorithm::Central => (Shape::Central, None),
            Algorithm::Forward => (Shape::Forward, None),
            Algorithm::Backward => (Shape::Backward, None),
            Algorithm::Stochastic { samples, seed } => (Shape::Central, Some((samples, seed))),
        };
        let (directions, rules) = match (problem, random) {
            (Problem::Jvp(tangent), _) => along_tangent(&axes, tangent, shape)?,
            (_, Some((samples, seed))) if samples < axes.len() => {
                let signs = Signs::new(&axes, samples, seed);
                check_ends(&axes, &signs)?;
                // A coordinate's own step divides later; here the two outcomes are subtracted.
                (Directions::Random(signs), vec![Rule::Central { per_step: 1.0 }; samples])
            }
            _ => along_axes(&axes, shape)?,
        };
        let mut starts = Vec::with_capacity(rules.len() + 1);
        starts.push(0);
        for rule in &rules {
            starts.push(starts[starts.len() - 1] + rule.points());
        }
        let points = rules.first().map_or(1, |rule| rule.points());
        let uniform = rules.iter().all(|rule| rule.points() == points).then_some(points);
        // Without a single probe the base alone is evaluated, since it tells m.
        let uses_base = rules.is_empty() || rules.iter().any(|rule| rule.uses_base());
        let vjp = matches!(problem, Problem::Vjp);
        Ok(Plan { axes, directions, rules, starts, uniform, uses_base, vjp })
    }

    /// The number of evaluations in all, the scout included.
    pub fn evaluations(&self) -> usize {
        self.starts[self.rules.len()] + usize::from(self.uses_base)
    }

    /// The number of random directions, if there are any.
    pub fn samples(&self) -> Option<usize> {
        match &self.directions {
            Directions::Random(signs) => Some(signs.samples()),
            _ => None,
        }
    }

    /// The first point to evaluate.
    pub fn scout(&self, point: &mut Displacement) {
        self.displace(0, point);
    }

    /// Where the i-th point lies.
    pub fn place(&self, point: usize) -> Place {
        let Some((probe, which)) = self.locate(point) else { return Place::Base };
        match &self.directions {
            Directions::Axes(values) => {
                Place::Axis { coordinate: probe, step: values[probe][which] - self.axes[probe].x }
            }
            Directions::Along(lines) => Place::Tangent { step: lines[probe].1[which] },
            Directions::Random(_) => Place::Sample { sample: probe, reversed: which == 1 },
        }
    }

    /// How far a coordinate moves at most: to the first point on its line, or along the tangent, or at random.
    pub fn step(&self, coordinate: usize) -> f64 {
        match &self.directions {
            Directions::Axes(values) => (values[coordinate][0] - self.axes[coordinate].x).abs(),
            Directions::Along(lines) => {
                lines.iter().map(|(direction, t)| (direction[coordinate] * t[0]).abs()).fold(0.0, f64::max)
            }
            Directions::Random(signs) => {
                let [a, b] = signs.ends(coordinate);
                (a - b).abs() / 2.0
            }
        }
    }

    /// Starts from the scout's outcome, all finite; a VJP is also given its cotangent, of the same length.
    pub fn start(self, outcome: &[f64], cotangent: Option<&[f64]>) -> Sweep {
        Sweep::new(self, outcome, cotangent)
    }

    /// The probe of a point and which of its points it is; `None` for the base.
    #[inline]
    pub(super) fn locate(&self, point: usize) -> Option<(usize, usize)> {
        let point = point.checked_sub(usize::from(self.uses_base))?;
        Some(match self.uniform {
            Some(1) => (point, 0),
            Some(_) => (point / 2, point % 2),
            None => {
                let probe = self.starts.partition_point(|&start| start <= point) - 1;
                (probe, point - self.starts[probe])
            }
        })
    }

    pub(super) fn displace(&self, point: usize, out: &mut Displacement) {
        out.clear();
        let Some((probe, which)) = self.locate(point) else { return };
        match &self.directions {
            Directions::Axes(values) => out.push((probe, values[probe][which])),
            Directions::Along(lines) => {
                let (direction, t) = &lines[probe];
                let moved = direction.iter().enumerate().filter(|(_, v)| **v != 0.0);
                out.extend(moved.map(|(i, v)| (i, self.axes[i].displaced(v * t[which]))));
            }
            Directions::Random(signs) => signs.point(probe, which == 1, |i, value| out.push((i, value))),
        }
    }
}

type Lines = (Directions, Vec<Rule>);

fn along_axes(axes: &[Axis], shape: Shape) -> Result<Lines, Vec<Defect>> {
    let mut defects = Vec::new();
    let mut values = Vec::with_capacity(axes.len());
    let mut rules = Vec::with_capacity(axes.len());
    for (coordinate, axis) in axes.iter().enumerate() {
        let (up, down) = axis.room();
        let stencil = Stencil::within(shape, axis.step, up, down);
        let [a, b] = stencil.parameters().map(|t| axis.displaced(t));
        let rule = stencil.rule([a - axis.x, b - axis.x]);
        let stays = a == axis.x || (!matches!(stencil, Stencil::Pair(_)) && (b == axis.x || a == b));
        let lost = stays || !rule.is_finite();
        if up + down <= 0.0 {
            defects.push(Defect::NoRoom { coordinate });
        } else if lost {
            defects.push(Defect::StepLost { coordinate, step: stencil.step().abs() });
        } else {
            values.push([a, b]);
            rules.push(rule);
        }
    }
    if defects.is_empty() { Ok((Directions::Axes(values), rules)) } else { Err(defects) }
}

fn check_ends(axes: &[Axis], signs: &Signs) -> Result<(), Vec<Defect>> {
    let defects: Vec<_> = (0..axes.len())
        .filter(|&coordinate| signs.ends(coordinate)[0] == signs.ends(coordinate)[1])
        .map(|coordinate| {
            let (up, down) = axes[coordinate].room();
            if up + down <= 0.0 {
                Defect::NoRoom { coordinate }
            } else {
                Defect::StepLost { coordinate, step: axes[coordinate].step }
            }
        })
        .collect();
    if defects.is_empty() { Ok(()) } else { Err(defects) }
}

/// The step along a direction: the longest at which no coordinate moves farther than its own step.
/// So a tangent's length does not matter, nor that its coordinates have different units.
fn longest_step(axes: &[Axis], direction: &[f64]) -> f64 {
    axes.iter().zip(direction).filter(|(_, v)| **v != 0.0).map(|(axis, v)| axis.step / v.abs()).fold(f64::MAX, f64::min)
}

/// How far one may go along a direction, and against it.
fn room_along(axes: &[Axis], direction: &[f64]) -> (f64, f64) {
    axes.iter().zip(direction).filter(|(_, v)| **v != 0.0).fold(
        (f64::INFINITY, f64::INFINITY),
        |(ahead, back), (axis, v)| {
            let (up, down) = axis.room();
            let (a, b) = if *v > 0.0 { (up / v, down / v) } else { (down / -v, up / -v) };
            (ahead.min(a), back.min(b))
        },
    )
}

fn along_tangent(axes: &[Axis], tangent: &[f64], shape: Shape) -> Result<Lines, Vec<Defect>> {
    if tangent.iter().all(|v| *v == 0.0) {
        return Ok((Directions::Along(Vec::new()), Vec::new()));
    }
    let fixed: Vec<_> = (0..axes.len())
        .filter(|&i| tangent[i] != 0.0 && axes[i].room() == (0.0, 0.0))
        .map(|coordinate| Defect::NoRoom { coordinate })
        .collect();
    if !fixed.is_empty() {
        return Err(fixed);
    }
    let (ahead, back) = room_along(axes, tangent);
    let wanted = longest_step(axes, tangent);
    let stencil = Stencil::within(shape, wanted, ahead, back);
    let directions = if stencil.step().abs() >= wanted / 8.0 {
        vec![tangent.to_vec()]
    } else {
        // Some coordinates sit at a bound ahead and others at one behind. By linearity the
        // derivative is the sum of those along the part that can go ahead and the part that cannot.
        let part = |wanted: bool| -> Vec<f64> {
            let goes_ahead = |axis: &Axis, v: f64| {
                let (up, down) = axis.room();
                (if v > 0.0 { up >= down } else { down >= up }) == wanted
            };
            axes.iter().zip(tangent).map(|(axis, &v)| if goes_ahead(axis, v) { v } else { 0.0 }).collect()
        };
        [part(true), part(false)].into_iter().filter(|part| part.iter().any(|v| *v != 0.0)).collect()
    };
    let mut lines = Vec::new();
    let mut rules = Vec::new();
    for direction in directions {
        let (ahead, back) = room_along(axes, &direction);
        let stencil = Stencil::within(shape, longest_step(axes, &direction), ahead, back);
        let t = stencil.parameters();
        let moves = |t: f64| axes.iter().zip(&direction).any(|(axis, v)| axis.displaced(v * t) != axis.x);
        let rule = stencil.rule(t);
        if !moves(t[0]) || !rule.is_finite() {
            return Err(vec![Defect::TangentLost]);
        }
        rules.push(rule);
        lines.push((direction, t));
    }
    Ok((Directions::Along(lines), rules))
}
