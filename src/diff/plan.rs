//! What to evaluate: decided from the axes alone, before anything has been.

use std::sync::Arc;

use super::climb::Method;
use super::direction::{Random, Signs};
use super::groups::Groups;
use super::line::Lines;
use super::noise::SAMPLES;
use super::orthogonal::Frame;
use super::round::{Entry, Round};
use super::stencil::{Shape, Stencil};
use super::{Axes, Colouring, Decimal, Displacement, Sweep};

/// How derivatives are approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Central differences whose steps are found for every coordinate, from the noise of the outputs and from what
    /// the differences show: with a bound of their error. About 7 + 5n evaluations, at most 15 + 18n.
    Auto,
    /// The same with first-order differences: about 7 + 3n evaluations, with fewer digits.
    AutoForward,
    /// Central differences with five steps, extrapolated: 7 + 10n evaluations, the most digits.
    Richardson,
    /// (8 f(x+h) − 8 f(x−h) − f(x+2h) + f(x−2h)) / 12h: fourth order, with a bound, 7 + 4n evaluations.
    Central4,
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
    /// The same along directions that are orthogonal: a relative error of sqrt(n/samples − 1), 0 for all n.
    Orthogonal {
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
#[derive(Clone, Debug)]
pub enum Problem<'a> {
    /// The m × n matrix J.
    Jacobian,
    /// J·v for a tangent v of length n.
    Jvp(&'a [f64]),
    /// w·J for a cotangent w of length m, which [`Plan::start`] is given: no matrix is held.
    Vjp,
    /// J·V for groups of coordinates: one column a group, in which all its coordinates move at once, each by its own
    /// [unit](super::Derivative::units).
    Groups(&'a Arc<Colouring>),
    /// The same for groups whose coordinates move by so much each, or as far as there is room;
    /// the other way where there is none.
    Moves(&'a Arc<Colouring>, Vec<f64>),
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
        /// The text it is written in.
        text: Option<Decimal>,
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
    /// Several coordinates displaced, each by its own step.
    Group {
        /// The first of them.
        coordinate: usize,
        /// Its displacement.
        step: f64,
        /// How many others there are.
        others: usize,
    },
    /// The tangent, times `step`, added.
    Tangent {
        /// The factor.
        step: f64,
    },
    /// All coordinates a little displaced, to see the noise.
    Noise,
    /// A random direction, or its opposite.
    Sample {
        /// Which direction.
        sample: usize,
        /// Whether it is the opposite.
        reversed: bool,
    },
}

/// All that will be evaluated, as far as that is known.
pub struct Plan {
    pub(super) axes: Arc<Axes>,
    pub(super) lines: Lines,
    pub(super) method: Method,
    pub(super) shape: Shape,
    /// The first round, where its steps are known already.
    pub(super) first: Round,
    pub(super) uses_base: bool,
    pub(super) vjp: bool,
    /// Whether bounds are of use once their probe is done: else only what they amount to together is kept.
    pub(super) keeps_bounds: bool,
}

impl Plan {
    /// Plans the evaluations, or lists every coordinate that cannot be differentiated. With `bounded` every number comes
    /// with the bound of its error, that of steps given by hand too, which takes further evaluations.
    ///
    /// [`Algorithm::Stochastic`] and [`Algorithm::Orthogonal`] become central where that is no dearer, and for a JVP, whose one
    /// direction is known.
    pub fn new(
        axes: impl Into<Arc<Axes>>,
        problem: Problem<'_>,
        algorithm: Algorithm,
        bounded: bool,
    ) -> Result<Plan, Vec<Defect>> {
        let axes = axes.into();
        let fixed = Method::Fixed { bounded };
        let (shape, method) = match algorithm {
            Algorithm::Central | Algorithm::Stochastic { .. } | Algorithm::Orthogonal { .. } => (Shape::Central, fixed),
            Algorithm::Forward => (Shape::Forward, fixed),
            Algorithm::Backward => (Shape::Backward, fixed),
            Algorithm::Auto => (Shape::Central, Method::Climb),
            Algorithm::AutoForward => (Shape::Forward, Method::Climb),
            Algorithm::Richardson => (Shape::Central, Method::Tableau { points: 10 }),
            Algorithm::Central4 => (Shape::Central, Method::Tableau { points: 4 }),
        };
        let vjp = matches!(problem, Problem::Vjp);
        let grouped = matches!(problem, Problem::Groups(_) | Problem::Moves(..));
        let lines = match (problem, algorithm) {
            (Problem::Jvp(tangent), _) => Lines::of_tangent(&axes, tangent, shape)?,
            (Problem::Moves(groups, units), _) => Lines::Groups(Groups::given(&axes, groups.clone(), units)),
            (Problem::Groups(groups), _) => {
                Lines::Groups(Groups::new(&axes, groups.clone(), matches!(method, Method::Fixed { .. })))
            }
            (_, Algorithm::Stochastic { samples, seed }) if samples < axes.len() => {
                Lines::Random(Random::Signs(Signs::new(&axes, samples, seed)))
            }
            (_, Algorithm::Orthogonal { samples, seed }) if samples < axes.len() => {
                Lines::Random(Random::Frame(Frame::new(&axes, samples, seed)))
            }
            _ => Lines::Axes,
        };
        if let Lines::Random(random) = &lines {
            check_extents(&axes, random)?;
        }
        // A random estimate shows its error by itself.
        let method = if matches!(lines, Lines::Random(_)) { Method::Fixed { bounded: false } } else { method };
        let keeps_bounds = bounded || !matches!(lines, Lines::Axes);
        let probes = lines.len(&axes);
        let known = if matches!(method, Method::Fixed { .. }) { probes } else { 0 };
        let mut entries = Vec::with_capacity(known);
        let mut defects = Vec::new();
        for probe in 0..probes {
            let reach = lines.reach(&axes, probe);
            if reach.up + reach.down <= 0.0 {
                defects.push(lines.defect(&axes, probe, 0.0));
            } else if matches!(method, Method::Fixed { .. }) || reach.by_hand {
                let stencil = Stencil::within(shape, reach.step, reach.up, reach.down);
                match Entry::new(&axes, &lines, probe, stencil) {
                    Some(entry) if matches!(method, Method::Fixed { .. }) => entries.push(entry),
                    Some(_) => {}
                    None => defects.push(lines.defect(&axes, probe, stencil.step().abs())),
                }
            }
        }
        if !defects.is_empty() {
            return Err(defects);
        }
        // Noise is measured from the base. Without a single probe the base alone is evaluated, since it tells m.
        let uses_base = method != Method::Fixed { bounded: false }
            || probes == 0
            || grouped
            || entries.iter().any(|entry: &Entry| entry.rule.uses_base());
        Ok(Plan { axes, lines, method, shape, first: Round::new(entries), uses_base, vjp, keeps_bounds })
    }

    /// The same, to be started from the base, which was evaluated already.
    pub fn started_at_base(self) -> Plan {
        Plan { uses_base: true, ..self }
    }

    /// The number of evaluations in all, the scout included: exact where steps are fixed and none is given up, else
    /// a guess.
    pub fn evaluations(&self) -> usize {
        let base = usize::from(self.uses_base);
        let probes = self.lines.len(&self.axes);
        let noise = if self.measures_noise() { SAMPLES - 1 } else { 0 };
        base + noise
            + match self.method {
                Method::Fixed { bounded } => self.first.points() * if bounded && noise > 0 { 2 } else { 1 },
                Method::Climb => probes * 3 * self.shape.order() as usize,
                Method::Tableau { points } => probes * usize::from(points),
            }
    }

    /// Whether it finds steps itself: those of some coordinates at least.
    pub fn finds_steps(&self) -> bool {
        !matches!(self.method, Method::Fixed { .. }) && !self.axes.kinds().all(|kind| kind.by_hand)
    }

    /// Whether noise is measured.
    pub(super) fn measures_noise(&self) -> bool {
        self.method != Method::Fixed { bounded: false } && self.lines.len(&self.axes) > 0
    }

    /// The number of random directions, if there are any.
    pub fn samples(&self) -> Option<usize> {
        match &self.lines {
            Lines::Random(random) => Some(random.samples()),
            _ => None,
        }
    }

    /// The first point to evaluate.
    pub fn scout(&self, point: &mut Displacement) {
        point.clear();
        if !self.uses_base {
            self.first.displace(&self.axes, &self.lines, 0, point);
        }
    }

    /// Where it lies.
    pub fn scouted(&self) -> Place {
        if self.uses_base { Place::Base } else { self.first.place(&self.axes, &self.lines, 0) }
    }

    /// Starts from the scout's outcome, all finite; a VJP is also given its cotangent, of the same length.
    ///
    /// `printed` has, for each output that is read from a text, the distance of neighbouring values that its text can
    /// tell apart, else 0; it may be empty.
    pub fn start<'a>(self, outcome: &'a [f64], printed: &'a [f64], cotangent: Option<&'a [f64]>) -> Sweep<'a> {
        Sweep::new(self, outcome, printed, cotangent)
    }
}

fn check_extents(axes: &Axes, random: &Random) -> Result<(), Vec<Defect>> {
    let defects: Vec<_> = (0..axes.len())
        .filter(|&coordinate| random.extent(coordinate) == 0.0)
        .map(|coordinate| Lines::Axes.defect(axes, coordinate, axes.at(coordinate).step()))
        .collect();
    if defects.is_empty() { Ok(()) } else { Err(defects) }
}
