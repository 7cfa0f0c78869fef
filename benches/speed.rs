//! What the host costs, as ratios against a baseline measured in the same run.
//!
//! `cargo bench` prints the table; `cargo bench -- forward` (small, workers, ...) a part of it. Each figure is the best of many repetitions: what is slower was
//! disturbed by something else. Times are never asserted on; the last column says what is aimed at.
#![allow(clippy::print_stdout, unsafe_code)]

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use secant::{AlgorithmName, Array, Gradient, Isolation, Model, OpenOptions, Structure, Tree, json};

fn main() {
    // Asked by itself, in a process of its own, how much memory a VJP takes.
    if std::env::args().nth(1).as_deref() == Some("vjp-memory") {
        return vjp_memory();
    }
    // Until something large was freed once, glibc hands the memory of every request back to the system, and it is
    // faulted in again by the next: which rows ran before must not show.
    drop(black_box(vec![1u8; 31 << 20]));
    let folder = std::env::temp_dir().join(format!("secant-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let library = compile(&folder, "residual", &["-shared", "-fPIC"], "residual.so");
    let echo = compile(&folder, "echo", &[], "echo");
    println!("{:<58} {:>11} {:>11} {:>8}  aim", "", "ours", "baseline", "ratio");
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("forward") {
        forward(&library);
    }
    if wanted("small") {
        small(&library);
    }
    if wanted("symbol") {
        symbol_call(&folder, &library);
    }
    if wanted("auto") {
        auto(&library);
    }
    if wanted("sparse") {
        sparse(&folder, &library);
    }
    if wanted("workers") {
        workers(&library);
    }
    if wanted("isolated") {
        isolated(&library);
    }
    if wanted("stdio") {
        stdio(&folder, &echo);
    }
    if wanted("untouched") {
        untouched(&library);
    }
    if wanted("memory") {
        memory();
    }
    if wanted("command") {
        one_shot(&folder);
    }
    if wanted("processes") {
        processes(&folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn row(name: &str, ours: Duration, baseline: Duration, aim: &str) {
    let ratio = ours.as_secs_f64() / baseline.as_secs_f64();
    println!("{name:<58} {:>11} {:>11} {ratio:>8.3}  {aim}", brief(ours), brief(baseline));
}

fn brief(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    match nanos {
        n if n < 1e4 => format!("{n:.1} ns"),
        n if n < 1e7 => format!("{:.1} us", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}

/// The shortest of `repetitions` runs, after one to warm up.
fn best(repetitions: usize, mut run: impl FnMut()) -> Duration {
    run();
    let time = |run: &mut dyn FnMut()| {
        let clock = Instant::now();
        run();
        clock.elapsed()
    };
    (0..repetitions).map(|_| time(&mut run)).min().unwrap_or_default()
}

/// The shortest of alternating runs of two things, so that both meet the same disturbances.
fn best_pair(repetitions: usize, mut a: impl FnMut(), mut b: impl FnMut()) -> (Duration, Duration) {
    let (mut first, mut second) = (Duration::MAX, Duration::MAX);
    for _ in 0..=repetitions {
        let clock = Instant::now();
        a();
        first = first.min(clock.elapsed());
        let clock = Instant::now();
        b();
        second = second.min(clock.elapsed());
    }
    (first, second)
}

/// A run of a legacy program, its folder, files, readings and all, beside the same program started by hand in a folder
/// that is there already; and what a second worker gains.
fn one_shot(folder: &Path) {
    const INPUTS: usize = 20;
    let program = compile(folder, "legacy", &[], "legacy");
    // In memory where that is to be had: it is the host that is measured, not the disk.
    let scratch = Path::new("/dev/shm");
    let scratch = if scratch.is_dir() { scratch } else { folder };
    let open = |name: &str, arguments: &str, workers: usize| {
        let home = folder.join(name);
        std::fs::create_dir_all(&home).expect("a folder");
        let numbers = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
        for (side, leaf) in [("input", "x"), ("output", "y")] {
            let schema = json!({"type": "object", "properties": {leaf: numbers}, "required": [leaf]});
            std::fs::write(home.join(format!("{side}.json")), schema.to_string()).expect("a schema");
        }
        let manifest = format!(
            "input = 'input.json'\noutput = 'output.json'\n[command]\nargv = [{program:?}{arguments}]\n\
             scratch = {scratch:?}\n[[command.write]]\nto = 'deck.txt'\n\
             text = '''{{% for v in x %}}{{{{ v }}}}\n{{% endfor %}}'''\n\
             [command.read]\ny = {{ from = 'out.txt', array = 'text' }}\n[run]\nworkers = {workers}\n"
        );
        std::fs::write(home.join("model.toml"), manifest).expect("a manifest");
        Model::open(&home).expect("a legacy program")
    };
    let inputs = json!({"x": (0..INPUTS).map(|i| i as f64 + 0.5).collect::<Vec<_>>()});
    let jacobian = |model: &Model| {
        let jacobian = model.jacobian(&inputs).algorithm(AlgorithmName::Forward).run().expect("a Jacobian");
        black_box(&jacobian);
        jacobian.report.evaluations
    };
    let model = open("legacy-quick", "", 1);
    let runs = jacobian(&model) as u32;
    let place = scratch.join(format!("secant-bench-bare-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a folder");
    let deck: String = (0..INPUTS).map(|i| format!("{}.5\n", i)).collect();
    std::fs::write(place.join("deck.txt"), deck).expect("a deck");
    let bare = || {
        for _ in 0..runs {
            let mut command = Command::new(&program);
            command.current_dir(&place).stdin(Stdio::null()).stdout(Stdio::null());
            assert!(command.status().expect("the program").success());
        }
    };
    let (ours, theirs) = best_pair(20, || _ = jacobian(&model), bare);
    row("a run of a legacy program, over spawn and wait", ours / runs, theirs / runs, "+ 0.5 ms");
    let _ = std::fs::remove_dir_all(&place);
    let (one, two) = (open("legacy-one", ", '10'", 1), open("legacy-two", ", '10'", 2));
    let (one, two) = best_pair(3, || _ = jacobian(&one), || _ = jacobian(&two));
    row("one worker over two, runs of 10 ms", one, two, ">= 1.8");
}

fn compile(folder: &Path, source: &str, flags: &[&str], target: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = folder.join(target);
    let status = Command::new("cc")
        .args(["-O2", "-o"])
        .arg(&target)
        .arg("-I")
        .arg(root.join("include"))
        .args(flags)
        .arg(root.join(format!("benches/models/{source}.c")))
        .status()
        .expect("a C compiler called cc");
    assert!(status.success());
    target
}

type Residual = unsafe extern "C" fn(i64, *const f64, *mut f64);
type First = unsafe extern "C" fn(i64, *const f64) -> f64;
type Busy = unsafe extern "C" fn(i64, *const f64, i64, *mut f64, i64);

/// A function of benches/models/residual.c. `F` must be its type.
fn symbol<F: Copy>(library: &Path, name: &str) -> F {
    // SAFETY: the library was compiled from a source of ours, whose initialisers do nothing.
    let library = unsafe { libloading::Library::new(library) }.expect("the library just compiled");
    // SAFETY: every caller names the type that the source gives the function.
    let function = *unsafe { library.get::<F>(name.as_bytes()) }.expect("its function");
    std::mem::forget(library);
    function
}

fn call(function: Residual, x: &[f64], y: &mut [f64]) {
    // SAFETY: x and y have the length given.
    unsafe {
        function(x.len() as i64, x.as_ptr(), y.as_mut_ptr());
    }
}

fn point(n: usize) -> Vec<f64> {
    (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 } + i as f64 * 1e-4).collect()
}

fn inputs(n: usize) -> Tree {
    Tree::fields([("x", Tree::from(Array::from(point(n))))])
}

/// n + 1 bare calls through the function pointer, and one pass that writes J by columns.
fn reference(function: Residual, x: &mut [f64], base: &mut [f64], y: &mut [f64], jacobian: &mut [f64]) {
    let n = x.len();
    call(function, x, base);
    for j in 0..n {
        let (kept, step) = (x[j], 2f64.powi(-26));
        x[j] = kept + step;
        let scale = 1.0 / (x[j] - kept);
        call(function, x, y);
        x[j] = kept;
        for ((slot, a), b) in jacobian[j * n..(j + 1) * n].iter_mut().zip(&*y).zip(&*base) {
            *slot = (a - b) * scale;
        }
    }
}

fn forward(library: &Path) {
    let n = 1000;
    let function = symbol::<Residual>(library, "residual");
    let model = Model::open(library).expect("the model");
    let inputs = inputs(n);
    let (mut x, mut base, mut y) = (point(n), vec![0.0; n], vec![0.0; n]);
    let mut jacobian = vec![0.0; n * n];
    let (ours, baseline) = best_pair(
        200,
        || {
            let query = model.jacobian(&inputs).algorithm(AlgorithmName::Forward).workers(1);
            black_box(query.run().expect("a Jacobian"));
        },
        || reference(function, &mut x, &mut base, &mut y, black_box(&mut jacobian)),
    );
    row("forward Jacobian, n = m = 1000, over bare calls + J", ours, baseline, "<= 1.5");
    let operator = |x: &Vec<f64>| -> Result<Vec<f64>, anyhow::Error> {
        let mut y = vec![0.0; x.len()];
        call(function, x, &mut y);
        Ok(y)
    };
    let x = point(n);
    let theirs = best(20, || {
        let jacobian = finitediff::vec::forward_jacobian(&operator);
        black_box(jacobian(&x).expect("a Jacobian"));
    });
    row("the same, over the crate finitediff", ours, theirs, "<= 0.125");
    let free = best(200, || {
        let query = model.jacobian(&inputs).algorithm(AlgorithmName::Forward);
        black_box(query.run().expect("a Jacobian"));
    });
    row("the same, as many workers as it likes", free, baseline, "");
}

/// An evaluation for automatic steps, whatever it is for, beside one of central differences.
fn auto(library: &Path) {
    let model = Model::open(library).expect("the model");
    for (n, coupled) in [(10, false), (100, false), (1000, false), (100, true), (1000, true)] {
        let rounds = if coupled { -3 } else { -1 };
        let inputs = Tree::fields([
            ("x", Tree::from(Array::from(point(n)))),
            ("rounds", Tree::from(Array::new(&[], vec![rounds]))),
        ]);
        let run = |algorithm| {
            let jacobian = model.jacobian(&inputs).algorithm(algorithm).workers(1).run().expect("a Jacobian");
            black_box(jacobian.report.evaluations) as u32
        };
        let (auto, central) = (run(AlgorithmName::Auto), run(AlgorithmName::Central));
        let repetitions = 20_000 / n;
        let (ours, theirs) = best_pair(
            repetitions,
            || assert_ne!(run(AlgorithmName::Auto), 0),
            || assert_ne!(run(AlgorithmName::Central), 0),
        );
        let aim = if n == 100 { "<= 1.2" } else { "" };
        let full = if coupled { ", no zeros" } else { "" };
        row(&format!("an evaluation for auto, n = m = {n}{full}, over central"), ours / auto, theirs / central, aim);
        println!("    {auto} evaluations where central takes {central}");
    }
}

/// Sparse Jacobians beside dense ones, and beside their bare evaluations.
fn sparse(folder: &Path, library: &Path) {
    let pattern = |structure, algorithm, verify| Gradient {
        algorithm: Some(algorithm),
        sparsity: Some(structure),
        verify_sparsity: Some(verify),
        ..Gradient::default()
    };
    // A model of 1 ms, Rosenbrock's residuals in it.
    let array = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let slow = |gradient| {
        let evaluate = |inputs: &Tree| {
            let clock = Instant::now();
            let x = inputs.leaf(&"x".parse().expect("a path")).expect("the input").to_vec();
            let y: Vec<f64> = x.chunks(2).flat_map(|x| [10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]]).collect();
            while clock.elapsed() < Duration::from_millis(1) {}
            Ok(Tree::fields([("y", Tree::from(Array::from(y)))]))
        };
        let schema = |name: &str| json!({"properties": {name: array}, "required": [name]});
        let model = Model::from_fn("slow", &schema("x"), &schema("y"), evaluate).expect("a model");
        model.with_gradient(gradient).expect("a pattern")
    };
    let point = inputs(1000);
    // Each pair of residuals depends on a pair of variables, the second on the first of them alone.
    let entries = (0..500).map(|i| format!("{0} {0}\n{0} {1}\n{1} {0}\n", 2 * i + 1, 2 * i + 2)).collect::<String>();
    let file = folder.join("rosenbrock.mtx");
    let text = format!("%%MatrixMarket matrix coordinate pattern general\n1000 1000 1500\n{entries}");
    std::fs::write(&file, text).expect("a pattern");
    for verify in [false, true] {
        let model = slow(pattern(Structure::File(file.clone()), AlgorithmName::Forward, verify));
        let (mut with, mut without) = (0, 0);
        let (ours, dense) = best_pair(
            1,
            || with = model.jacobian(&point).workers(1).run().expect("a Jacobian").report.evaluations,
            || without = model.jacobian(&point).dense().workers(1).run().expect("a Jacobian").report.evaluations,
        );
        let verified = if verify { ", verified" } else { "" };
        row(&format!("Rosenbrock n = 1000, 1 ms, by its pattern{verified}, over dense"), ours, dense, "<= 0.0033");
        println!("    {with} evaluations where the dense matrix takes {without}");
    }
    // The first request lays the pattern out and colours it, the others find it there.
    let per_entry = [33_333, 333_333].map(|n| {
        let band = pattern(Structure::Banded([1, 1]), AlgorithmName::Forward, false);
        let tree = Tree::fields([
            ("x", Tree::from(Array::from(vec![-1.0; n]))),
            ("rounds", Tree::from(Array::new(&[], vec![-2i64]))),
        ]);
        let mut least = Duration::MAX;
        for _ in 0..5 {
            let model = Model::open(library).expect("the model").with_gradient(band.clone()).expect("a pattern");
            let run = || drop(black_box(model.jacobian(&tree).workers(1).run().expect("a Jacobian")));
            let clock = Instant::now();
            run();
            let first = clock.elapsed();
            least = least.min(first.saturating_sub(best(3, run)));
        }
        least / (3 * n as u32 / 100)
    });
    row("100 entries of a pattern, coloured, 1e6 over 1e5 of them", per_entry[1], per_entry[0], "about 1");
    let function = symbol::<Residual>(library, "broyden");
    for (algorithm, verify) in
        [(AlgorithmName::Forward, false), (AlgorithmName::Forward, true), (AlgorithmName::Auto, true)]
    {
        for n in [10_000, 100_000] {
            let model = Model::open(library).expect("the model");
            let model = model.with_gradient(pattern(Structure::Banded([1, 1]), algorithm, verify)).expect("a pattern");
            let tree = Tree::fields([
                ("x", Tree::from(Array::from(vec![-1.0; n]))),
                ("rounds", Tree::from(Array::new(&[], vec![-2i64]))),
            ]);
            let mut evaluations = 0;
            let (x, mut y) = (vec![-1.0; n], vec![0.0; n]);
            let (ours, bare) = best_pair(
                10_000_000 / n,
                || evaluations = model.jacobian(&tree).workers(1).run().expect("a Jacobian").report.evaluations,
                || call(function, black_box(&x), black_box(&mut y)),
            );
            let bare = bare * evaluations as u32;
            let verified = if verify { ", verified" } else { "" };
            let name = format!("Broyden n = {n}, {algorithm}{verified}, over its {evaluations} bare evaluations");
            row(&name, ours, bare, if n == 100_000 { "<= 5" } else { "" });
        }
    }
}

fn small(library: &Path) {
    let n = 100;
    let function = symbol::<Residual>(library, "residual");
    let model = Model::open(library).expect("the model");
    let inputs = inputs(n);
    let (x, mut y) = (point(n), vec![0.0; n]);
    let (forward, bare_calls) = best_pair(
        5000,
        || {
            let query = model.jacobian(&inputs).algorithm(AlgorithmName::Forward).workers(1);
            black_box(query.run().expect("a Jacobian"));
        },
        || {
            for _ in 0..=n {
                call(function, black_box(&x), black_box(&mut y));
            }
        },
    );
    let (per_evaluation, per_call) = (forward / (n as u32 + 1), bare_calls / (n as u32 + 1));
    row("one evaluation of it, n = m = 100, over the bare call", per_evaluation, per_call, "");
    // A JVP is a request with two evaluations: what is left is evaluations, and the columns of J.
    let tangent = Array::from(vec![1.0; n]);
    let two = best(5000, || {
        let query = model.jvp(&inputs, [("x", tangent.clone())]).algorithm(AlgorithmName::Forward).workers(1);
        black_box(query.run().expect("a product"));
    });
    let marginal = forward.saturating_sub(two) / (n as u32 - 1);
    row("the same without the request around it", marginal, per_call, "<= bare + 30 ns");
}

/// A function called through its signature and libffi, beside its bare pointer and beside the C ABI.
fn symbol_call(folder: &Path, library: &Path) {
    let open = |name: &str, call: &str| {
        let place = folder.join(format!("symbol_{name}"));
        std::fs::create_dir_all(&place).expect("a folder");
        let text = format!("[symbol]\nlibrary = {library:?}\nfn = {name:?}\ncall = {call:?}\nisolation = \"none\"");
        std::fs::write(place.join("model.toml"), text).expect("a manifest");
        Model::open(place).expect("the function")
    };
    // An evaluation without the request around it: a Jacobian less a product, which is two evaluations.
    let evaluation = |model: &Model, n: usize| {
        let inputs = inputs(n);
        let tangent = Array::from(vec![1.0; n]);
        let jacobian = || {
            let query = model.jacobian(&inputs).algorithm(AlgorithmName::Forward).workers(1);
            black_box(query.run().expect("a Jacobian"));
        };
        let product = || {
            let query = model.jvp(&inputs, [("x", tangent.clone())]).algorithm(AlgorithmName::Forward).workers(1);
            black_box(query.run().expect("a product"));
        };
        let (whole, two) = best_pair(500_000 / n, jacobian, product);
        whole.saturating_sub(two) / (n as u32 - 1)
    };
    let n = 1000;
    let first = open("first", "double(int64_t n, double x[n])");
    let bare_first = symbol::<First>(library, "first");
    let x = point(n);
    let bare = best(5000, || {
        for _ in 0..n {
            // SAFETY: x has the length given.
            black_box(unsafe { bare_first(n as i64, black_box(x.as_ptr())) });
        }
    });
    row("a [symbol] that returns x[0], over the bare call", evaluation(&first, n), bare / n as u32, "<= bare + 100 ns");
    let called = open("residual", "void(int64_t n, double x[n], out double y[n])");
    let plugin = Model::open(library).expect("the model");
    let function = symbol::<Residual>(library, "residual");
    for n in [100, 1000] {
        let (x, mut y) = (point(n), vec![0.0; n]);
        let bare = best(500_000 / n, || (0..n).for_each(|_| call(function, black_box(&x), black_box(&mut y))));
        let ours = evaluation(&called, n);
        let aim = if n == 100 { "<= bare + 100 ns" } else { "" };
        row(&format!("an evaluation of a [symbol], n = m = {n}, over the bare call"), ours, bare / n as u32, aim);
        row("    over the same function as [library]", ours, evaluation(&plugin, n), "");
    }
}

/// Rounds of the busy model with which an evaluation takes about `time`.
fn calibrate(library: &Path, n: usize, m: i64, time: Duration) -> i64 {
    let function = symbol::<Busy>(library, "busy");
    let (x, mut y) = (point(n), vec![0.0; m as usize]);
    let mut rounds = 1000i64;
    for _ in 0..4 {
        let took = best(100, || {
            // SAFETY: x and y have the lengths given.
            unsafe {
                function(n as i64, x.as_ptr(), m, y.as_mut_ptr(), rounds);
            }
        });
        rounds = (rounds as f64 * time.as_secs_f64() / took.as_secs_f64()) as i64;
    }
    rounds
}

fn busy(n: usize, m: i64, rounds: i64) -> Tree {
    Tree::fields([
        ("x", Tree::from(Array::from(point(n)))),
        ("rounds", Tree::from(Array::new(&[], vec![rounds]))),
        ("m", Tree::from(Array::new(&[], vec![m]))),
    ])
}

fn workers(library: &Path) {
    let model = Model::open(library).expect("the model");
    let rounds = calibrate(library, 200, 10, Duration::from_micros(100));
    let inputs = busy(200, 10, rounds);
    let run = |workers| {
        best(20, || {
            black_box(
                model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(workers).run().expect("a Jacobian"),
            );
        })
    };
    row("central Jacobian of a 100 us model, 1 worker over 2", run(1), run(2), ">= 1.8");
}

fn isolated(library: &Path) {
    let inside = Model::open(library).expect("the model");
    let options = OpenOptions {
        isolation: Some(Isolation::Process),
        worker: Some(env!("CARGO_BIN_EXE_secant").into()),
        ..OpenOptions::default()
    };
    let outside = Model::open_with(library, &options).expect("the model, isolated");
    for (m, workers, aim) in [(10, 1, "<= 1.15"), (10, 2, "<= 1.15"), (1000, 1, ""), (1000, 2, "")] {
        let rounds = calibrate(library, 1000, m, Duration::from_micros(10));
        let inputs = busy(1000, m, rounds);
        let run = |model: &Model| {
            black_box(
                model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(workers).run().expect("a Jacobian"),
            );
        };
        let (theirs, ours) = best_pair(30, || run(&inside), || run(&outside));
        let name = format!("isolated over in process, 10 us, n = 1000, m = {m}, {workers} at once");
        row(&name, ours, theirs, aim);
    }
}

fn stdio(folder: &Path, echo: &Path) {
    let n = 10;
    let plugin = folder.join("echo-model");
    std::fs::create_dir_all(&plugin).expect("a folder");
    let array = r#"{"type": "object", "properties": {"x": {"dtype": "float64", "shape": [null], "differentiable": true}}, "required": ["x"]}"#;
    let outputs: Vec<String> = point(n).iter().map(f64::to_string).collect();
    let answer = format!("{{\"x\":[{}]}}", outputs.join(","));
    std::fs::write(plugin.join("schema.json"), array).expect("a schema");
    let manifest = format!(
        "input = 'schema.json'\noutput = 'schema.json'\n[executable]\ncommand = ['{}', '{answer}']\nprotocol = 'lines'\n",
        echo.display()
    );
    std::fs::write(plugin.join("model.toml"), manifest).expect("a manifest");
    let model = Model::open(&plugin).expect("the model");
    let inputs = Tree::fields([("x", Tree::from(Array::from(point(n))))]);
    let evaluations = 2 * n as u32;

    let mut child = Command::new(echo).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the echo");
    let (mut to, mut from) = (child.stdin.take().expect("its stdin"), child.stdout.take().expect("its stdout"));
    let child_stdout = from.as_fd().try_clone_to_owned().expect("another descriptor");
    let message = format!("{answer}\n");
    let mut buffer = vec![0u8; 1 << 16];
    let mut ping = || {
        to.write_all(message.as_bytes()).expect("a pipe");
        let mut got = 0;
        while got < message.len() {
            match from.read(&mut buffer[got..]) {
                Ok(count) => got += count,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
    };
    let (ours, baseline) = best_pair(
        500,
        || {
            black_box(model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(1).run().expect("a Jacobian"));
        },
        || (0..evaluations).for_each(|_| ping()),
    );
    rustix::io::ioctl_fionbio(child_stdout, true).expect("a pipe");
    let awake = best(500, || (0..evaluations).for_each(|_| ping()));
    row(
        "one evaluation over stdio, n = 10, over a raw ping-pong",
        ours / evaluations,
        baseline / evaluations,
        "<= 1.3",
    );
    // To sleep while the other works costs little where the system has both run on one processor, and much where it does
    // not: then the baseline is slow.
    println!("    the ping-pong without sleep {}", brief(awake / evaluations));
    drop(to);
    let _ = child.wait();
}

fn untouched(library: &Path) {
    let model = Model::open(library).expect("the model");
    let run = |size: usize| {
        let mut fields = vec![("x", Tree::from(Array::from(point(20))))];
        fields.push(("untouched", Tree::from(Array::from(vec![1.0; size]))));
        let inputs = Tree::fields(fields);
        best(500, || {
            black_box(model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(1).run().expect("a Jacobian"));
        })
    };
    row("20-element Jacobian beside 10^6 untouched elements, over 1", run(1_000_000), run(1), "~ 1");
}

fn vjp_memory() {
    let number = |shape: &str| -> secant::Value {
        serde_json::from_str(&format!(
            r#"{{"properties": {{"v": {{"dtype": "float64", "shape": [{shape}], "differentiable": true}}}}, "required": ["v"]}}"#
        ))
        .expect("a schema")
    };
    let (n, m) = (100_000, 1000);
    let model = Model::from_fn("wide", &number("null"), &number("null"), move |inputs| {
        let x = inputs.leaf(&"v".parse().expect("a path")).expect("a leaf");
        let x = x.as_slice::<f64>().expect("float64");
        // Cheap, since only memory counts here: each output sees one block's first element.
        let y: Vec<f64> = (0..m).map(|i| x[i * (n / m)] * 2.0).collect();
        Ok(Tree::fields([("v", Tree::from(Array::from(y)))]))
    })
    .expect("the model");
    let inputs = Tree::fields([("v", Tree::from(Array::from(vec![1.0; n])))]);
    let (gradient, _) = model
        .vjp(&inputs, [("v", Array::from(vec![1.0; m]))])
        .algorithm(AlgorithmName::Central)
        .run()
        .expect("a gradient");
    assert_eq!(gradient[0].1.as_slice::<f64>().map(|g| (g[0], g[1])), Some((2.0, 0.0)));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(str::trim).unwrap_or("unknown");
    println!("{peak}");
}

fn memory() {
    let ourselves = std::env::current_exe().expect("this program");
    let output = Command::new(ourselves).arg("vjp-memory").output().expect("this program again");
    let peak = String::from_utf8_lossy(&output.stdout);
    println!("{:<58} {:>11} {:>11} {:>8}  < 100 MB", "peak memory of a VJP, n = 10^5, m = 1000", peak.trim(), "", "");
}

fn processes(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let secant = env!("CARGO_BIN_EXE_secant");
    let run = |arguments: &[&str]| {
        best(20, || {
            let status = Command::new(secant)
                .args(arguments)
                .current_dir(root)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("secant");
            assert!(status.success(), "{arguments:?}");
        })
    };
    // Ten plugins: the shipped ones, and copies of them to make up the number.
    let ten = folder.join("ten");
    let shipped = ["meshstats", "meshstats-py", "rosenbrock", "vectoradd", "springmass", "nested", "native"];
    for i in 0..10 {
        let name = shipped[i % shipped.len()];
        let target = ten.join(format!("{name}{i}"));
        std::fs::create_dir_all(&target).expect("a folder");
        for entry in std::fs::read_dir(root.join("plugins").join(name)).expect("a plugin").flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), target.join(entry.file_name())).expect("a copy");
            }
        }
        if name == "meshstats-py" {
            let text = std::fs::read_to_string(target.join("model.toml")).expect("a manifest");
            std::fs::write(target.join("model.toml"), text.replace("../meshstats/", "../meshstats0/"))
                .expect("a manifest");
        }
    }
    let nothing = best(20, || {
        assert!(Command::new("true").status().expect("true").success());
    });
    let listing = run(&["--plugins", &ten.to_string_lossy(), "list"]);
    row("secant list, ten plugins, over starting `true`", listing, nothing, "< 20 ms");
    let mesh = run(&["jacobian", "meshstats", "@plugins/meshstats/hexbeam.json"]);
    row("secant jacobian of hexbeam, whole process, over `true`", mesh, nothing, "< 50 ms");
}
