//! The library's front door, as a Rust program uses it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use secant::{
    AlgorithmName, Array, Block, Error, Jacobian, Model, ModelError, Place, Progress, QuestionError, Tree, Value, json,
};

use crate::probe::{Form, Point, fixture, options, plugin, scratch};

fn vector() -> Value {
    json!({"properties": {"x": {"dtype": "float64", "shape": [null], "differentiable": true}}, "required": ["x"]})
}

fn scalar() -> Value {
    json!({"properties": {"y": {"type": "number", "differentiable": true}}, "required": ["y"]})
}

fn x_of(inputs: &Tree) -> Vec<f64> {
    inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec()
}

fn y(value: f64) -> Result<Tree, ModelError> {
    Ok(Tree::fields([("y", Tree::from(value))]))
}

/// y = Σ x_i², by a closure that is told of each evaluation.
fn squares(told: impl Fn(&[f64]) -> Result<(), ModelError> + Send + Sync + 'static) -> Model {
    let evaluate = move |inputs: &Tree| {
        let x = x_of(inputs);
        told(&x)?;
        y(x.iter().map(|x| x * x).sum())
    };
    Model::from_fn("squares", &vector(), &scalar(), evaluate).unwrap()
}

fn values(jacobian: &Jacobian) -> Vec<f64> {
    jacobian.columns().unwrap().to_vec()
}

#[test]
fn a_shipped_plugin_is_opened_and_asked() {
    let model = Model::open(format!("{}/plugins/rosenbrock", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!((model.description().name.as_str(), model.description().version.as_str()), ("rosenbrock", "1.0.0"));
    let jacobian =
        model.jacobian(&json!({"x": 1.2, "y": 1.0})).wrt(["x"]).algorithm(AlgorithmName::Forward).run().unwrap();
    let Some(Block::Real(block)) = jacobian.block("result", "x") else { panic!("a real block") };
    assert!(block.ndim() == 0 && (block.sum() - 211.6).abs() < 1e-3, "{block}");
    assert!(jacobian.block("result", "y").is_none(), "not asked for");
    assert_eq!(jacobian.report.evaluations, 2);
    assert_eq!(jacobian.report.steps.len(), 1);
}

#[test]
fn arrays_go_in_as_they_are() {
    let model = squares(|_| Ok(()));
    let inputs = Tree::fields([("x", Tree::from(Array::from(vec![1.0, 2.0])))]);
    assert_eq!(model.apply(&inputs).unwrap(), model.apply(&json!({"x": [1, 2]})).unwrap());
    // Of another dtype they are taken where nothing is lost, of another form they are not.
    let single = Tree::fields([("x", Tree::from(Array::new(&[2], vec![1f32, 2.0])))]);
    model.apply(&single).unwrap();
    let wrong = Tree::fields([("x", Tree::from(1.0))]);
    assert!(matches!(model.apply(&wrong).unwrap_err(), Error::Question(QuestionError::Caller(_))));
    let absent = Tree::fields([("z", Tree::from(1.0))]);
    let Error::Question(QuestionError::Caller(violations)) = model.apply(&absent).unwrap_err() else { panic!() };
    assert_eq!(violations.0.len(), 2, "{violations}");
}

#[test]
fn what_cannot_be_opened_says_where_and_why() {
    let error = |result: Result<Model, Error>| match result {
        Err(error) => error,
        Ok(_) => panic!("it was opened"),
    };
    let absent = error(Model::open("/nowhere/at/all"));
    assert!(matches!(absent, Error::Open(_)), "{absent}");
    assert_eq!(absent.to_string(), "there is no /nowhere/at/all");
    let no_library = error(Model::open(fixture("probe/probe.c")));
    assert!(no_library.to_string().contains("probe.c: is not a shared library"), "{no_library}");
    let unmarked = json!({"properties": {"x": {"type": "integer", "differentiable": true}}});
    let schema = error(Model::from_fn("f", &unmarked, &scalar(), |_| y(1.0)));
    assert!(matches!(schema, Error::Schema(_)), "{schema}");
    assert!(schema.to_string().contains('x') && schema.to_string().contains("differentiable"), "{schema}");
}

#[test]
fn paths_are_checked_before_anything_is_evaluated() {
    let model = squares(|_| panic!("nothing is to be evaluated"));
    let inputs = json!({"x": [1]});
    let error = model.jacobian(&inputs).wrt(["x."]).run().unwrap_err();
    assert!(matches!(error, Error::Path(_)), "{error}");
    for (query, said) in [
        (model.jacobian(&inputs).wrt(["q"]), "Input should be 'x', found 'q'"),
        (model.jacobian(&inputs).of(["q"]), "Input should be 'y', found 'q'"),
        (model.jacobian(&json!({"x": 1})).wrt(["x"]), "wrong number of dimensions"),
        (model.jacobian(&inputs).eps_for([("q", 1e-3)]), "no differentiable input"),
        (model.jacobian(&inputs).eps(1e-30), "vanishes beside 1"),
    ] {
        let error = query.run().unwrap_err();
        assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = model.jvp(&inputs, [("x", Array::new(&[2], vec![1.0, 2.0]))]).run().unwrap_err();
    assert!(error.to_string().contains("shape [2]"), "{error}");
}

#[test]
fn steps_are_chosen_by_hand_where_that_is_wanted() {
    let points = Arc::new(Mutex::new(Vec::new()));
    let seen = points.clone();
    let model = squares(move |x| {
        seen.lock().unwrap().push(x.to_vec());
        Ok(())
    });
    let report = model.jacobian(&json!({"x": [1, 2]})).eps_for([("x", 0.25)]).workers(1).run().unwrap().report;
    assert_eq!(*points.lock().unwrap(), [[1.25, 2.0], [0.75, 2.0], [1.0, 2.25], [1.0, 1.75]]);
    assert_eq!((report.steps[0].least, report.steps[0].most), (0.25, 0.25));
}

#[test]
fn progress_is_seen_and_a_request_can_be_cancelled() {
    let (to_watcher, watched) = mpsc::sync_channel(0);
    let (to_model, cancelled) = mpsc::channel();
    let (to_watcher, cancelled) = (Mutex::new(to_watcher), Mutex::new(cancelled));
    let evaluations = Arc::new(AtomicUsize::new(0));
    let count = evaluations.clone();
    let model = squares(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) == 4 {
            to_watcher.lock().unwrap().send(()).unwrap();
            cancelled.lock().unwrap().recv().unwrap();
        }
        Ok(())
    });
    let progress = Progress::default();
    let inputs = json!({"x": vec![0.5; 100]});
    let error = thread::scope(|scope| {
        let progress = &progress;
        scope.spawn(move || {
            watched.recv().unwrap();
            // In the middle of the fifth.
            assert!((1..=4).contains(&progress.done()), "fast ones may be counted some at a time");
            assert_eq!(progress.total(), 200);
            progress.cancel();
            to_model.send(()).unwrap();
        });
        model.jacobian(&inputs).algorithm(AlgorithmName::Central).progress(progress).workers(1).run().unwrap_err()
    });
    assert!(matches!(error, Error::Question(QuestionError::Cancelled)), "{error}");
    assert_eq!(error.to_string(), "cancelled");
    assert_eq!(evaluations.load(Ordering::SeqCst), 5, "what ran was finished, nothing more was started");
    assert!(progress.is_cancelled());
    // The model is as good as new, and so is a request without that progress.
    let progress = Progress::default();
    model.jacobian(&inputs).algorithm(AlgorithmName::Central).progress(&progress).workers(2).run().unwrap();
    assert_eq!((progress.done(), progress.total()), (200, 200));
}

#[test]
fn one_model_serves_many_threads() {
    for form in [Form::Function, Form::Library, Form::AnyThread, Form::Batch, Form::Isolated, Form::Base64] {
        let Some(model) = form.open() else { continue };
        let expected: Vec<Vec<f64>> = (0..6).map(|k| values(&ask(&model, k, 1))).collect();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|k| {
                    let (model, expected) = (&model, &expected);
                    scope.spawn(move || {
                        for turn in 0..3 {
                            let k = (k + turn) % 6;
                            assert_eq!(values(&ask(model, k, 1 + turn)), expected[k], "{form:?}");
                        }
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}

/// Another shape and other keys for each k.
fn ask(model: &Model, k: usize, workers: usize) -> Jacobian {
    let d =
        if k.is_multiple_of(2) { [("a", vec![0.5; k])].into() } else { [("b", vec![1.5]), ("c", vec![0.1])].into() };
    let point = Point { x: vec![0.1 * k as f64; k + 1], d, ..Point::default() };
    model.jacobian(&point.json()).of(["y", "t"]).workers(workers).run().unwrap()
}

#[test]
fn failures_of_a_closure_are_sorted() {
    let model = squares(|x| match x[0] {
        x if x > 2.0 => Err(ModelError::refused("x[0] is above 2")),
        x if x > 1.0 => Err(ModelError::failed("no convergence")),
        _ => Ok(()),
    });
    let error = model.apply(&json!({"x": [3]})).unwrap_err();
    assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error}");
    let error = model.jacobian(&json!({"x": [1]})).eps(0.5).run().unwrap_err();
    let Error::Question(QuestionError::Model { model: name, place, error }) = error else { panic!("{error}") };
    assert_eq!((name.as_str(), place), ("squares", Place::Displaced("x[0] + 5e-1".to_owned())));
    assert_eq!(error.message, "no convergence");
    // Outputs are held against the schema as anybody's are.
    let model =
        Model::from_fn("careless", &vector(), &scalar(), |_| Ok(Tree::fields([("z", Tree::from(1.0))]))).unwrap();
    let error = model.apply(&json!({"x": []})).unwrap_err().to_string();
    assert!(error.contains("do not conform to the output schema: y: Field required"), "{error}");
}

#[test]
fn a_panic_in_a_closure_is_the_callers_own() {
    let model = squares(|x| if x[0] > 1.0 { panic!("a bug of mine") } else { Ok(()) });
    for workers in [1, 3] {
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = model.jacobian(&json!({"x": vec![1.0; 50]})).workers(workers).run();
        }));
        assert!(asked.is_err(), "it is not swallowed");
        // And it leaves the model usable.
        model.jacobian(&json!({"x": vec![0.5; 50]})).workers(workers).run().unwrap();
    }
}

#[test]
fn no_inputs_no_outputs_and_nothing_to_do() {
    let model = squares(|_| Ok(()));
    let jacobian = model.jacobian(&json!({"x": []})).run().unwrap();
    let Some(Block::Real(block)) = jacobian.block("y", "x") else { panic!() };
    assert_eq!(block.shape(), [0]);
    // The outputs' shapes are not known without one evaluation.
    assert_eq!(jacobian.report.evaluations, 1);
    let (found, _) = model.jvp(&json!({"x": []}), [("x", Array::new(&[0], Vec::<f64>::new()))]).run().unwrap();
    assert_eq!(found[0].1.to_vec(), [0.0]);
    let (found, report) = model.jvp(&json!({"x": [1, 2]}), [("x", Array::new(&[2], vec![0.0, 0.0]))]).run().unwrap();
    assert_eq!(found[0].1.to_vec(), [0.0], "along no direction nothing changes");
    assert!(report.evaluations <= 2);
}

/// What is opened goes when the model goes.
#[test]
fn processes_end_with_their_model() {
    let script = "read line; echo '{\"y\": 1}'; while read line; do echo '{\"y\": 2}'; done";
    let folder = scratch("api");
    std::fs::write(folder.join("i.json"), vector().to_string()).unwrap();
    std::fs::write(folder.join("o.json"), scalar().to_string()).unwrap();
    let mark = format!("secant-api-{}", std::process::id());
    let manifest = format!(
        "input = {:?}\noutput = {:?}\n[executable]\ncommand = [\"sh\", \"-c\", {script:?}, {mark:?}]\nprotocol = \"lines\"",
        folder.join("i.json"),
        folder.join("o.json")
    );
    let model = Model::open_with(plugin("api", &manifest), &options()).unwrap();
    assert_eq!(running(&mark), 0, "nothing is started before it is needed");
    model.apply(&json!({"x": [1]})).unwrap();
    assert_eq!(running(&mark), 1);
    let first = model.apply(&json!({"x": [1]})).unwrap();
    assert_eq!(first.leaf(&"y".parse().unwrap()).unwrap().to_vec(), [2.0], "the same process, asked again");
    assert_eq!(running(&mark), 1);
    drop(model);
    assert_eq!(running(&mark), 0);
}

/// The processes that have `mark` among their arguments.
fn running(mark: &str) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let lines = processes.flatten().filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|argument| argument == mark.as_bytes())).count()
}
