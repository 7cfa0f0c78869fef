//! `secant check`: what it finds wrong it names, and what is right it leaves alone.

use std::path::PathBuf;

use insta::assert_snapshot;

use crate::probe::{library, plugin};
use crate::program::{Outcome, Run};

const NATIVE: &str = r#"{"inputs": {"x": [0.5, -1.0, 2.0, 0.25], "p": 1.5}}"#;
const WRONG: &str = r#"{"inputs": {"x": [0.5, -1.0, 2.0], "p": 1.5}}"#;

/// A model whose own derivatives are wrong.
fn wrong() -> PathBuf {
    let path = library("wrong/wrong.c", "wrong", &[]);
    let schemas = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plugins/native");
    let (input, output) = (schemas.join("input.schema.json"), schemas.join("output.schema.json"));
    plugin("wrong", &format!("name = \"wrong\"\ninput = {input:?}\noutput = {output:?}\n[library]\npath = {path:?}\n"))
}

fn run(arguments: &[&str]) -> Outcome {
    Run::new(arguments).run()
}

/// Without bounds and counts, which a libm may change, and slopes to a digit.
fn clean(outcome: &Outcome) -> String {
    let text = outcome.shown().replace(wrong().to_str().unwrap(), "[wrong]");
    let text = regex::Regex::new(r" \d\.\de-\d+").unwrap().replace_all(&text, " [bound]").into_owned();
    let text = regex::Regex::new(r"slope (\d\.\d)\d").unwrap().replace_all(&text, |found: &regex::Captures<'_>| {
        format!("slope about {:.0}", found[1].parse::<f64>().unwrap())
    });
    regex::Regex::new(r"\d+ evaluations").unwrap().replace_all(&text, "[n] evaluations").into_owned()
}

#[test]
fn what_is_right_passes() {
    assert_snapshot!(clean(&run(&["check", "native", NATIVE])));
    for (model, payload) in [
        ("rosenbrock", r#"{"inputs": {"x": -1.2, "y": 1}}"#),
        ("meshstats", "@plugins/meshstats/hexbeam.json"),
        ("native", r#"{"inputs": {"x": [0, 0, 1e-9, 30], "p": 0}}"#),
        ("native", r#"{"inputs": {"x": [], "p": 0}}"#),
    ] {
        run(&["check", model, payload]).expect(0);
    }
}

/// Where nothing can be evaluated nothing was found right.
#[test]
fn what_was_evaluated_nowhere_is_not_ok() {
    let folder = tempfile::tempdir().unwrap();
    let schema = |name: &str| {
        format!(
            r#"{{"properties": {{"{name}": {{"type": "number", "differentiable": true}}}}, "required": ["{name}"]}}"#
        )
    };
    std::fs::write(folder.path().join("i.json"), schema("x")).unwrap();
    std::fs::write(folder.path().join("o.json"), schema("y")).unwrap();
    let at = |works: &str| {
        let script = format!(r#"awk -F'[:}}]' '{{ if (!($2 {works})) exit 3; printf "{{\"y\": %.17g}}", $2 * $2 }}'"#);
        let manifest = "name = 'edge'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['sh', 'model.sh']\nprotocol = 'once'";
        std::fs::write(folder.path().join("model.sh"), script).unwrap();
        std::fs::write(folder.path().join("model.toml"), manifest).unwrap();
        run(&["check", folder.path().to_str().unwrap(), r#"{"inputs": {"x": 1}}"#, "--seed", "1"])
    };
    // An edge that no schema tells has another side.
    let beside = at("<= 1").expect(0);
    assert!(beside.text().contains("ok      Taylor remainder of y"), "{}", beside.shown());
    let alone = at("== 1").expect(1);
    let words = "FAILED  Taylor remainder of y: not tested, as the model failed wherever it was tried";
    assert!(alone.text().contains(words), "{}", alone.shown());
}

#[test]
fn what_is_wrong_is_found_and_named() {
    let folder = wrong();
    let folder = folder.to_str().unwrap();
    assert_snapshot!(clean(&run(&["check", folder, WRONG]).expect(1)));
    // Two percent are within a tenth, as the Tesseract runtime has it; but the line is not the tangent.
    let rough =
        run(&["check-gradients", folder, WRONG, "--rtol", "0.1", "--endpoints", "jacobian", "--input-paths", "x"]);
    assert!(rough.text().contains("ok      jacobian: 0 failures in 9 checks"), "{}", rough.text());
    // One failure is shown, and the others are counted.
    let short =
        run(&["check", folder, WRONG, "--max-failures", "1", "--endpoints", "jacobian_vector_product"]).expect(1);
    assert!(short.text().contains("and 2 more"), "{}", short.text());
    // Without p it has nothing to forget.
    let found = run(&["check", folder, WRONG, "--endpoints", "jvp", "--wrt", "x"]).expect(0);
    assert!(found.text().contains("jacobian_vector_product: 0 failures in 9 checks"), "{}", found.text());
}

#[test]
fn programs_read_json() {
    let folder = wrong();
    let found = run(&["check", folder.to_str().unwrap(), WRONG, "--format", "json", "--seed", "3"]).expect(1).json();
    assert_eq!((&found["passed"], &found["seed"]), (&false.into(), &3.into()));
    let jacobian = &found["endpoints"]["jacobian"];
    assert_eq!((&jacobian["checks"], &jacobian["failures"]), (&12.into(), &1.into()));
    let worst = &jacobian["worst"][0];
    assert_eq!((&worst["output"], &worst["input"]), (&"y[1]".into(), &"x[1]".into()));
    assert!((worst["native"].as_f64().unwrap() + 3.06).abs() < 1e-12, "{worst}");
    assert!((worst["difference"].as_f64().unwrap() + 3.0).abs() < 1e-9, "{worst}");
    assert!(worst["bound"].as_f64().unwrap() < 1e-8, "{worst}");
    assert!(found["endpoints"]["vector_jacobian_product"]["error"].as_str().unwrap().contains("the tape is lost"));
    let y = &found["taylor"]["outputs"]["y"];
    assert!(!y["passed"].as_bool().unwrap() && (y["slope"].as_f64().unwrap() - 1.0).abs() < 0.2, "{y}");
    assert!(y["remainders"].as_array().unwrap().len() > 8, "{y}");
}

#[test]
fn large_inputs_are_sampled() {
    let x: Vec<String> = (0..400).map(|i| format!("{}", 0.01 * f64::from(i) + 0.3)).collect();
    let payload = format!("{{\"inputs\": {{\"x\": [{}], \"p\": 1.5}}}}", x.join(","));
    let asked = ["check", "native", &payload, "--max-evals", "20", "--max-output-samples", "30", "--format", "json"];
    let found = run(&asked).expect(0).json();
    // One of p, 19 of x.
    assert_eq!((&found["inputs"]["checked"], &found["inputs"]["all"]), (&20.into(), &401.into()));
    assert_eq!(found["endpoints"]["jacobian"]["checks"], 600);
    assert_eq!(run(&asked).json()["endpoints"], found["endpoints"], "the seed is fixed");
}

#[test]
fn what_cannot_be_checked_is_said() {
    assert_snapshot!(
        run(&["check", "rosenbrock", r#"{"inputs": {"x": 1, "y": 1}}"#, "--endpoints", "jacobian"]).shown()
    );
    assert_snapshot!(run(&["check", "native", NATIVE, "--eps-for", "0.1"]).shown());
    assert_snapshot!(run(&["check", "native", NATIVE, "--output-paths", "z"]).shown());
}
