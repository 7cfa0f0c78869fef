//! Programs that know nothing of secant: how `[command]` runs them, what it reads of them, and what it says when they
//! fail. The programs are small ones in `sh` and `awk`; for real ones see `shipped`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secant::{Value, json};

use crate::program::{Outcome, Run};

const INPUT: &str = r#"{"properties": {"x": {"type": "number", "differentiable": true}}, "required": ["x"]}"#;
const OUTPUT: &str = r#"{"properties": {"y": {"type": "number", "differentiable": true}}, "required": ["y"]}"#;

/// A model of one input `x` and one output `y`, in a folder of its own, with the folders of its runs beside it.
struct Legacy {
    folder: tempfile::TempDir,
}

impl Legacy {
    /// `command` is what stands in the manifest's `[command]` table; `script` is `run.sh`, which it may run.
    fn new(command: &str, script: &str) -> Legacy {
        Legacy::of(INPUT, OUTPUT, command, script)
    }

    fn of(input: &str, output: &str, command: &str, script: &str) -> Legacy {
        let legacy = Legacy { folder: tempfile::tempdir().unwrap() };
        legacy.file(
            "model.toml",
            format!(
                "name = 'legacy'\ninput = 'input.json'\noutput = 'output.json'\n[command]\nscratch = 'runs'\n{command}"
            ),
        );
        legacy.file("input.json", input);
        legacy.file("output.json", output);
        legacy.file("run.sh", script);
        legacy
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let (first, rest) = arguments.split_first().unwrap();
        Run::new([first, &self.path()].into_iter().chain(rest)).run()
    }

    fn apply(&self, x: f64) -> Outcome {
        self.run(&["apply", &json!({"inputs": {"x": x}}).to_string()])
    }

    /// What is said of a run that fails, with this exit code.
    fn failure(&self, code: i32) -> String {
        let outcome = self.apply(1.5);
        assert_eq!(outcome.code, code, "{}", outcome.shown());
        outcome.stderr
    }

    /// The folders of failed runs.
    fn kept(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("runs")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Writes `x` into a file, and reads `y = ...` of stdout.
const PLAIN: &str = r#"
argv = ["sh", "run.sh"]
copy = ["run.sh"]
read.y = { anchor = "y =" }
write = [{ to = "in.txt", text = "{{ x }}\n" }]
"#;

#[test]
fn nothing_is_written_into_what_all_runs_share() {
    let command = PLAIN
        .replace("copy = [\"run.sh\"]", "copy = [\"run.sh\"]\nlink = [\"data\"]")
        .replace("in.txt", "./data/in.txt");
    let legacy = Legacy::new(&command, "echo y = 1");
    fs::create_dir(legacy.folder.path().join("data")).unwrap();
    assert_says(&legacy.failure(5), &["command.write", "'./data/in.txt' lies in the linked 'data': copy that instead"]);
}

/// What ended because we did has not failed.
#[test]
fn interrupted_it_keeps_no_folder() {
    let legacy = Legacy::new(PLAIN, "touch started; sleep 3600");
    let has_started = || legacy.kept().iter().any(|home| home.join("1/started").is_file());
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let running = Run::new(["apply", legacy.path(), r#"{"inputs": {"x": 1}}"#]).start();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !has_started() {
            assert!(Instant::now() < deadline, "it did not start");
            std::thread::sleep(Duration::from_millis(2));
        }
        let id = rustix::process::Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
        assert_eq!(running.end().code, 128 + signal.as_raw());
        assert_eq!(legacy.kept(), Vec::<PathBuf>::new());
    }
}

/// Whatever a program does to its folder, nothing of it is left.
#[test]
fn a_folder_that_a_program_closes_is_removed_too() {
    let legacy = Legacy::new(PLAIN, "mkdir -p a/b; touch a/b/c; chmod 500 a/b; echo y = 1; chmod 500 a");
    assert_eq!(legacy.apply(1.0).expect(0).json()["y"]["data"]["buffer"], json!(1.0));
    assert_eq!(legacy.kept(), Vec::<PathBuf>::new());
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing:\n{text}");
    }
}

// ---- success and failure

#[test]
fn a_failure_tells_all_and_keeps_its_files() {
    let script = "echo rubbish > solver.log; echo 'singular matrix' >> solver.log; echo 'bad day' >&2; exit 3";
    let legacy = Legacy::new(&format!("{PLAIN}log = 'solver.log'"), script);
    let said = legacy.failure(3);
    let kept = legacy.kept();
    let [place] = &kept[..] else { panic!("{kept:?}\n{said}") };
    let words = ["it exited with code 3", "sh run.sh", "bad day", "the end of solver.log", "singular matrix"];
    assert_says(&said, &words);
    assert_says(&said, &["its files are in", place.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(place.join("in.txt")).unwrap(), "1.5\n");
}

#[test]
fn exit_codes_are_what_the_manifest_allows() {
    let legacy = Legacy::new(&format!("{PLAIN}exit_codes = [0, 3]"), "echo y = 4; exit 3");
    assert_eq!(legacy.apply(1.0).expect(0).json()["y"]["data"]["buffer"], 4.0);
    assert!(legacy.kept().is_empty(), "{:?}", legacy.kept());
    let killed = Legacy::new(PLAIN, "kill -SEGV $$");
    assert_says(&killed.failure(4), &["SIGSEGV"]);
}

#[test]
fn what_a_program_says_of_itself_is_believed() {
    let command = format!("{PLAIN}fail_regex = ['^ *\\*+ ERROR']");
    for stream in ["", ">&2"] {
        let legacy = Legacy::new(&command, &format!("echo y = 4; echo ' *** ERROR 17: no convergence' {stream}"));
        assert_says(&legacy.failure(3), &["it says that it failed", "*** ERROR 17: no convergence"]);
    }
    Legacy::new(&command, "echo y = 4; echo 'no ERROR'").apply(1.0).expect(0);
}

#[test]
fn outputs_must_be_of_this_run() {
    let command = "argv = ['sh', 'run.sh', '{{ x }}']\ncopy = ['run.sh', 'out.txt']\nread.y = { from = 'out.txt', anchor = 'y =' }";
    let stale = Legacy::new(command, "true");
    stale.file("out.txt", "y = 7\n");
    assert_says(&stale.failure(3), &["out.txt was not written: it is as it was before the run"]);
    // However soon it is written again.
    stale.file("run.sh", "echo y = 8 > out.txt");
    for _ in 0..10 {
        assert_eq!(stale.apply(1.0).expect(0).json()["y"]["data"]["buffer"], 8.0);
    }
    let missing = Legacy::new(&command.replace(", 'out.txt'", ""), "true");
    assert_says(&missing.failure(3), &["out.txt was not written"]);
}

#[test]
fn time_runs_out_for_all_that_was_started() {
    let legacy = Legacy::new(PLAIN, "sleep 1000 & sleep 1000 & wait");
    // `Run` makes sure that nothing is left.
    let outcome = legacy.run(&["apply", r#"{"inputs": {"x": 1}}"#, "--timeout", "200ms"]);
    assert_eq!(outcome.code, 4, "{}", outcome.shown());
    assert_says(&outcome.stderr, &["it took longer than 200ms and was stopped"]);
}

#[test]
fn failed_points_are_stepped_around_and_told() {
    // No answer beyond 1.5; the slope of 2x is had from the other side.
    let script = "awk '{ if ($1 > 1.5) exit 9; printf \"y = %.17g\\n\", 2 * $1 }' in.txt";
    let legacy = Legacy::new(PLAIN, script);
    let outcome = legacy.run(&["jacobian", r#"{"inputs": {"x": 1.5}}"#, "--report"]).expect(0);
    let slope = outcome.json()["y"]["x"]["data"]["buffer"].as_f64().unwrap();
    assert!((slope - 2.0).abs() < 1e-6, "{slope}");
    assert_says(&outcome.stderr, &["stepped around x: the model failed"]);
    let outcome = legacy.run(&["jacobian", r#"{"inputs": {"x": 1.5}}"#]).expect(0);
    assert_eq!(outcome.stderr, "warning: the model failed beside x, which was stepped around: see --report\n");
}

// ---- what is read

#[test]
fn numbers_are_read_from_stdout_and_stderr() {
    let script = "cat in.txt > /dev/null; echo 'y = 1.0D-03'; echo 'y = 2.5-1' >&2";
    for (from, expected) in [("stdout", 1e-3), ("stderr", 0.25)] {
        let command = PLAIN.replace("anchor", &format!("from = '{from}', anchor"));
        let found = Legacy::new(&command, script).apply(1.0).expect(0);
        assert_eq!(found.json()["y"]["data"]["buffer"], expected, "{from}");
    }
}

#[test]
fn hostile_outputs_are_refused_in_words() {
    let command = PLAIN.replace("anchor", "from = 'out.txt', anchor");
    for (script, words) in [
        ("head -c 20000000 /dev/zero | tr '\\0' x > out.txt", "`y =`"),
        ("head -c 100000 /dev/urandom > out.txt", "out.txt: the output y is not found"),
        ("dd if=/dev/null of=out.txt bs=1 seek=300000000 2> /dev/null", "has 300000000 bytes"),
        ("mkdir out.txt", "out.txt is no file"),
        ("echo 'y = ******' > out.txt", "too wide"),
        ("echo 'y = NaN' > out.txt", "is not finite"),
        ("echo 'y = ' > out.txt", "the output y is not found"),
    ] {
        let said = Legacy::new(&command, script).failure(3);
        assert_says(&said, &[words]);
        assert!(said.len() < 3000, "{} bytes are said of {script}", said.len());
    }
}

// ---- what the text can carry

#[test]
fn the_step_is_what_the_text_carries() {
    // y = x², of an input written with four digits.
    let script = "awk '{ printf \"y = %.17g\\n\", $1 * $1 }' in.txt";
    let legacy = Legacy::new(&PLAIN.replace("{{ x }}", "{{ x | fmt('%.4g') }}").replace('"', "'''"), script);
    let slope = |arguments: &[&str]| {
        let payload = r#"{"inputs": {"x": 1.2345678}}"#;
        let arguments: Vec<&str> = ["jacobian", payload].iter().chain(arguments).copied().collect();
        legacy.run(&arguments).expect(0).json()["y"]["x"]["data"]["buffer"].as_f64().unwrap()
    };
    // Points are 1.236 and 1.234, those that the text can say, and it is divided by their distance.
    let (upper, lower) = (1.236f64, 1.234f64);
    let expected = (upper * upper - lower * lower) / (upper - lower);
    let central = slope(&["--algorithm", "central", "--eps", "1.2e-3"]);
    assert!((central - expected).abs() < 1e-12, "{central} instead of {expected}");
    let auto = slope(&[]);
    assert!((auto - 2.0 * 1.235).abs() < 1e-3, "{auto}");
    let refused = legacy.run(&["jacobian", r#"{"inputs": {"x": 1.2345678}}"#, "--eps", "1e-6"]);
    assert_eq!(refused.code, 2, "{}", refused.shown());
    assert_says(&refused.stderr, &["x", "1e-6", "text"]);
}

/// a² b + exp(b), of two inputs that are written with four digits.
fn coarse() -> Legacy {
    let leaf = json!({"type": "number", "differentiable": true});
    let object = |names: &[&str]| {
        let fields: serde_json::Map<String, Value> =
            names.iter().map(|name| (name.to_string(), leaf.clone())).collect();
        json!({"type": "object", "properties": fields, "required": names}).to_string()
    };
    let command = r#"
argv = ["awk", "{ printf \"%.15e\\n\", $1 * $1 * $2 + exp($2) }"]
write = [{ to = "stdin", text = "{{ a | fmt('%.3e') }} {{ b | fmt('%.3e') }}\n" }]
read.y = { array = "text" }
"#;
    Legacy::of(&object(&["a", "b"]), &object(&["y"]), command, "")
}

#[test]
fn what_few_digits_carry_holds_for_every_question() {
    let legacy = coarse();
    let number = |outcome: Outcome, places: &[&str]| {
        let value = outcome.expect(0).json();
        places.iter().fold(&value, |value, place| &value[*place])["data"]["buffer"].as_f64().unwrap()
    };
    for a in [0.9, 1.2345, 1.7, 3.1] {
        // Four digits: the base is where the text says.
        let (x, b) = (format!("{a:.3e}").parse::<f64>().unwrap(), 0.7f64);
        let inputs = json!({"a": a, "b": b});
        let checked = legacy.run(&["check", &json!({"inputs": inputs}).to_string()]).expect(0);
        assert_says(&String::from_utf8_lossy(&checked.stdout), &["ok      Taylor remainder of y, auto: slope 2."]);

        let product = json!({"inputs": inputs, "jvp_inputs": ["a", "b"], "tangent_vector": {"a": 1, "b": 0.5}});
        let found = number(legacy.run(&["jvp", &product.to_string()]), &["y"]);
        let expected = 2.0 * x * b + 0.5 * (x * x + b.exp());
        assert!((found / expected - 1.0).abs() < 1e-6, "{a}: {found} {expected}");

        let second = |wrt: &str, other: &str| {
            number(legacy.run(&["hessian", &json!({"inputs": inputs}).to_string()]), &[wrt, other])
        };
        for (found, expected) in [(second("a", "a"), 2.0 * b), (second("a", "b"), 2.0 * x), (second("b", "b"), b.exp())]
        {
            assert!((found / expected - 1.0).abs() < 1e-4, "{a}: {found} {expected}");
        }
    }
    let studied = legacy.run(&["study", r#"{"inputs": {"a": 1.2345, "b": 0.7}}"#, "--element", "a"]).expect(0);
    assert_says(&String::from_utf8_lossy(&studied.stdout), &["which change nothing in its text,", "written as %.3e"]);
}

#[test]
fn a_sign_of_failure_is_seen_wherever_it_stands_in_stderr() {
    let script = "echo 'DIVERGED' >&2; awk 'BEGIN { for (i = 0; i < 9000; i++) print \"chatter\" }' >&2; echo y = 4";
    let legacy = Legacy::new(&format!("{PLAIN}fail_regex = ['^DIVERGED']"), script);
    assert_says(&legacy.failure(3), &["it says that it failed: its stderr has `DIVERGED`"]);
}

#[test]
fn workers_do_not_change_a_bit() {
    let input = r#"{"properties": {"x": {"type": "array", "items": {"type": "number"}, "shape": [4], "differentiable": true}}, "required": ["x"]}"#;
    let output = OUTPUT.replace(r#""type": "number""#, r#""type": "array", "items": {"type": "number"}"#);
    let command = r#"
argv = ["awk", "{ printf \"%.17g %.17g\\n\", sin($1) * $2, exp($3 / 3) + $4 * $1 }", "in.txt"]
write = [{ to = "in.txt", text = "{{ x | join(' ') }}\n" }]
read.y = { array = "text" }
"#;
    let legacy = Legacy::of(input, &output, command, "");
    let jacobian = |workers| {
        legacy.run(&["jacobian", r#"{"inputs": {"x": [0.3, 1.7, -2, 5]}}"#, "--workers", workers]).expect(0).stdout
    };
    assert_eq!(jacobian("1"), jacobian("2"));
    assert_eq!(jacobian("1"), jacobian("4"));
    assert!(legacy.kept().is_empty(), "{:?}", legacy.kept());
}

// ---- Dakota's interface

#[test]
fn a_driver_of_dakota_hands_out_its_gradients() {
    // f = x²y, g = x + 3y, and gradients where the active set vector asks for them.
    let driver = r#"
awk '
    $2 == "x" { x = $1 }
    $2 == "y" { y = $1 }
    $2 ~ /^ASV_/ { asked = $1 }
    END {
        if (asked % 2) { printf "%.16e f\n%.16e g\n", x * x * y, x + 3 * y }
        if (int(asked / 2) % 2) { printf "[ %.16e %.16e ]\n[ %.16e %.16e ]\n", 2 * x * y, SLOPE * x * x, 1, 3 }
    }' "$1" > "$2"
"#;
    let input = r#"{"properties": {"p": {"type": "array", "items": {"type": "number"}, "shape": [2], "differentiable": true}}, "required": ["p"]}"#;
    let output = r#"{"properties": {"f": {"type": "number", "differentiable": true}, "g": {"type": "number", "differentiable": true}}, "required": ["f", "g"]}"#;
    let command = r#"
argv = ["sh", "run.sh", "params.in", "results.out"]
copy = ["run.sh"]
[[command.write]]
to = "params.in"
dakota = { variables = { x = "p[0]", y = "p[1]" }, responses = ["f", "g"], gradients = true }
[command.read]
f = { from = "results.out", dakota = ["f"] }
g = { from = "results.out", dakota = ["g"] }
"#;
    let payload = r#"{"inputs": {"p": [1.5, -2]}}"#;
    let right = Legacy::of(input, output, command, &driver.replace("SLOPE", "1"));
    let outcome = right.run(&["jacobian", payload, "--report"]).expect(0);
    assert_says(&outcome.stderr, &["native: 1 evaluation"]);
    assert_eq!(outcome.json()["f"]["p"]["data"]["buffer"], json!([-6.0, 2.25]));
    assert_eq!(outcome.json()["g"]["p"]["data"]["buffer"], json!([1.0, 3.0]));
    right.run(&["check", payload]).expect(0);
    // Two percent too much.
    let wrong = Legacy::of(input, output, command, &driver.replace("SLOPE", "1.02"));
    let found = wrong.run(&["check", payload]).expect(1);
    assert_says(found.text(), &["FAILED", "f       p[1]"]);
}
