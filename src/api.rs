//! The library's front door: a [`Model`] that is opened once and asked any number of times, from any
//! number of threads.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::backend::{self, Function, OpenError, OpenOptions};
use crate::endpoint::sparse::Rule;
use crate::endpoint::{self, Context, Defaults, Jacobian, Question, Report, Request, Settings, Vectors};
use crate::exec::{Pool, Progress};
use crate::manifest::{AlgorithmName, Eps, Gradient, OnFailure, Run};
use crate::model::{Description, ModelError};
use crate::schema::{Differentiable, SchemaErrors, Signature, Violations};
use crate::tree::{Array, PathError, Pattern, Tree};

/// Why a model could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model cannot be opened: its manifest, its library or its schemas are no good.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What its manifest says of derivatives is no good: a path, or a sparsity pattern.
    #[error("{0}")]
    Pattern(String),
    /// The schemas of [`Model::from_fn`] are no good.
    #[error(transparent)]
    Schema(#[from] SchemaErrors),
    /// A question was refused by us, or failed in the model.
    #[error(transparent)]
    Question(#[from] endpoint::Error),
    /// A path of a question is no path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Something a model can be given: JSON as it comes, or a [`Tree`] made in Rust (whose arrays are not
/// copied).
pub trait Inputs {
    /// The inputs, checked against the signature.
    fn read(&self, signature: &Signature) -> Result<Tree, Violations>;
}

impl Inputs for Value {
    fn read(&self, signature: &Signature) -> Result<Tree, Violations> {
        signature.inputs_from_json(self)
    }
}

impl Inputs for Tree {
    fn read(&self, signature: &Signature) -> Result<Tree, Violations> {
        signature.inputs_from_tree(self)
    }
}

/// A differentiable model.
///
/// ```
/// use secant::{Model, Tree, json};
///
/// let number = json!({"type": "number", "differentiable": true});
/// let model = Model::from_fn(
///     "parabola",
///     &json!({"properties": {"x": number}, "required": ["x"]}),
///     &json!({"properties": {"y": number}, "required": ["y"]}),
///     |inputs| {
///         let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec()[0];
///         Ok(Tree::fields([("y", Tree::from(x * x))]))
///     },
/// )?;
/// let jacobian = model.jacobian(&json!({"x": 3.0})).run()?;
/// let (_, _, block) = jacobian.blocks().next().unwrap();
/// # let secant::Block::Real(block) = block else { unreachable!() };
/// let bound = jacobian.report.total_bound.unwrap();
/// assert!((block.sum() - 6.0).abs() <= bound && bound < 1e-8);
/// # Ok::<(), secant::Error>(())
/// ```
pub struct Model {
    pool: Pool,
    defaults: Defaults,
    run: Run,
    folder: PathBuf,
    shapes: endpoint::ShapeCache,
}

impl Model {
    /// Opens a plugin's folder, its `model.toml`, or a library that describes itself.
    ///
    /// ```no_run
    /// let model = secant::Model::open("plugins/meshstats")?;
    /// # Ok::<(), secant::Error>(())
    /// ```
    ///
    /// # Errors
    /// A manifest, schema or library that is no good, a build that fails, a program that does not answer: in words that
    /// name the file and the key.
    pub fn open(path: impl AsRef<FilePath>) -> Result<Model, Error> {
        Model::open_with(path, &OpenOptions::default())
    }

    /// The same, overruling what the manifest says about running it.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_with(path: impl AsRef<FilePath>, options: &OpenOptions) -> Result<Model, Error> {
        let opened = backend::open(path.as_ref(), options)?;
        let mut model = Model::new(opened.model, opened.gradient, opened.run, opened.folder);
        let place = |fault: String| Error::Pattern(format!("{}: {fault}", path.as_ref().display()));
        endpoint::check_paths(&model.defaults.gradient, model.signature()).map_err(place)?;
        model.defaults.sparsity = Rule::read(&model.defaults.gradient, &model.folder).map_err(Error::Pattern)?;
        Ok(model)
    }

    /// A Rust closure as a model. The schemas say what it takes and gives; its inputs are checked
    /// against them before it is called, its outputs after.
    ///
    /// # Errors
    /// All that is wrong with the schemas.
    pub fn from_fn(
        name: &str,
        input: &Value,
        output: &Value,
        evaluate: impl Fn(&Tree) -> Result<Tree, ModelError> + Send + Sync + 'static,
    ) -> Result<Model, Error> {
        let signature = Signature::parse(input, output, &Differentiable::default())?;
        let function = Function::new(name, signature, evaluate);
        Ok(Model::new(Arc::new(function), Gradient::default(), Run::default(), PathBuf::new()))
    }

    fn new(model: Arc<dyn crate::model::Model>, gradient: Gradient, run: Run, folder: PathBuf) -> Model {
        let defaults = Defaults { gradient, workers: run.workers, sparsity: None };
        Model { pool: Pool::new(model), defaults, run, folder, shapes: endpoint::ShapeCache::default() }
    }

    /// The same model with other defaults for derivatives; files they name are relative to the model's folder.
    ///
    /// # Errors
    /// A path that the model does not have, or a pattern that cannot be read.
    pub fn with_gradient(mut self, gradient: Gradient) -> Result<Model, Error> {
        endpoint::check_paths(&gradient, self.signature()).map_err(Error::Pattern)?;
        self.defaults.sparsity = Rule::read(&gradient, &self.folder).map_err(Error::Pattern)?;
        self.defaults.gradient = gradient;
        Ok(self)
    }

    /// What the model says of itself.
    pub fn description(&self) -> &Description {
        self.pool.model().description()
    }

    /// Its inputs and outputs.
    pub fn signature(&self) -> &Signature {
        self.pool.model().signature()
    }

    /// What its manifest says about derivatives.
    pub fn gradient(&self) -> &Gradient {
        &self.defaults.gradient
    }

    /// What its manifest, or whoever opened it, says about running it.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The folder it was opened from; empty for a closure.
    pub fn folder(&self) -> &FilePath {
        &self.folder
    }

    /// Evaluates the model.
    ///
    /// # Errors
    /// All that is wrong with the inputs, or what the model did instead of answering.
    pub fn apply(&self, inputs: &impl Inputs) -> Result<Tree, Error> {
        let inputs = inputs.read(self.signature()).map_err(endpoint::Error::Caller)?;
        Ok(endpoint::apply(&self.context(&Progress::default()), &inputs)?)
    }

    /// Asks for the Jacobian: of all differentiable outputs with respect to all differentiable inputs,
    /// unless [`wrt`](Query::wrt) and [`of`](Query::of) say otherwise.
    pub fn jacobian(&self, inputs: &impl Inputs) -> Query<'_, Jacobian> {
        self.query(Question::Jacobian, inputs, Vectors::new(), |context, request, settings| {
            endpoint::jacobian(context, request, settings)
        })
    }

    /// Asks for the product of the Jacobian with a tangent, given as one array for each input meant.
    pub fn jvp<P: AsRef<str>>(
        &self,
        inputs: &impl Inputs,
        tangent: impl IntoIterator<Item = (P, Array)>,
    ) -> Query<'_, (Vectors, Report)> {
        let vectors = vectors(tangent);
        let query = self.query(Question::Jvp, inputs, Vectors::new(), |context, request, settings| {
            endpoint::jvp(context, request, settings)
        });
        query.with_vectors(vectors)
    }

    /// Asks for the product of a cotangent, given as one array for each output meant, with the Jacobian.
    /// The matrix is never held.
    pub fn vjp<P: AsRef<str>>(
        &self,
        inputs: &impl Inputs,
        cotangent: impl IntoIterator<Item = (P, Array)>,
    ) -> Query<'_, (Vectors, Report)> {
        let vectors = vectors(cotangent);
        let query = self.query(Question::Vjp, inputs, Vectors::new(), |context, request, settings| {
            endpoint::vjp(context, request, settings)
        });
        query.with_vectors(vectors)
    }

    /// Asks for the second derivatives of a scalar output, or of outputs with [`weights`](Query::weights): the
    /// Hessian by all differentiable inputs, unless [`wrt`](Query::wrt) says otherwise. It is symmetric, and its
    /// blocks are those of two inputs.
    pub fn hessian(&self, inputs: &impl Inputs) -> Query<'_, Jacobian> {
        self.query(Question::Hessian, inputs, Vectors::new(), |context, request, settings| {
            endpoint::hessian(context, request, settings)
        })
    }

    /// Asks for the product of such a Hessian with a tangent, given as one array for each input meant.
    pub fn hvp<P: AsRef<str>>(
        &self,
        inputs: &impl Inputs,
        tangent: impl IntoIterator<Item = (P, Array)>,
    ) -> Query<'_, (Vectors, Report)> {
        let vectors = vectors(tangent);
        let query = self.query(Question::Hvp, inputs, Vectors::new(), |context, request, settings| {
            endpoint::hvp(context, request, settings)
        });
        query.with_vectors(vectors)
    }

    /// The dtypes and shapes of the outputs that inputs of these dtypes and shapes lead to.
    ///
    /// # Errors
    /// Shapes that do not fit the schema, or that only an evaluation would tell where that fails.
    pub fn abstract_eval(&self, inputs: &Tree<crate::tree::Abstract>) -> Result<Tree<crate::tree::Abstract>, Error> {
        let progress = Progress::default();
        Ok(endpoint::abstract_eval(&self.context(&progress), inputs)?)
    }

    pub(crate) fn context<'c>(&'c self, progress: &'c Progress) -> Context<'c> {
        Context { pool: &self.pool, defaults: &self.defaults, progress, shapes: &self.shapes }
    }

    /// Which derivatives the model has itself; none where it cannot be started.
    pub(crate) fn natives(&self) -> crate::model::Natives {
        self.pool.lend(&Progress::default()).map(|instance| instance.natives()).unwrap_or_default()
    }

    fn query<T>(&self, question: Question, inputs: &impl Inputs, vectors: Vectors, answer: Answer<T>) -> Query<'_, T> {
        let inputs = inputs.read(self.signature()).map_err(|violations| endpoint::Error::Caller(violations).into());
        Query {
            model: self,
            question,
            inputs,
            wrt: None,
            of: None,
            vectors: Ok(vectors),
            weights: Ok(Vectors::new()),
            settings: Settings::default(),
            answer,
            progress: None,
        }
    }
}

fn vectors<P: AsRef<str>>(arrays: impl IntoIterator<Item = (P, Array)>) -> Result<Vectors, PathError> {
    arrays.into_iter().map(|(path, array)| Ok((path.as_ref().parse()?, array))).collect()
}

type Answer<T> = fn(&Context<'_>, &Request, &Settings) -> Result<T, endpoint::Error>;

/// A derivative being asked for; [`run`](Query::run) answers it.
#[must_use = "nothing is evaluated before `run`"]
pub struct Query<'m, T> {
    model: &'m Model,
    question: Question,
    inputs: Result<Tree, Error>,
    wrt: Option<Result<Vec<Pattern>, PathError>>,
    of: Option<Result<Vec<Pattern>, PathError>>,
    vectors: Result<Vectors, PathError>,
    weights: Result<Vectors, PathError>,
    settings: Settings,
    answer: Answer<T>,
    progress: Option<&'m Progress>,
}

fn patterns<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Option<Result<Vec<Pattern>, PathError>> {
    Some(paths.into_iter().map(|path| path.as_ref().parse()).collect())
}

impl<'m, T> Query<'m, T> {
    /// With respect to these inputs only: paths, or patterns such as `layers.[]`.
    pub fn wrt<P: AsRef<str>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        Query { wrt: patterns(paths), ..self }
    }

    /// Of these outputs only: paths, or patterns such as `per_key.{}`.
    pub fn of<P: AsRef<str>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        Query { of: patterns(paths), ..self }
    }

    /// Second derivatives of the sum of outputs, each element weighted: an array of its shape for each output meant.
    pub fn weights<P: AsRef<str>>(self, weights: impl IntoIterator<Item = (P, Array)>) -> Self {
        let weights: Result<Vectors, PathError> = vectors(weights);
        let named = |weights: &Vectors| weights.iter().map(|(path, _)| path.clone().into()).collect();
        let of = self.of.or_else(|| weights.as_ref().ok().map(|weights| Ok(named(weights))));
        Query { weights, of, ..self }
    }

    /// How derivatives are approximated. Given here, the model's own derivatives are not used.
    pub fn algorithm(mut self, algorithm: AlgorithmName) -> Self {
        self.settings.algorithm = Some(algorithm);
        self
    }

    /// The step, in the units of the inputs, the same for every coordinate, instead of one scaled to each.
    pub fn eps(mut self, eps: f64) -> Self {
        self.settings.eps = Some(Eps::All(eps));
        self
    }

    /// Steps in their units, path by path; inputs not named get one scaled to each coordinate.
    pub fn eps_for<P: Into<String>>(mut self, table: impl IntoIterator<Item = (P, f64)>) -> Self {
        self.settings.eps = Some(Eps::PerPath(table.into_iter().map(|(path, eps)| (path.into(), eps)).collect()));
        self
    }

    /// The number of random directions, of `stochastic` and `orthogonal`; by default the greater of 10 and √n.
    pub fn samples(mut self, samples: usize) -> Self {
        self.settings.samples = Some(samples);
        self
    }

    /// The seed of the random directions; without one it is drawn, and reported.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// What becomes of points where the model fails. Without a word here or in the manifest they are stepped
    /// around where steps are automatic, and end the request where they are given.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.settings.on_failure = Some(policy);
        self
    }

    /// Bounds of the errors in the report, each in the place of the number it is for, even where that takes further
    /// evaluations.
    pub fn bounds(mut self) -> Self {
        self.settings.bounds = true;
        self
    }

    /// Without the sparsity pattern of the manifest.
    pub fn dense(mut self) -> Self {
        self.settings.dense = true;
        self
    }

    /// Instances evaluated at once. The result does not depend on it.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = Some(workers.max(1));
        self
    }

    /// Counts the evaluations where another thread can see them, and lets it cancel.
    pub fn progress(self, progress: &'m Progress) -> Self {
        Query { progress: Some(progress), ..self }
    }

    fn with_vectors(self, vectors: Result<Vectors, PathError>) -> Self {
        Query { vectors, ..self }
    }

    /// Evaluates what has to be evaluated, and answers.
    ///
    /// # Errors
    /// All that is wrong with the question; or where the model failed, crashed or took too long, after whatever steps were
    /// tried there; or that it was cancelled.
    pub fn run(self) -> Result<T, Error> {
        let inputs = self.inputs?;
        let (wrt, of) = (self.wrt.transpose()?, self.of.transpose()?);
        let request = Request::new(self.model.signature(), self.question, inputs, wrt, of, self.vectors?)?;
        let weights = self.weights?;
        let request = if weights.is_empty() { request } else { request.weighted(self.model.signature(), weights)? };
        let own = Progress::default();
        let context = self.model.context(self.progress.unwrap_or(&own));
        Ok((self.answer)(&context, &request, &self.settings)?)
    }
}
