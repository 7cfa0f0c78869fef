//! Checks of derivatives: a model's own against differences, entry by entry, within the bounds of the differences'
//! errors; and the Taylor remainder test, which needs no step and so also holds for models without any.

mod drawn;
mod entries;
mod remainder;

pub use entries::Comparison;
pub use remainder::Curve;

use std::time::{Duration, Instant};

use super::differences::differences;
use super::error::Place;
use super::question::Question;
use super::request::{Request, Wanted};
use super::settings::Settings;
use super::vectors::Vectors;
use super::{Context, Endpoint, Error, apply};
use crate::diff::Problem;
use crate::manifest::{AlgorithmName, Eps};
use crate::model::Natives;
use crate::tree::{Layout, Path};
use entries::Reference;

/// What is checked, and how strictly.
#[derive(Clone, Debug)]
pub struct Checks {
    /// Which of the model's own derivatives; empty for all that it has.
    pub questions: Vec<Question>,
    /// The most elements of inputs that are looked at.
    pub max_inputs: usize,
    /// The most elements of outputs.
    pub max_outputs: usize,
    /// Failures that are kept, the worst.
    pub max_failures: usize,
    /// Seed of what is drawn: elements and directions.
    pub seed: u64,
    /// A relative tolerance in place of the bounds.
    pub rtol: Option<f64>,
    /// Steps of the differences by hand.
    pub eps: Option<Eps>,
    /// Instances evaluated at once.
    pub workers: Option<usize>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Of each of the model's own derivatives.
    pub comparisons: Vec<Comparison>,
    /// Of the Taylor remainder test, output by output.
    pub curves: Vec<Curve>,
    /// What J d was in it: "native", or an algorithm.
    pub along: String,
    /// Elements of inputs looked at, and how many there are.
    pub inputs: (usize, usize),
    /// Of outputs.
    pub outputs: (usize, usize),
    /// Evaluations and native derivatives in all.
    pub evaluations: usize,
    /// What whoever reads the numbers must know.
    pub warnings: Vec<String>,
}

impl Checked {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.comparisons.iter().all(Comparison::passed) && self.curves.iter().all(Curve::passed)
    }
}

/// What both checks are about.
struct Subject<'s, 'c> {
    context: &'s Context<'c>,
    /// The point and the paths, all of them concrete.
    request: Request,
    wrt: Layout,
    of: Layout,
    /// The outputs at the point.
    base: Vec<f64>,
    /// About how long an evaluation takes.
    typical: Duration,
    natives: Natives,
    checks: &'s Checks,
}

/// Checks the derivatives that `request`, one for a Jacobian, is about.
pub fn check(context: &Context<'_>, request: &Request, checks: &Checks) -> Result<Checked, Error> {
    let subject = Subject::new(context, request, checks)?;
    let mut questions = subject.questions()?;
    let nothing = subject.of.is_empty() || subject.wrt.is_empty();
    if nothing {
        questions.clear();
    }
    let inputs = drawn::elements(&subject.wrt, checks.max_inputs, checks.seed);
    let outputs = drawn::elements(&subject.of, checks.max_outputs, checks.seed);
    let (mut comparisons, mut evaluations, mut warnings) = (Vec::new(), 1, Vec::new());
    if !questions.is_empty() {
        let reference = Reference::taken(&subject, &inputs, &outputs)?;
        for question in questions {
            comparisons.push(reference.compare(&subject, question)?);
        }
        evaluations += reference.evaluations + comparisons.iter().map(|found| found.calls).sum::<usize>();
        warnings = reference.warnings;
    }
    let test = if nothing { remainder::Test::default() } else { remainder::test(&subject)? };
    Ok(Checked {
        comparisons,
        curves: test.curves,
        along: test.along,
        inputs: (inputs.len(), subject.wrt.len()),
        outputs: (outputs.len(), subject.of.len()),
        evaluations: evaluations + test.evaluations,
        warnings,
    })
}

impl<'s, 'c> Subject<'s, 'c> {
    fn new(context: &'s Context<'c>, request: &Request, checks: &'s Checks) -> Result<Subject<'s, 'c>, Error> {
        let clock = Instant::now();
        let outputs = apply(context, &request.inputs)?;
        let typical = clock.elapsed();
        let paths = request.of.resolve(&outputs)?;
        let of = Layout::of(&outputs, &paths).unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}"));
        let wrt = Layout::of(&request.inputs, &request.wrt)
            .unwrap_or_else(|absent| unreachable!("a request's inputs are there: {absent:?}"));
        let mut base = vec![0.0; of.len()];
        of.ravel(&outputs, &mut base).unwrap_or_else(|mismatch| unreachable!("laid out like this: {mismatch}"));
        if let Some(row) = crate::diff::not_finite(&base) {
            return Err(Error::at(context.pool, Place::Base, super::differences::non_finite(&of, row)));
        }
        let natives =
            context.pool.lend(context.progress).map_err(|error| Error::opening(context.pool, error))?.natives();
        let of_paths = Wanted(paths.into_iter().map(Into::into).collect());
        let request = Request { of: of_paths, vectors: Vectors::new(), ..request.clone() };
        Ok(Subject { context, request, wrt, of, base, typical, natives, checks })
    }

    /// The derivatives to compare: those the model has, or those asked for, which it must have.
    fn questions(&self) -> Result<Vec<Question>, Error> {
        let has = |question: &Question| match question {
            Question::Jacobian => self.natives.jacobian,
            Question::Jvp => self.natives.jvp,
            Question::Vjp => self.natives.vjp,
            Question::Hessian | Question::Hvp => false,
        };
        let all = [Question::Jacobian, Question::Jvp, Question::Vjp];
        if let Some(absent) = self.checks.questions.iter().find(|question| !has(question)) {
            let message = format!(
                "Value error, the model has no {} of its own that could be checked",
                Endpoint::Derivative(*absent).name()
            );
            return Err(Error::caller(Path::root(), "value_error", message));
        }
        let asked = |question: &Question| self.checks.questions.is_empty() || self.checks.questions.contains(question);
        Ok(all.into_iter().filter(|question| has(question) && asked(question)).collect())
    }

    /// The same point and paths with other vectors.
    fn with(&self, vectors: Vectors) -> Request {
        Request { vectors, ..self.request.clone() }
    }

    /// How differences are taken: with bounds, whatever the model has itself.
    fn by_differences(&self) -> Settings {
        Settings {
            algorithm: Some(AlgorithmName::Auto),
            eps: self.checks.eps.clone(),
            workers: self.checks.workers,
            bounds: true,
            ..Settings::default()
        }
    }

    /// J v by differences.
    fn along(&self, tangent: &[f64]) -> Result<(crate::diff::Derivative, super::Report), Error> {
        let settings = self.by_differences();
        let (_, found, report) =
            differences(self.context, &self.request, &settings, Problem::Jvp(tangent), |_| Ok(None))?;
        Ok((found, report))
    }
}
