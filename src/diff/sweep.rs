//! The ask/tell machine: asks for rounds of points, is told their outcomes where they belong. What they amount to is made
//! in `derivative`.

mod derivative;

use std::ops::Range;

pub use derivative::Derivative;

use super::climb::{Method, Probe, guess};
use super::noise::{self, Noise, SAMPLES};
use super::noise_line::NoiseLine;
use super::plan::Plan;
use super::round::{Entry, Round};
use super::samples::Samples;
use super::share::{Probing, Results, Share, Work};
use super::stencil::Stencil;
use super::{Defect, fold};

/// Probes that take several rounds go through them all together where the work is shared, so that nobody waits at the
/// end of a round more often than need be. Else only as many do as have about so many values, so many bounds and so many
/// last differences, which stay in a cache from one round to the next;
const CACHED: usize = 1 << 15;
/// but so many at least, so that a round is worth a message.
const FEWEST: usize = 8;

/// A derivative being computed.
pub struct Sweep<'a> {
    shared: Shared<'a>,
    probes: Vec<Probe>,
    stage: Stage,
    /// The probes on their way. Those before them are done, those after them have yet to begin,
    stretch: Range<usize>,
    /// with this step relative to the magnitude of what moves, if it is not given.
    guess: f64,
    /// `height` numbers a probe.
    values: Vec<f64>,
    /// The same of bounds, where there are any; of those of the probes on their way alone if they are not kept,
    bounds: Vec<f64>,
    /// and of the last differences of the probes on their way.
    last: Vec<f64>,
    /// The norm of the bounds of the probes that are done.
    total: f64,
    /// Outcomes on the noise line.
    samples: Samples,
    evaluations: usize,
}

/// What all shares read.
pub(super) struct Shared<'a> {
    pub(super) plan: Plan,
    pub(super) round: Round,
    pub(super) line: NoiseLine,
    /// Number of outputs.
    pub(super) m: usize,
    /// The scout's outcome: f at the base, or at the first probe's first point.
    pub(super) scout: &'a [f64],
    pub(super) cotangent: Option<&'a [f64]>,
    /// Its product with the cotangent.
    pub(super) product: [f64; 1],
    pub(super) noise: Noise,
    /// The distance of neighbouring values of outputs that are printed, 0 for others; or empty.
    printed: &'a [f64],
    /// Whether the scout was the first point of the first entry.
    pub(super) scouted: bool,
}

impl Shared<'_> {
    pub(super) fn height(&self) -> usize {
        if self.cotangent.is_some() { 1 } else { self.m }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Start,
    /// On the noise line.
    Sampling,
    /// Farther away on it.
    Farther,
    /// Nearer to the base.
    Closer,
    Probing,
    Done,
}

/// Why a sweep cannot go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Impasse {
    /// However a probe was stepped, evaluations failed.
    Failed {
        /// Its number, see [`Share::probe`].
        probe: usize,
        /// The lengths of the steps tried.
        steps: Vec<f64>,
    },
    /// A coordinate cannot be moved.
    Stuck(Defect),
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        mut plan: Plan,
        outcome: &'a [f64],
        printed: &'a [f64],
        cotangent: Option<&'a [f64]>,
    ) -> Sweep<'a> {
        assert_eq!(plan.vjp, cotangent.is_some(), "a VJP, and only that, has a cotangent");
        assert!(cotangent.is_none_or(|w| w.len() == outcome.len()));
        let round = std::mem::take(&mut plan.first);
        let probes = (0..plan.lines.len(&plan.axes))
            .map(|probe| Probe::new(plan.method, plan.shape.order(), plan.lines.reach(&plan.axes, probe)))
            .collect();
        let product = cotangent.map_or(0.0, |w| fold::dot(w, outcome));
        let shared = Shared {
            m: outcome.len(),
            scout: outcome,
            cotangent,
            product: [product],
            noise: Noise::default(),
            printed,
            line: NoiseLine::default(),
            scouted: !plan.uses_base,
            round,
            plan,
        };
        Sweep {
            shared,
            probes,
            stage: Stage::Start,
            stretch: 0..0,
            guess: 0.0,
            values: Vec::new(),
            bounds: Vec::new(),
            last: Vec::new(),
            total: 0.0,
            samples: Samples::default(),
            evaluations: 1,
        }
    }

    /// The next round of points, in about `shares` shares; `None` when the derivative is known.
    ///
    /// Every point of every share must be told, or [failed](Share::fail), before the next call.
    pub fn ask(&mut self, shares: usize) -> Result<Option<Vec<Share<'_>>>, Impasse> {
        match self.stage {
            // Nothing depends on anything.
            Stage::Start if self.shared.m == 0 => self.stage = Stage::Done,
            Stage::Start if self.shared.plan.measures_noise() => {
                self.shared.line = NoiseLine::near(&self.shared.plan);
                self.stage = Stage::Sampling;
            }
            Stage::Start => self.begin(shares)?,
            Stage::Sampling => self.sampled(shares)?,
            Stage::Farther => self.measured(shares)?,
            Stage::Closer => {
                self.amend();
                self.begin(shares)?;
            }
            Stage::Probing => self.advance(shares)?,
            Stage::Done => return Ok(None),
        }
        let round = match self.stage {
            Stage::Done => return Ok(None),
            Stage::Probing if self.shared.round.entries.is_empty() => {
                self.stage = Stage::Done;
                return Ok(None);
            }
            Stage::Probing => self.probing(shares),
            _ => self.sampling(shares),
        };
        Ok(Some(round))
    }

    /// What the noise line has told: all of it, or too little.
    fn sampled(&mut self, shares: usize) -> Result<(), Impasse> {
        if !self.samples.all_arrived() && self.shared.line.try_elsewhere() {
            return Ok(());
        }
        let outcomes = self.samples.near(self.shared.scout);
        if outcomes.len() == SAMPLES && noise::needs_a_farther_look(&outcomes, self.shared.printed) {
            self.shared.line.look_farther();
            self.stage = Stage::Farther;
            return Ok(());
        }
        self.measured(shares)
    }

    /// The noise is known, unless it is so large that a shorter line must tell it.
    fn measured(&mut self, shares: usize) -> Result<(), Impasse> {
        self.measure();
        if !self.shared.noise.is_doubtful() || !self.shared.line.come_closer(&self.shared.plan.axes) {
            return self.begin(shares);
        }
        self.stage = Stage::Closer;
        Ok(())
    }

    /// What the shorter line has told, if it has told all.
    fn amend(&mut self) {
        let line = self.samples.near(self.shared.scout);
        let mut noise = self.shared.noise.clone();
        if line.len() == SAMPLES {
            let changes = |row: usize| line.iter().any(|outcome| outcome[row] != line[0][row]);
            noise.amend(&self.noise_of(&line, &[]), |row| match self.shared.cotangent {
                None => changes(row),
                Some(_) => (0..self.shared.m).any(changes),
            });
        }
        self.shared.noise = noise;
        self.samples = Samples::default();
    }

    fn measure(&mut self) {
        let (line, far) = (self.samples.near(self.shared.scout), self.samples.far(self.shared.m));
        self.shared.noise = self.noise_of(&line, &far);
        self.samples = Samples::default();
    }

    fn noise_of(&self, line: &[&[f64]], far: &[&[f64]]) -> Noise {
        let noise = Noise::measure(line, far, self.shared.printed);
        match &self.shared.cotangent {
            Some(cotangent) => noise.of_product(line, cotangent),
            None => noise,
        }
    }

    /// The noise is known, or nobody asked for it: the first probes begin.
    fn begin(&mut self, shares: usize) -> Result<(), Impasse> {
        self.stage = Stage::Probing;
        let Shared { plan, round, noise, .. } = &self.shared;
        if plan.method == (Method::Fixed { bounded: false }) {
            // There is one round, which is planned.
            self.stretch = 0..self.probes.len();
            self.probes.iter_mut().zip(&round.entries).for_each(|(probe, entry)| probe.adopt(entry.stencil()));
            return Ok(());
        }
        self.guess = guess(plan.method, plan.shape.order(), noise.finest());
        self.start(Vec::new(), shares)
    }

    /// The probes on their way are done: what their bounds amount to, if they have any.
    fn add_up(&mut self) {
        if self.shared.plan.method == (Method::Fixed { bounded: false }) {
            return;
        }
        let height = self.shared.height();
        let from = if self.shared.plan.keeps_bounds { self.stretch.start } else { 0 };
        for (at, probe) in (from..).zip(&self.probes[self.stretch.clone()]) {
            let bounds =
                if probe.is_bounded() { &self.bounds[at * height..(at + 1) * height] } else { &[f64::INFINITY] };
            self.total = self.total.hypot(fold::norm(bounds));
        }
    }

    /// The first stencils of the next probes, in a vector that is empty.
    fn start(&mut self, mut round: Vec<Entry>, shares: usize) -> Result<(), Impasse> {
        self.add_up();
        let shared = &mut self.shared;
        let together = if shares == 1 { (CACHED / shared.height()).max(FEWEST) } else { self.probes.len() };
        let first = self.stretch.end;
        self.stretch = first..(first + together).min(self.probes.len());
        round.reserve(self.stretch.len());
        for index in self.stretch.clone() {
            let probe = &mut self.probes[index];
            let stencil = match probe.method {
                Method::Fixed { .. } => {
                    let stencil = probe.by_hand(shared.plan.shape);
                    probe.adopt(stencil);
                    stencil
                }
                Method::Climb | Method::Tableau { .. } => probe.start(self.guess),
            };
            round.push(place(&shared.plan, probe, index, stencil)?);
        }
        shared.round = Round::new(round);
        Ok(())
    }

    /// From the outcomes of one round to the stencils of the next.
    fn advance(&mut self, shares: usize) -> Result<(), Impasse> {
        self.shared.scouted = false;
        let mut entries = std::mem::take(&mut self.shared.round.entries);
        let mut went_on = 0;
        for at in 0..entries.len() {
            let index = entries[at].probe;
            let probe = &mut self.probes[index];
            match probe.next() {
                Ok(None) => {}
                Ok(Some(stencil)) => {
                    entries[went_on] = place(&self.shared.plan, probe, index, stencil)?;
                    went_on += 1;
                }
                Err(_) => return Err(Impasse::Failed { probe: index, steps: probe.stumbles.clone() }),
            }
        }
        entries.truncate(went_on);
        if entries.is_empty() {
            return self.start(entries, shares);
        }
        self.shared.round = Round::new(entries);
        Ok(())
    }

    fn sampling(&mut self, shares: usize) -> Vec<Share<'_>> {
        let m = self.shared.m;
        let points = self.shared.line.points();
        self.evaluations += points.len();
        let per_share = points.len().div_ceil(shares.max(1)).max(1);
        let parts = self.samples.expect(points.clone(), m, per_share).into_iter().enumerate();
        let shared = &self.shared;
        let share = |(i, sampling)| {
            let start = points.start + i * per_share;
            Share::new(shared, start..(start + per_share).min(points.end), Work::Sampling(sampling))
        };
        parts.map(share).collect()
    }

    fn probing(&mut self, shares: usize) -> Vec<Share<'_>> {
        let shared = &self.shared;
        let height = shared.height();
        let entries = &shared.round.entries;
        let points = usize::from(shared.scouted)..shared.round.points();
        self.evaluations += points.len();
        let per_share = entries.len().div_ceil(shares.max(1)).max(1);
        let numbers = self.probes.len() * height;
        let some = self.stretch.start * height..self.stretch.end * height;
        let mut probes = &mut self.probes[self.stretch.clone()];
        let mut origin = self.stretch.start;
        if entries.len() <= per_share {
            let kept = |results| Results::Growing { results, from: some.start, most: numbers };
            let passing = |results| Results::Growing { results, from: 0, most: some.len() };
            let keeps = shared.plan.keeps_bounds;
            let bounds = if keeps { kept(&mut self.bounds) } else { passing(&mut self.bounds) };
            let (values, last) = (kept(&mut self.values), passing(&mut self.last));
            let work = Probing { origin, probes, values, bounds, last };
            return vec![Share::new(shared, points, Work::Probing(work))];
        }
        let mut values = &mut filled(&mut self.values, numbers)[some.clone()];
        let (mut bounds, mut last): (&mut [f64], &mut [f64]) = (&mut [], &mut []);
        if shared.plan.method != (Method::Fixed { bounded: false }) {
            bounds = match shared.plan.keeps_bounds {
                true => &mut filled(&mut self.bounds, numbers)[some.clone()],
                false => filled(&mut self.bounds, some.len()),
            };
            last = filled(&mut self.last, some.len());
        }
        // Entries ascend by probe, so that each share has a stretch of the probes and of their numbers.
        let mut round = Vec::with_capacity(entries.len().div_ceil(per_share));
        for first in (0..entries.len()).step_by(per_share) {
            let end = entries.len().min(first + per_share);
            let beyond = entries.get(end).map_or(origin + probes.len(), |entry| entry.probe);
            let count = beyond - origin;
            let work = Work::Probing(Probing {
                origin,
                probes: split(&mut probes, count),
                values: Results::Fixed(split(&mut values, count * height)),
                bounds: Results::Fixed(split(&mut bounds, count * height)),
                last: Results::Fixed(split(&mut last, count * height)),
            });
            round.push(Share::new(shared, shared.round.start(first).max(points.start)..shared.round.start(end), work));
            origin = beyond;
        }
        round
    }
}

/// The entry of a probe's stencil. A step that is lost in the coordinate's precision grows, if it may.
fn place(plan: &Plan, probe: &mut Probe, index: usize, mut stencil: Stencil) -> Result<Entry, Impasse> {
    loop {
        if let Some(entry) = Entry::new(&plan.axes, &plan.lines, index, stencil) {
            return Ok(entry);
        }
        stencil = probe
            .lengthen()
            .ok_or_else(|| Impasse::Stuck(plan.lines.defect(&plan.axes, index, stencil.step().abs())))?;
    }
}

/// The vector, which is given so many numbers if it has none: untouched, so that what is never used costs nothing.
fn filled(results: &mut Vec<f64>, numbers: usize) -> &mut [f64] {
    if results.is_empty() {
        *results = vec![0.0; numbers];
    }
    results.resize(numbers, 0.0);
    results
}

/// The first `count` of the slice, which loses them; as many as there are.
fn split<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let count = count.min(rest.len());
    let (head, tail) = std::mem::take(rest).split_at_mut(count);
    *rest = tail;
    head
}
