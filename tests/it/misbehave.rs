//! Every way in which a model can go wrong (plugins/misbehaving/README.md): the exit code says whose fault it
//! is, the message says what to do, the time limit holds, no process is left, and no number is wrong.

use secant::{AlgorithmName, Model, Value, json};

use crate::probe::{choosy, library, options, plugin, python, scratch};
use crate::program::{Outcome, Run};

const INPUTS: &str = r#"{"inputs": {"x": [1, 2, 3]}}"#;

/// How a misbehaving model is run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Program,
    /// Behind `secant worker`.
    Isolated,
    /// In the host's own process.
    InProcess,
}
use Kind::{InProcess, Isolated, Program};

fn run(kind: Kind, command: &str, word: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Option<Outcome> {
    Some(start(kind, command, word, variables, arguments)?.end())
}

fn start(
    kind: Kind,
    command: &str,
    word: &str,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Option<crate::program::Running> {
    let model = match kind {
        Program => {
            python()?;
            "misbehaving-py"
        }
        Isolated | InProcess => "misbehaving",
    };
    let mut typed = vec![command, model, INPUTS];
    typed.extend(arguments);
    // A library with a time limit runs in a process of its own. The limit is for those that hang; the others
    // must not meet it however busy the machine is.
    let hangs = word.contains("hang");
    match kind {
        InProcess => {}
        Isolated | Program if hangs => typed.extend(["--timeout", "500ms"]),
        Isolated | Program => typed.extend(["--timeout", "5min"]),
    }
    let mut run = Run::new(typed).env("SECANT_MISBEHAVE", word);
    for (name, value) in variables {
        run = run.env(name, *value);
    }
    Some(run.start())
}

/// The outcome of an evaluation at the inputs as given.
fn apply(kind: Kind, word: &str) -> Option<Outcome> {
    run(kind, "apply", word, &[], &[])
}

#[track_caller]
fn assert_fails(kind: Kind, word: &str, code: i32, said: &[&str]) {
    let Some(outcome) = apply(kind, word) else { return };
    assert_failed(&outcome, &format!("{kind:?} {word}"), code, said);
}

#[track_caller]
fn assert_failed(outcome: &Outcome, what: &str, code: i32, said: &[&str]) {
    assert_eq!(outcome.code, code, "{what}: {}", outcome.stderr);
    assert_eq!(outcome.text(), "", "{what}: a failure has no result");
    assert!(outcome.stderr.starts_with("error: "), "{what}: {}", outcome.stderr);
    assert!(!outcome.stderr.contains("this is a bug in secant"), "{what}: {}", outcome.stderr);
    for words in said {
        assert!(outcome.stderr.contains(words), "{what}: expected {words:?} in\n{}", outcome.stderr);
    }
}

#[track_caller]
fn assert_answers(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.code, 0, "{what}: {}", outcome.stderr);
    assert_eq!(outcome.json()["y"]["data"]["buffer"], Value::from(vec![14.0, 1.0]), "{what}");
}

const ALL: [Kind; 3] = [Program, Isolated, InProcess];
const FENCED: [Kind; 2] = [Program, Isolated];

#[test]
fn left_alone_it_behaves() {
    for kind in ALL {
        let Some(outcome) = apply(kind, "") else { continue };
        assert_answers(&outcome, &format!("{kind:?}"));
        assert_eq!(outcome.stderr, "");
    }
}

#[test]
fn a_crash_is_told_by_its_signal() {
    for kind in FENCED {
        assert_fails(kind, "crash", 4, &["misbehaving", "crashed at the inputs as given", "killed by SIGSEGV"]);
        assert_fails(kind, "crash=abort", 4, &["crashed at the inputs as given", "killed by SIGABRT"]);
    }
}

#[test]
fn a_library_that_cannot_be_loaded_harms_no_other() {
    let (crashes, hangs) =
        (library("unloadable/unloadable.c", "crashes", &[]), library("unloadable/unloadable.c", "hangs", &["-DHANGS"]));
    let isolated = |library: &std::path::Path| format!("[library]\npath = {library:?}\nisolation = \"process\"\n");
    let limited = format!("{}[run]\nstart_timeout = \"300ms\"\n", isolated(&hangs));
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&crashes, folder.path().join("bare.so")).unwrap();
    std::fs::copy(library("fragile/fragile.c", "fragile", &[]), folder.path().join("well.so")).unwrap();
    for (name, manifest) in [("fenced", isolated(&crashes)), ("stuck", limited)] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("model.toml"), manifest).unwrap();
    }
    let run = |arguments: &[&str]| Run::new(arguments).env("SECANT_PLUGINS", folder.path()).run();
    let listed = run(&["list"]);
    assert_eq!(listed.code, 5, "{}", listed.stderr);
    assert!(listed.text().starts_with("well ") && listed.text().lines().count() == 1, "{}", listed.text());
    let killed = "to learn what it is, it was killed by SIGABRT";
    for words in ["bare: ", "fenced: ", "stuck: ", killed, "it took longer than 300ms and was stopped"] {
        assert!(listed.stderr.contains(words), "{words}: {}", listed.stderr);
    }
    // One with processes of its own harms nobody at all.
    assert_failed(&run(&["apply", "fenced", INPUTS]), "fenced", 5, &[killed]);
    assert_failed(&run(&["apply", "bare", INPUTS]), "bare", 4, &["bare.so crashed (SIGABRT)"]);
    // Nor does one outlive a host that had no time to end it.
    let path = folder.path().join("stuck/model.toml");
    std::fs::write(&path, isolated(&hangs)).unwrap();
    let killed = Run::new(["describe".into(), path]).start();
    killed.wait_for_process("--describe");
    kill("KILL", killed.id());
    assert_eq!(killed.end().code, 137);
}

#[test]
fn a_crash_in_this_process_is_told_too() {
    let how_to_contain_it = "isolation = \"process\"";
    for (word, signal) in [("crash", "SIGSEGV"), ("crash=abort", "SIGABRT"), ("crash=stack", "SIGSEGV")] {
        let said = ["libmisbehaving.so crashed", signal, how_to_contain_it];
        assert_fails(InProcess, word, 4, &said);
        // On a thread of ours.
        let jacobian = run(InProcess, "jacobian", word, &[], &["--workers", "2"]).unwrap();
        assert_failed(&jacobian, word, 4, &said);
    }
    // On a thread of its own nobody can be sure whose crash it is: it is as it was.
    let said = ["this process crashed (SIGSEGV)", "libmisbehaving.so ran in it last", how_to_contain_it];
    assert_fails(InProcess, "crash=thread", 128 + 11, &said);
    // One that ends the process must not look as if all had gone well.
    let ended = apply(InProcess, "exit").unwrap();
    assert_eq!((ended.code, ended.text()), (4, ""), "{}", ended.stderr);
    for words in ["error: ", "libmisbehaving.so ended this process", how_to_contain_it] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
}

#[test]
fn an_exit_is_told_with_the_last_words() {
    for kind in FENCED {
        assert_fails(kind, "exit", 4, &["crashed", "it exited with code 3", "misbehaving: these are my last words"]);
    }
}

#[test]
fn a_hang_ends_with_the_time_limit() {
    for kind in FENCED {
        assert_fails(kind, "hang", 4, &["took too long at the inputs as given", "longer than 500ms", "was stopped"]);
    }
    assert_fails(Program, "half-line-hang", 4, &["took too long", "in the middle of a line: {\"jsonrpc\""]);
}

#[test]
fn rubbish_on_stdout_never_reaches_a_result() {
    // A library's stdout is not its wire, so that it may print; but not among our results.
    for kind in [Isolated, InProcess] {
        assert_answers(&apply(kind, "stdout").unwrap(), &format!("{kind:?} stdout"));
    }
    let words =
        ["broke its protocol", "a line that is no message", "does not belong on stdout", "print to stderr instead"];
    assert_fails(Program, "stdout", 4, &words);
    assert_fails(Program, "not-json", 4, &["broke its protocol", "The answer is as one would expect."]);
}

#[test]
fn a_flood_of_words_drowns_nobody() {
    for kind in FENCED {
        let Some(outcome) = apply(kind, "flood-stderr") else { continue };
        assert_answers(&outcome, &format!("{kind:?} flood-stderr"));
        assert_eq!(outcome.stderr, "", "it is kept for a failure, and shown only with one");
    }
    // Of four megabytes the last lines are shown when something does go wrong.
    if let Some(outcome) = apply(Program, "flood-stderr,exit") {
        assert_failed(&outcome, "flood and exit", 4, &["it exited with code 3", "these are my last words"]);
        assert!(outcome.stderr.len() < 8 << 10, "{} bytes are too many to read", outcome.stderr.len());
    }
}

#[test]
fn outputs_that_do_not_conform_are_refused() {
    for kind in ALL {
        let failed = "failed at the inputs as given";
        assert_fails(kind, "wrong-shape", 3, &[failed, "y"]);
        assert_fails(kind, "wrong-type", 3, &[failed, "y"]);
        assert_fails(kind, "missing-output", 3, &[failed, "y: Field required"]);
    }
    for kind in [Isolated, InProcess] {
        assert_fails(kind, "wrong-shape", 3, &["the model gives shape [2, 2], the schema says"]);
        assert_fails(kind, "wrong-type", 3, &["the model gives int32, the schema says float64"]);
        assert_fails(kind, "enormous", 3, &["more than memory holds"]);
    }
    assert_fails(Program, "enormous=300", 4, &["broke its protocol", "longer than 256 MB"]);
}

/// The schema leaves the length open, so that an evaluation alone cannot know. A derivative can.
/// Steps that are known, so that it is known which evaluation comes when, and no second attempt.
const CENTRAL: [&str; 4] = ["--workers", "1", "--algorithm", "central"];

#[test]
fn outputs_of_another_length_are_no_derivative() {
    for kind in ALL {
        let at = [("SECANT_MISBEHAVE_AT", "3")];
        let Some(outcome) = run(kind, "jacobian", "wrong-length", &at, &CENTRAL) else { continue };
        assert_failed(&outcome, &format!("{kind:?}"), 3, &["failed at x[1] + ", "output y was ", "and is now "]);
    }
}

#[test]
fn no_number_is_not_a_derivative() {
    for kind in ALL {
        for word in ["nan", "inf", "null"].into_iter().filter(|word| *word != "null" || kind == Program) {
            // As an evaluation it is the model's own answer.
            let Some(outcome) = apply(kind, word) else { continue };
            assert_eq!(outcome.expect(0).json()["y"]["data"]["buffer"], serde_json::json!([null, 1.0]));
            for (at, place) in [("1", "x[0] + "), ("4", "x[1] - ")] {
                let at = [("SECANT_MISBEHAVE_AT", at)];
                let outcome = run(kind, "jacobian", word, &at, &CENTRAL).unwrap();
                let place = format!("failed at {place}");
                assert_failed(&outcome, &format!("{kind:?} {word}"), 3, &[&place, "output y[0] is not finite"]);
            }
        }
    }
}

#[test]
fn what_the_model_says_is_passed_on() {
    for kind in ALL {
        assert_fails(kind, "error", 3, &["failed at the inputs as given: solver did not converge"]);
        assert_fails(kind, "refuse", 2, &["x makes no sense"]);
        assert_fails(kind, "dead", 4, &["crashed at the inputs as given: lost the licence"]);
    }
    for kind in [Isolated, InProcess] {
        assert_fails(kind, "bad-status", 4, &["returned the status 77, which does not exist"]);
    }
}

#[test]
fn broken_conversations_are_told_as_such() {
    assert_fails(Program, "wrong-id", 4, &["broke its protocol", "it answered request \"not 2\" when 2 was next"]);
    assert_fails(Program, "half-line", 4, &["exited with code 0 in the middle of a line: {\"jsonrpc\""]);
    assert_fails(Program, "close-stdout", 4, &["it closed its stdout but still runs"]);
}

#[test]
fn what_outlives_its_welcome_is_ended() {
    // That nothing is left behind is seen to after each run.
    for word in ["grandchild", "ignore-shutdown", "grandchild,ignore-shutdown"] {
        let Some(outcome) = apply(Program, word) else { return };
        assert_answers(&outcome, word);
    }
    let Some(outcome) = run(Program, "jacobian", "grandchild,ignore-shutdown", &[], &["--workers", "3"]) else {
        return;
    };
    outcome.expect(0);
    assert_fails(Program, "grandchild,crash", 4, &["killed by SIGSEGV"]);
    assert_fails(Program, "grandchild,hang,ignore-shutdown", 4, &["took too long"]);
}

/// A program for one evaluation that leaves a child with its stdout and stderr.
#[test]
fn a_grandchild_does_not_keep_an_answer_waiting() {
    let schema = |name: &str| format!("{}/plugins/misbehaving/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let manifest = |script: &str| {
        let (input, output) = (schema("input"), schema("output"));
        let command = format!("[\"sh\", \"-c\", {script:?}]");
        format!("input = {input:?}\noutput = {output:?}\n[executable]\ncommand = {command}\nprotocol = \"once\"")
    };
    let answers = plugin("lingering", &manifest("cat > /dev/null; sleep 1000 & echo '{\"y\": [14, 1]}'"));
    let outcome = Run::new(["apply", answers.to_str().unwrap(), INPUTS]).run();
    assert_answers(&outcome, "lingering");
    let crashes = plugin("lingering_crash", &manifest("cat > /dev/null; sleep 1000 & echo so long >&2; kill -SEGV $$"));
    let outcome = Run::new(["apply", crashes.to_str().unwrap(), INPUTS]).run();
    assert_failed(&outcome, "lingering_crash", 4, &["killed by SIGSEGV", "so long"]);
}

#[test]
fn what_cannot_be_started_is_the_operators() {
    for kind in FENCED {
        assert_fails(
            kind,
            "exit-early",
            5,
            &["could not be started", "exited with code 3", "gone before anything was asked"],
        );
    }
    assert_fails(
        Program,
        "wrong-version",
        5,
        &["could not be started", "version 99 of the stdio protocol", "version 1"],
    );
    for kind in ALL {
        assert_fails(
            kind,
            "no-such-word",
            5,
            &["could not be started", "SECANT_MISBEHAVE has an unknown word: no-such-word"],
        );
    }
    for kind in [Isolated, InProcess] {
        assert_fails(kind, "no-instance", 5, &["could not be started", "no licence"]);
        assert_fails(
            kind,
            "wrong-abi",
            5,
            &["libmisbehaving", "version 99.0 of the C ABI", "version 1.0", "compile it"],
        );
        assert_fails(kind, "null-table", 5, &["secant_plugin() returned NULL"]);
        assert_fails(kind, "null-apply", 5, &["has NULL for apply, which every model needs"]);
        assert_fails(kind, "short-table", 5, &["its table has 8 bytes", "sizeof(secant_table)"]);
    }
}

/// A line too many, and every answer would be that to the question before.
#[test]
fn a_line_that_answers_nothing_is_no_answer() {
    let Some(python) = python() else { return };
    let doubled = |once: bool| {
        let count = if once { "2 if n == 3 else 1" } else { "2" };
        let script = scratch("doubled").join(format!("{once}.py"));
        let text = format!(
            "import json, sys\nfor n, line in enumerate(sys.stdin):\n    x = json.loads(line)['x']\n    \
             sys.stdout.write((json.dumps({{'y': [x[0] ** 2, x[1]]}}) + '\\n') * ({count}))\n    sys.stdout.flush()\n"
        );
        std::fs::write(&script, text).unwrap();
        let schema = |name: &str| format!("{}/plugins/misbehaving/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let (input, output) = (schema("input"), schema("output"));
        let manifest = format!(
            "input = {input:?}\noutput = {output:?}\n[executable]\ncommand = [{python:?}, {script:?}]\nprotocol = \"lines\""
        );
        let folder = plugin(&format!("doubled_{once}"), &manifest);
        Run::new(["jacobian".into(), folder.into_os_string(), INPUTS.into(), "--workers".into(), "1".into()]).run()
    };
    for once in [false, true] {
        let said = ["doubled_", "broke its protocol", "a line that answers nothing", "print to stderr instead"];
        assert_failed(&doubled(once), &format!("once: {once}"), 4, &said);
    }
}

/// A library that a shell makes, by copying one, with what `script` says besides. What it makes is `$0`.
fn made_by(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = library("fragile/fragile.c", "fragile", &[]);
    let manifest = format!(
        "[library]\npath = 'made.so'\nbuild = ['sh', '-c', 'echo >> builds; cp {} \"$0\"; {script}', '{{path}}']\n",
        made.display()
    );
    std::fs::write(folder.path().join("model.toml"), manifest).unwrap();
    std::fs::write(folder.path().join("source.c"), "").unwrap();
    folder
}

fn describing(folder: &tempfile::TempDir) -> Run {
    Run::new(["describe".into(), folder.path().as_os_str().to_owned()])
}

#[test]
fn what_changes_during_a_build_is_built_again() {
    let folder = made_by("[ $(wc -l < builds) = 1 ] && echo >> source.c; true");
    for builds in [1, 2, 2] {
        describing(&folder).run().expect(0);
        assert_eq!(std::fs::read_to_string(folder.path().join("builds")).unwrap().lines().count(), builds);
    }
}

#[test]
fn a_build_ends_with_who_began_it() {
    let folder = made_by("[ -e go ] || sleep 3600");
    let building = describing(&folder).start();
    building.wait_for_process("sleep 3600");
    kill("TERM", building.id());
    assert_eq!(building.end().code, 143);
    std::fs::write(folder.path().join("go"), "").unwrap();
    describing(&folder).run().expect(0);
    let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["builds", "go", "made.so", "model.toml", "source.c"], "half a library is no library");
}

/// Who hears nothing is not told by a crash.
#[test]
fn a_stderr_that_nobody_reads_changes_no_exit_code() {
    let Some(python) = python() else { return };
    let script =
        "import os, subprocess, sys\nr, w = os.pipe()\nos.close(r)\nsys.exit(subprocess.call(sys.argv[1:], stderr=w))";
    let secant = crate::probe::secant();
    let status = std::process::Command::new(python).args(["-c", script, secant, "describe", "/nowhere"]).status();
    assert_eq!(status.unwrap().code(), Some(5));
}

/// The smallest of models takes every message for an `apply`, and dies of `initialize`.
#[test]
fn what_dies_of_being_greeted_is_not_greeted_again() {
    let Some(python) = python() else { return };
    let schema = |name: &str| format!("{}/plugins/misbehaving/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let program = |expression: &str| {
        let script = scratch("smallest").join(format!("{}.py", expression.len()));
        let text = format!(
            "import json, sys\n\
             for line in sys.stdin:\n    call = json.loads(line)\n    x = call['params']['inputs']['x']\n    \
             print(json.dumps({{'jsonrpc': '2.0', 'id': call['id'], 'result': {{'y': {expression}}}}}), flush=True)\n"
        );
        std::fs::write(&script, text).unwrap();
        let (input, output) = (schema("input"), schema("output"));
        let command = format!("[{python:?}, {script:?}]");
        format!("input = {input:?}\noutput = {output:?}\n[executable]\ncommand = {command}")
    };
    let answers = plugin("smallest", &program("[sum(a * a for a in x), x[0]]"));
    let outcome = Run::new(["jacobian", answers.to_str().unwrap(), INPUTS, "--workers", "2"]).run();
    let block = &outcome.expect(0).json()["y"]["x"]["data"]["buffer"];
    assert_close(block, &[[2.0, 4.0, 6.0], [1.0, 0.0, 0.0]].concat());
    let crashes = plugin("smallest_crash", &program("[x / 0, x[0]]"));
    let outcome = Run::new(["apply", crashes.to_str().unwrap(), INPUTS]).run();
    let words = ["exited with code 1, as it did when it was sent initialize", "unsupported operand"];
    assert_failed(&outcome, "smallest_crash", 4, &words);
}

#[test]
fn slow_is_not_wrong() {
    for kind in FENCED {
        let slow = &[][..];
        let Some(outcome) = run(kind, "jacobian", "slow=0.02", slow, &["--workers", "2"]) else { continue };
        let block = &outcome.expect(0).json()["y"]["x"]["data"]["buffer"];
        assert_close(block, &[[2.0, 4.0, 6.0], [1.0, 0.0, 0.0]].concat());
    }
}

#[track_caller]
fn assert_close(found: &Value, expected: &[f64]) {
    let found: Vec<f64> = match found.as_array().unwrap().as_slice() {
        rows if rows.iter().all(Value::is_array) => {
            rows.iter().flat_map(|row| row.as_array().unwrap()).map(|value| value.as_f64().unwrap()).collect()
        }
        flat => flat.iter().map(|value| value.as_f64().unwrap()).collect(),
    };
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{found} instead of {expected}");
    }
}

/// The third evaluation of a central Jacobian: x[1] displaced upwards.
#[test]
fn a_failure_at_a_displaced_point_names_it() {
    for kind in ALL {
        let cases = [
            ("error", 3, "failed at x[1] + ", "solver did not converge"),
            // The caller gave no such inputs: we displaced them.
            ("refuse", 3, "failed at x[1] + ", "it refused these inputs: x makes no sense"),
            ("dead", 4, "crashed at x[1] + ", "lost the licence"),
            ("wrong-shape", 3, "failed at x[1] + ", "y"),
            ("missing-output", 3, "failed at x[1] + ", "y"),
        ];
        for (word, code, place, said) in cases {
            let at = [("SECANT_MISBEHAVE_AT", "3")];
            let Some(outcome) = run(kind, "jacobian", word, &at, &CENTRAL) else { continue };
            assert_failed(&outcome, &format!("{kind:?} {word}"), code, &[place, said]);
        }
    }
    for kind in FENCED {
        for (word, said) in
            [("crash", "killed by SIGSEGV"), ("hang", "longer than 500ms"), ("exit", "exited with code 3")]
        {
            // Every worker of its own counts the evaluations it has made: it is where the inputs are that tells.
            let above = [("SECANT_MISBEHAVE_WHEN_ABOVE", "1.00001")];
            let Some(outcome) =
                run(kind, "jacobian", word, &above, &["--workers", "1", "--algorithm", "central", "--eps", "1e-3"])
            else {
                continue;
            };
            assert_failed(&outcome, &format!("{kind:?} {word}"), 4, &["at x[0] + 1e-3", said]);
        }
    }
}

/// Many points go to an isolated library in one message. When it dies over one of them, that one is found.
#[test]
fn a_crash_in_a_chunk_is_blamed_on_its_point() {
    let library = library("fragile/fragile.c", "fragile", &[]);
    let folder = plugin("fragile", &format!("[library]\npath = {library:?}\nisolation = \"process\""));
    let model = Model::open_with(folder, &options()).unwrap();
    for weak in [0, 1, 137, 999] {
        let mut x = vec![0.5; 1000];
        x[weak] = 1.0;
        for workers in [1, 3] {
            let query = model.jacobian(&json!({"x": x})).algorithm(AlgorithmName::Central).eps(1e-3).workers(workers);
            let error = query.run().unwrap_err().to_string();
            assert!(error.starts_with(&format!("fragile crashed at x[{weak}] + 1e-3: ")), "{error}");
            assert!(error.contains("SIGABRT"), "{error}");
            // The next question finds a process again.
            model.jacobian(&json!({"x": [0.5]})).run().unwrap();
        }
    }
}

/// What dies once, and not over the same point again, costs time and no number.
#[test]
fn a_crash_by_accident_costs_no_number() {
    let library = library("fragile/fragile.c", "fragile", &[]);
    let accident = scratch("fragile").join(format!("accident-{}", std::process::id()));
    let manifest = format!("[library]\npath = {library:?}\nisolation = \"process\"\n[config]\nonce = {accident:?}");
    let mut x = vec![0.5; 1000];
    x[700] = 1.0;
    for workers in [1, 3] {
        let model = Model::open_with(plugin("fragile_once", &manifest), &options()).unwrap();
        std::fs::write(&accident, "").unwrap();
        let jacobian =
            model.jacobian(&json!({"x": x})).algorithm(AlgorithmName::Central).workers(workers).run().unwrap();
        assert!(!accident.exists(), "it did crash");
        let undisturbed = model.jacobian(&json!({"x": x})).algorithm(AlgorithmName::Central).workers(1).run().unwrap();
        assert_eq!(jacobian.columns(), undisturbed.columns(), "bit for bit");
        for (i, (found, x)) in jacobian.columns().unwrap().iter().zip(&x).enumerate() {
            assert!((found - 2.0 * x).abs() < 1e-7, "x[{i}]: {found}");
        }
    }
}

#[test]
fn several_workers_fail_as_one() {
    for kind in FENCED {
        for (word, code) in [("error", 3), ("crash", 4)] {
            for workers in ["1", "2", "3"] {
                let arguments = ["--workers", workers, "--algorithm", "forward", "--eps", "1e-3"];
                let above = [("SECANT_MISBEHAVE_WHEN_ABOVE", "1.0001")];
                let Some(outcome) = run(kind, "jacobian", word, &above, &arguments) else { continue };
                assert_failed(&outcome, &format!("{kind:?} {word} {workers}"), code, &["at x[0] + 1e-3: "]);
            }
        }
    }
}

/// Where shapes show only in an evaluation and that kills the model, nothing is wrong with the shapes.
#[test]
fn a_crash_at_a_stand_in_is_a_crash() {
    let Some(folder) = choosy() else { return };
    let ask = |n: usize| {
        let shapes = json!({"inputs": {"x": {"shape": [n], "dtype": "float64"}}}).to_string();
        Run::new(["abstract-eval".into(), folder.clone().into_os_string(), shapes.into()]).run()
    };
    assert_eq!(ask(3).expect(0).json()["y"]["shape"], json!([1]));
    // Two numbers are those of the schema's example.
    assert_failed(&ask(2), "abstract-eval", 4, &["choosy crashed", "killed by SIGKILL"]);
}

/// Once a model has said that it is dead, or hangs, other questions get a new process, not a dead one.
#[test]
fn a_new_process_takes_the_place_of_a_dead_one() {
    // The fourth evaluation of each process goes wrong; with a stored case a process the run goes on.
    for kind in FENCED {
        let name = if kind == Program { "misbehaving-py" } else { "misbehaving" };
        if kind == Program && python().is_none() {
            continue;
        }
        let outcome = Run::new(["test", name, "--timeout", "5min"])
            .env("SECANT_MISBEHAVE", "dead")
            .env("SECANT_MISBEHAVE_AT", "1")
            .run();
        // Both cases meet a first evaluation: both fail by the model's own words, neither by its warnings
        // that it was called when dead.
        assert_eq!(outcome.code, 1, "{}", outcome.shown());
        assert!(outcome.text().contains("0 passed, 2 failed"), "{}", outcome.shown());
        assert_eq!(outcome.text().matches("lost the licence").count(), 2, "{}", outcome.shown());
        assert!(!outcome.shown().contains("called again"), "{}", outcome.shown());
    }
}

#[test]
fn ctrl_c_ends_everything() {
    let signals = [("INT", 130), ("TERM", 143), ("HUP", 129)];
    for (kind, process) in [(Program, "model.py"), (Isolated, " worker "), (InProcess, "")] {
        for (signal, code) in signals {
            for word in ["hang", "hang,grandchild,ignore-shutdown"] {
                if kind != Program && word != "hang" {
                    continue;
                }
                // No time limit: a person is the limit.
                let model = if kind == Program { "misbehaving-py" } else { "misbehaving" };
                if kind == Program && python().is_none() {
                    continue;
                }
                let mut typed = vec!["jacobian", model, INPUTS, "--workers", "2"];
                if kind != InProcess {
                    typed.extend(["--timeout", "5min"]);
                }
                // In this process it says so when it is about to hang.
                let words = if kind == InProcess { "flood-stderr=0.001,hang" } else { word };
                let mut running =
                    Run::new(typed).env("SECANT_MISBEHAVE", words).env("SECANT_MISBEHAVE_WHEN_ABOVE", "-1").start();
                match (kind, word) {
                    (InProcess, _) => running.wait_for_words("flood"),
                    (_, "hang") => running.wait_for_process(process),
                    _ => running.wait_for_process("sleep 1000"),
                }
                kill(signal, running.id());
                let outcome = running.end();
                assert_eq!(outcome.code, code, "{kind:?} SIG{signal}: {}", outcome.shown());
                assert_eq!(outcome.text(), "", "{kind:?} SIG{signal}");
            }
        }
    }
}

fn kill(signal: &str, id: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    let signal = match signal {
        "INT" => rustix::process::Signal::INT,
        "TERM" => rustix::process::Signal::TERM,
        "KILL" => rustix::process::Signal::KILL,
        _ => rustix::process::Signal::HUP,
    };
    rustix::process::kill_process(pid, signal).unwrap();
}
