//! `secant study` and drawn Jacobians: that the curves are what theory says, and the figures whole.

use insta::assert_snapshot;
use secant::Value;

use crate::program::{Outcome, Run};

fn run<const N: usize>(arguments: [&str; N]) -> Outcome {
    Run::new(arguments).run()
}

/// The only study of a model with derivatives of its own: y[0] = p x[0]² + sin(x[1]) and so on around.
fn of_native(element: &str) -> Value {
    let payload = r#"{"inputs": {"x": [0.3, -1.1, 2.3, 0.7], "p": 1.7}}"#;
    let found = run(["study", "native", payload, "--element", element, "--format", "json"]).expect(0).json();
    assert_eq!(found["studies"].as_array().unwrap().len(), 1);
    found["studies"][0].clone()
}

/// Steps and errors.
fn curve(study: &Value, name: &str) -> Vec<(f64, f64)> {
    let errors = study[name]["errors"].as_array().unwrap();
    errors.iter().map(|point| (point["step"].as_f64().unwrap(), point["error"].as_f64().unwrap())).collect()
}

/// The slope of the line through the logarithms of those points whose steps lie in the range.
fn slope(curve: &[(f64, f64)], steps: std::ops::Range<f64>) -> f64 {
    let points: Vec<(f64, f64)> = curve
        .iter()
        .filter(|(step, error)| steps.contains(step) && *error > 0.0)
        .map(|(step, error)| (step.log2(), error.log2()))
        .collect();
    let count = points.len() as f64;
    assert!(count >= 8.0, "{points:?}");
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let up: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    up / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

#[test]
fn truncation_grows_and_noise_falls_as_theory_says() {
    let study = of_native("x[0]");
    assert_eq!(study["reference"]["is"], "native");
    assert_eq!(study["reference"]["bound"], 0.0);
    // Of a square with p = 1.7 before it, and of a sine: (2 p x, cos x).
    let size = (2.0f64 * 1.7 * 0.3).hypot(0.3f64.cos());
    assert!((study["reference"]["size"].as_f64().unwrap() - size).abs() < 1e-12);
    let (central, forward) = (curve(&study, "central"), curve(&study, "forward"));
    assert_eq!((central.len(), forward.len()), (41, 41));
    let decades = (central[40].0 / central[0].0).log10();
    assert!((12.0..12.1).contains(&decades), "{decades}");
    for (name, curve, steps, expected) in [
        ("central", &central, 1e-4..0.2, 2.0),
        ("forward", &forward, 1e-6..0.2, 1.0),
        ("central", &central, 1e-12..1e-7, -1.0),
        ("forward", &forward, 1e-12..1e-9, -1.0),
    ] {
        let slope = slope(curve, steps.clone());
        let off = if expected > 0.0 { 0.05 } else { 0.35 };
        assert!((slope - expected).abs() < off, "{name} {steps:?}: {slope}");
    }
    // The error of a central difference of the sine is cos x h²/6; the square has none.
    let truncation = study["central"]["truncation"].as_f64().unwrap();
    assert!((truncation / (0.3f64.cos() / 6.0) - 1.0).abs() < 0.02, "{truncation}");
}

#[test]
fn the_automatic_step_lies_near_the_least_error() {
    for element in ["x[0]", "x[1]", "x[2]", "x[3]"] {
        let study = of_native(element);
        let central = curve(&study, "central");
        let (best, least) = central.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let number = |name: &str| study["chosen"][name].as_f64().unwrap();
        assert_eq!(study["chosen"]["algorithm"], "auto");
        let (step, error, bound) = (number("step"), number("error"), number("bound"));
        assert!((1e-2..1e2).contains(&(step / best)), "{element}: {step} for {best}");
        assert!(error <= bound && error <= 30.0 * least.max(1e-12), "{element}: {error}, {bound}, {least}");
    }
}

#[test]
fn without_a_derivative_of_its_own_the_best_estimate_is_the_measure() {
    let payload = r#"{"inputs": {"x": 1.2, "y": 1.0}}"#;
    let found = run(["study", "rosenbrock", payload, "--format", "json"]).expect(0).json();
    let studies = found["studies"].as_array().unwrap();
    let of: Vec<_> = studies.iter().map(|study| study["wrt"].as_str().unwrap()).collect();
    assert_eq!(of, ["x", "y"]);
    let reference = &studies[0]["reference"];
    assert_eq!(reference["is"], "best estimate");
    assert!((reference["size"].as_f64().unwrap() - 211.6).abs() <= reference["bound"].as_f64().unwrap() + 1e-10);
    // Whoever evaluates, the numbers are the same.
    let alone = run(["study", "rosenbrock", payload, "--format", "json", "--workers", "1"]).expect(0).json();
    let several = run(["study", "rosenbrock", payload, "--format", "json", "--workers", "3"]).expect(0).json();
    assert!(alone == found && several == found);
}

#[test]
fn elements_are_drawn_by_a_seed() {
    let drawn = |seed: &str| -> Vec<String> {
        let payload = "@plugins/meshstats/hexbeam.json";
        let found = run(["study", "meshstats", payload, "--count", "3", "--seed", seed, "--format", "json"]).expect(0);
        let found = found.json();
        let studies = found["studies"].as_array().unwrap().iter();
        studies.map(|study| format!("{} by {}", study["of"], study["wrt"])).collect()
    };
    assert_eq!(drawn("0"), drawn("0"));
    assert_ne!(drawn("0"), drawn("1"));
    // Each with the output that it changes, which the first point's coordinates seldom are.
    assert!(drawn("0").len() == 3 && drawn("0").iter().all(|study| study.contains("barycenter")));
}

#[test]
fn points_that_cannot_be_had_are_left_out_and_told() {
    let payload = r#"{"inputs": {"mass": 1, "stiffness": 2, "damping": 0.1, "pull": 1, "time": 0}}"#;
    let outcome =
        run(["study", "springmass", payload, "--element", "time", "--of", "position", "--format", "json"]).expect(0);
    let study = outcome.json()["studies"][0].clone();
    assert!(curve(&study, "central").is_empty(), "there is nothing before the beginning of time");
    assert_eq!(curve(&study, "forward").len(), 41);
    let left_out = study["left_out"].as_array().unwrap();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0]["why"], "which would leave the bounds");
    assert!(left_out[0]["displacements"].as_array().unwrap().iter().all(|by| by.as_f64().unwrap() < 0.0));

    let payload = r#"{"inputs": {"x": [1, 0.5]}}"#;
    let outcome = Run::new(["study", "misbehaving", payload, "--element", "x[0]", "--timeout", "5s", "-q"])
        .env("SECANT_MISBEHAVE", "crash")
        .env("SECANT_MISBEHAVE_WHEN_ABOVE", "1.001")
        .run()
        .expect(0);
    let told = "left out: 10 points, +0.002 to +1, where the model fails: it was killed by\n       SIGSEGV";
    assert!(outcome.text().contains(told), "{}", outcome.text());
}

/// Without what rounding may move: curves, and numbers in words.
fn skeleton(text: &str) -> String {
    let without =
        |text: String, pattern: &str, by: &str| regex::Regex::new(pattern).unwrap().replace_all(&text, by).into_owned();
    let text = without(text.to_owned(), "[│┤]([⠀-⣿◆▽┊ ]+)\n", "│ …\n");
    without(text, r"\d(\.\d)?e-\d+|\d+ evaluations", "[number]")
}

#[test]
fn a_study_is_drawn_within_the_width_of_the_terminal() {
    let payload = r#"{"inputs": {"x": 1.2, "y": 1.0}}"#;
    let outcome = Run::new(["study", "rosenbrock", payload, "--element", "x"]).env("COLUMNS", "64").run().expect(0);
    let widest = outcome.text().lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 64, "{widest}\n{}", outcome.text());
    for sign in ["◆", "▽", "┊", "⠒"] {
        assert!(outcome.text().contains(sign), "{sign}");
    }
    assert!(!outcome.text().contains('\x1b'), "colours are for terminals");
    assert_snapshot!(skeleton(&outcome.shown()), @r#"
    result by x at 1.2
    relative difference to the best estimate
       10² ┤
           │ …
         1 │ …
           │ …
      10⁻² │ …
           │ …
      10⁻⁴ │ …
           │ …
           │ …
      10⁻⁶ │ …
           │ …
      10⁻⁸ │ …
           │ …
     10⁻¹⁰ │ …
           │ …
     10⁻¹² │ …
           └─┬────────────┬────────────┬────────────┬────────────┬─
            10⁻¹²       10⁻⁹         10⁻⁶         10⁻³           1
      ⠤⠤ central: at best [number] with the step [number]
      ⠂⠂ forward: at best [number] with the step [number]
      ◆  auto: [number] with the step [number], bound [number] ▽
         the derivative's size is 210, known to [number]; the
           output's noise is [number]
    --- stderr
    [number]
    --- exit code 0
    "#);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let outcome = run(["study", "rosenbrock", r#"{"inputs": {"x": "a"}}"#, "--element", "z", "--of", "nix"]);
    assert_snapshot!(outcome.shown(), @r#"
    --- stderr
    error: inputs.x: Could not parse value as a numeric array (contains non-numeric data): the text "a"
           jac_outputs.[0]: Input should be 'result', found 'nix'
           element.[0]: Input should be an element of 'x' or 'y', found 'z'
    --- exit code 2
    "#);
    let payload = "@plugins/meshstats/hexbeam.json";
    let elements = ["--element", "mesh.points[120,1]", "--element", "mesh.points", "--element", "points[0]"];
    let outcome = Run::new(["study", "meshstats", payload].into_iter().chain(elements)).run();
    assert_snapshot!(outcome.shown(), @r#"
    --- stderr
    error: element.[0]: there is no element [120,1]: mesh.points has the shape [99, 3]
           element.[1]: mesh.points has 297 elements: name one, such as mesh.points[0,0]
           element.[2]: Input should be an element of 'mesh.points', found 'points[0]'
    --- exit code 2
    "#);
}

#[test]
fn a_model_without_differentiable_inputs_has_nothing_to_study() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("model.toml", "input = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['true']\nprotocol = 'once'");
    write("i.json", r#"{"properties": {"x": {"type": "number"}}, "required": ["x"]}"#);
    write("o.json", r#"{"properties": {"y": {"type": "number", "differentiable": true}}, "required": ["y"]}"#);
    let outcome = run(["study", folder.path().to_str().unwrap(), r#"{"inputs": {"x": 1}}"#, "--element", "x"]);
    assert_snapshot!(outcome.shown(), @r#"
    --- stderr
    error: jac_inputs: there is no differentiable input here: mark one with "differentiable": true
    --- exit code 2
    "#);
}

/// The texts of a figure, which is XML and names nothing outside itself.
fn texts(figure: &str) -> Vec<String> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(figure, options).unwrap_or_else(|error| panic!("{error}"));
    for node in document.descendants().filter(|node| node.is_element()) {
        assert!(!["script", "link", "image", "use"].contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            let outside = attribute.value().contains("//") || attribute.name() == "href";
            assert!(!outside && !attribute.value().contains("NaN") && !attribute.value().contains("inf"), "{node:?}");
        }
    }
    let texts = document.descendants().filter(|node| node.is_text()).filter_map(|node| node.text());
    texts.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

#[test]
fn figures_are_whole_and_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = |arguments: &[&str], name: &str| {
        let file = folder.path().join(name);
        let arguments = arguments.iter().copied().chain(["-o", file.to_str().unwrap()]);
        let outcome = Run::new(arguments).run().expect(0);
        assert_eq!(outcome.text(), "");
        texts(&std::fs::read_to_string(file).unwrap())
    };
    let springmass = r#"{"inputs": {"mass": 1, "stiffness": 2, "damping": 0.1, "pull": 1, "time": 0.5}}"#;
    for name in ["study.svg", "study.html"] {
        let study = ["study", "springmass", springmass, "--element", "damping", "--of", "velocity", "--of", "period"];
        let texts = drawn(&study, name);
        let has = |text: &str| texts.iter().any(|each| each.contains(text));
        for text in ["velocity by damping at 0.1", "period by damping at 0.1", "central: at best", "auto: ", "10⁻⁸"]
        {
            assert!(has(text), "{name} has no {text}: {texts:?}");
        }
        assert!(has("which would leave the bounds") && has("step") && has("bound"));
    }
    for name in ["jacobian.svg", "jacobian.html"] {
        let texts = drawn(&["jacobian", "springmass", springmass], name);
        for text in ["mass", "stiffness", "damping", "pull", "time", "period", "position", "velocity", "energy", "zero"]
        {
            assert!(texts.iter().any(|each| each == text), "{name} has no {text}: {texts:?}");
        }
        assert!(texts.iter().any(|each| each.ends_with("18 of 20 entries are nonzero (90.0 %)")), "{texts:?}");
    }
}

#[test]
fn large_jacobians_are_binned() {
    let folder = tempfile::tempdir().unwrap();
    let (payload, file) = (folder.path().join("payload.json"), folder.path().join("jacobian.svg"));
    let ones = vec![1.0; 450];
    std::fs::write(&payload, secant::json!({"inputs": {"a": ones, "b": ones, "s": 2.0}}).to_string()).unwrap();
    let payload = format!("@{}", payload.display());
    run(["jacobian", "vectoradd", &payload, "--of", "result", "-o", file.to_str().unwrap()]).expect(0);
    let figure = std::fs::read_to_string(file).unwrap();
    assert!(figure.len() < 100_000, "{}", figure.len());
    let texts = texts(&figure).join(" ");
    assert!(texts.contains("450 × 901"), "{texts}");
    // The diagonals of a and b, and the column of s.
    assert!(
        texts.contains("1350 of 405450 entries are nonzero (0.3 %); a cell is the largest of up to 2 × 4"),
        "{texts}"
    );
}

#[test]
fn only_jacobians_and_studies_are_drawn() {
    let payload = r#"{"inputs": {"x": 1.2, "y": 1.0}, "tangent_vector": {"x": 1}}"#;
    for command in ["apply", "jvp", "abstract-eval"] {
        let outcome = run([command, "rosenbrock", payload, "-o", "never.svg"]).expect(2);
        assert_eq!(outcome.stderr, "error: -o: only a Jacobian or a study can be drawn\n");
    }
    let outcome = run(["jacobian", "rosenbrock", payload, "-o", "never.html", "--format", "npz"]).expect(2);
    assert_eq!(outcome.stderr, "error: -o: the file's ending asks for a figure, --format for numbers\n");
}
