//! The command line as it is typed. Nothing is resolved here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::manifest::{AlgorithmName, OnFailure};

/// Turns any program you can run, and any shared library you can load, into a differentiable model.
#[derive(Debug, Parser)]
#[command(name = "secant", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where models are looked for, as a path list [default: $SECANT_PLUGINS, else plugins/]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) plugins: Option<std::ffi::OsString>,
    /// Print no progress and no report, only results and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show what the models write to stderr and what is built
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the models found: kind, version, differentiable paths
    List,
    /// Show a model's signature: every leaf, its dtype, shape and bounds, and what derivatives cost
    Describe {
        #[command(flatten)]
        model: ModelArguments,
    },
    /// Evaluate a model
    Apply(Ask),
    /// The Jacobian: the derivative of every output asked for by every input asked for
    Jacobian(Ask),
    /// The product of the Jacobian with a tangent vector
    #[command(alias = "jacobian-vector-product")]
    Jvp(Ask),
    /// The product of a cotangent vector with the Jacobian
    #[command(alias = "vector-jacobian-product")]
    Vjp(Ask),
    /// The second derivatives of a scalar output, or of outputs weighted by a cotangent_vector
    Hessian(Ask),
    /// The product of such a Hessian with a tangent vector
    #[command(alias = "hessian-vector-product")]
    Hvp(Ask),
    /// The shapes of the outputs from the shapes of the inputs
    AbstractEval(Ask),
    /// Hold a model's own derivatives against differences, and both against Taylor's theorem
    #[command(alias = "check-gradients")]
    Check(Check),
    /// How the error of differences depends on the step, drawn
    Study(Study),
    /// Run a model's stored cases, plugins/NAME/cases/*.json
    Test {
        #[command(flatten)]
        model: ModelArguments,
        /// Record what the model answers now as what is expected
        #[arg(long)]
        update: bool,
    },
    /// Serve models over HTTP, to Tesseract and UM-Bridge clients and to people
    Serve(Serve),
    /// Make a working plugin to start from
    New {
        /// Its name, and its folder's
        name: String,
        /// What to make it of
        #[arg(long, value_enum, required_unless_present = "from_pest", conflicts_with = "from_pest")]
        kind: Option<NewKind>,
        #[command(flatten)]
        symbol: SymbolArguments,
        #[command(flatten)]
        program: ProgramArguments,
    },
    /// Serve a model over stdin and stdout (used for isolation; not for people)
    #[command(hide = true)]
    Worker {
        /// A plugin's folder, manifest or library
        model: PathBuf,
        /// Only say what the library says of itself
        #[arg(long)]
        describe: bool,
    },
}

/// Which model, and how it is run.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArguments {
    /// A model's name, or the path of its folder, manifest or library
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// Instances evaluated at once [default: the manifest's, else the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// The longest an evaluation may take, such as 30s; a library then runs in a process of its own
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Duration>,
}

/// Which models to serve, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    /// Models by name or path [default: all there are]
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// The address to listen at [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<std::net::IpAddr>,
    /// The port; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    /// Serve UM-Bridge clients at the root of this port too; they are always served under /umbridge
    #[arg(long, value_name = "PORT")]
    pub(crate) umbridge_port: Option<u16>,
    /// Answer only those who show the token in this file (Authorization: Bearer ...)
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Listen beyond this machine without asking for a token
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Let pages of this origin ask; may be repeated, * for any
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors: Vec<String>,
    /// The folder that json+binref arrays are read from and written to [default: no such format]
    #[arg(long, value_name = "DIR")]
    pub(crate) binref: Option<PathBuf>,
    /// Offer the endpoint that runs test cases
    #[arg(long)]
    pub(crate) debug: bool,
    /// Instances of a model evaluated at once [default: the manifest's, else the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// The longest an evaluation may take, such as 30s; a library then runs in a process of its own
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Requests computed at once [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: Option<u16>,
    /// Requests that may wait for their turn
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) queue: u16,
    /// The largest request, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub(crate) body_limit: usize,
    /// The longest a request may take, its waiting included [default: any time]
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) time_limit: Option<Duration>,
    /// How long requests under way may take once the server is asked to stop
    #[arg(long, value_name = "TIME", value_parser = parse_timeout, default_value = "30s")]
    pub(crate) patience: Duration,
}

/// A question and how to answer it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// JSON such as {"inputs": {...}}, or @FILE, or - for stdin
    pub(crate) payload: String,
    /// Differentiate by this input; may be repeated [default: all differentiable]
    #[arg(long, value_name = "PATH")]
    pub(crate) wrt: Vec<String>,
    /// Differentiate this output; may be repeated [default: all differentiable]
    #[arg(long, value_name = "PATH")]
    pub(crate) of: Vec<String>,
    /// How derivatives are approximated; the model's own are then not used
    #[arg(long, value_enum)]
    pub(crate) algorithm: Option<AlgorithmName>,
    /// The step, as a number, or as PATH=NUMBER any number of times [default: scaled to each element]
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub(crate) eps: Vec<String>,
    /// Random directions of the stochastic algorithm
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) samples: Option<u32>,
    /// Seed of the random directions [default: drawn, and reported]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// What becomes of points where the model fails [default: recover where steps are automatic, else error]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) on_failure: Option<OnFailure>,
    /// Do without the sparsity pattern that the manifest knows
    #[arg(long)]
    pub(crate) dense: bool,
    /// How arrays are written
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
    /// Write the result to a file; a Jacobian is drawn where it is FILE.svg or FILE.html
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Tell on stderr what the derivative cost, which steps were taken, and how large its error may be
    #[arg(long)]
    pub(crate) report: bool,
}

/// What is checked, and how strictly.
#[derive(Clone, Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// JSON such as {"inputs": {...}}, or @FILE, or - for stdin
    pub(crate) payload: String,
    /// Check derivatives by this input; may be repeated [default: all differentiable]
    #[arg(long, visible_alias = "wrt", value_name = "PATH")]
    pub(crate) input_paths: Vec<String>,
    /// Check derivatives of this output; may be repeated [default: all differentiable]
    #[arg(long, visible_alias = "of", value_name = "PATH")]
    pub(crate) output_paths: Vec<String>,
    /// Check this derivative; may be repeated [default: all that the model has itself]
    #[arg(long, value_enum, value_name = "ENDPOINT")]
    pub(crate) endpoints: Vec<OwnDerivative>,
    /// The step of the differences, as a number [default: found for each element]
    #[arg(long, value_name = "STEP", allow_negative_numbers = true)]
    pub(crate) eps: Option<String>,
    /// The step for one input, as PATH=NUMBER; may be repeated
    #[arg(long, value_name = "PATH=STEP", conflicts_with = "eps")]
    pub(crate) eps_for: Vec<String>,
    /// A relative tolerance [default: the bounds of the differences' errors]
    #[arg(long, value_name = "RATIO", value_parser = parse_tolerance)]
    pub(crate) rtol: Option<f64>,
    /// The most elements of inputs to look at; of more, some are drawn
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_evals: u32,
    /// The most elements of outputs to look at
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_output_samples: u32,
    /// The most failures to show of each derivative, the worst
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) max_failures: usize,
    /// Seed of what is drawn: elements and directions
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Show progress on a terminal, as it is by default
    #[arg(long, overrides_with = "no_show_progress")]
    pub(crate) show_progress: bool,
    /// Show no progress
    #[arg(long)]
    pub(crate) no_show_progress: bool,
    /// How the findings are written
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Findings,
}

/// A derivative that a model may have itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OwnDerivative {
    #[value(name = "jacobian")]
    Jacobian,
    #[value(name = "jacobian_vector_product", alias = "jvp")]
    Jvp,
    #[value(name = "vector_jacobian_product", alias = "vjp")]
    Vjp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Findings {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What to study, and how to show it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Study {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// JSON such as {"inputs": {...}}, or @FILE, or - for stdin
    pub(crate) payload: String,
    /// Differentiate by this element of an input, such as a or b.points[4,1]; may be repeated [default: some are
    /// drawn, each shown with the output that it changes most]
    #[arg(long, value_name = "PATH[I,J]")]
    pub(crate) element: Vec<String>,
    /// Differentiate this output, its elements together; may be repeated [default: all differentiable]
    #[arg(long, value_name = "PATH")]
    pub(crate) of: Vec<String>,
    /// Elements that are drawn where none are named
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) count: u16,
    /// Seed of the draw
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What is printed, or written to a file whose ending says nothing
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: StudyFormat,
    /// Write to a file: FILE.svg and FILE.html are figures, FILE.json is the table
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StudyFormat {
    /// A drawing of characters
    Text,
    /// A table
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Numbers as text
    Json,
    /// JSON with the arrays' bytes in base64
    #[value(name = "json+base64")]
    JsonBase64,
    /// The same, the bytes compressed by LZ4
    #[value(name = "json+base64+lz4")]
    JsonBase64Lz4,
    /// NumPy's archive of arrays; of a sparse Jacobian SciPy's of a CSR matrix
    Npz,
}

/// The function that a plugin of the kind symbol calls.
#[derive(Clone, Debug, Args)]
pub(crate) struct SymbolArguments {
    /// Of the kind symbol: the library, a file or a name for the loader; repeated, the first that is there
    #[arg(long, value_name = "LIBRARY", requires_all = ["function", "call"], required_if_eq("kind", "symbol"))]
    pub(crate) library: Vec<PathBuf>,
    /// Of the kind symbol: a library to load before
    #[arg(long, value_name = "LIBRARY", requires = "library")]
    pub(crate) preload: Vec<PathBuf>,
    /// Of the kind symbol: the function's name
    #[arg(long = "fn", value_name = "NAME", requires = "library")]
    pub(crate) function: Option<String>,
    /// Of the kind symbol: its signature, such as "double(int n, double x[n])"
    #[arg(long, value_name = "SIGNATURE", requires = "library")]
    pub(crate) call: Option<String>,
}

/// A program to make a plugin of.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProgramArguments {
    /// Make it of a case of PEST, by its control file
    #[arg(long, value_name = "CASE.pst")]
    pub(crate) from_pest: Option<PathBuf>,
    /// Of a PEST case: find steps [default: those of its parameter groups are taken over]
    #[arg(long, requires = "from_pest")]
    pub(crate) auto: bool,
    /// Of the kind command: a file it is given, as it is or a template with {{ name }}; TO=FILE where it has another
    /// name for the program, or is its stdin. Of a PEST case: a further file that the model reads. May be repeated
    #[arg(long, value_name = "[TO=]FILE")]
    pub(crate) input: Vec<String>,
    /// Of the kind command: the value of a template's {{ name }}; may be repeated
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) set: Vec<String>,
    /// Of the kind command: a number of a file that is an input of the model, as NAME=[FILE:]LINE:FIRST-LAST, where blanks
    /// among the columns belong to the number's field, or NAME=[FILE:]TEXT; may be repeated [default: every number with a
    /// point]
    #[arg(long, value_name = "NAME=PLACE", allow_hyphen_values = true)]
    pub(crate) mark: Vec<String>,
    /// Of the kind executable: example inputs, as JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON")]
    pub(crate) payload: Option<String>,
    /// Of the kinds command and executable: the program and its arguments, after --
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) argv: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    /// A shared library in C
    C,
    /// A shared library in Rust
    Rust,
    /// A program in Python that stays
    Python,
    /// A program in shell and awk, started for each evaluation
    Shell,
    /// A function in any shared library: --library, --fn and --call
    Symbol,
    /// A program that knows nothing of JSON, by its input files and an example run
    Command,
    /// A program that speaks JSON, by what it says of itself or answers to an example
    Executable,
}

impl ValueEnum for AlgorithmName {
    fn value_variants<'a>() -> &'a [AlgorithmName] {
        &AlgorithmName::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    let tolerance = text.parse::<f64>().ok().filter(|tolerance| tolerance.is_finite() && *tolerance > 0.0);
    tolerance.ok_or_else(|| "expected a positive number".to_owned())
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout =
        humantime::parse_duration(text).map_err(|error| format!("expected a time such as 30s or 2min: {error}"))?;
    if timeout.is_zero() { Err("a time limit of zero leaves no time to evaluate".to_owned()) } else { Ok(timeout) }
}
