//! `secant new` of programs that are there already: what it writes works.

use std::path::Path;
use std::process::{Command, Output};

use crate::probe::{python, secant};

/// A folder with files in it, in which `secant` runs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(files: &[(&str, &str)]) -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::write(desk.0.path().join(name), text).unwrap();
        }
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(secant());
        command.args(["--plugins", "plugins"]).args(arguments).current_dir(self.path());
        command.output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and standard error of a command that fails; it leaves no plugin behind.
    fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let left = std::fs::read_dir(self.path().join("plugins")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{arguments:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// The first number of a Jacobian of a case of PEST.
    fn first_slope(&self, model: &str, payload: &str) -> f64 {
        let said = self.said(&["jacobian", model, payload]);
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        value["out"]["x1"]["data"]["buffer"][0].as_f64().unwrap_or_else(|| panic!("{said}"))
    }

    /// One number of a Jacobian.
    fn derivative(&self, model: &str, payload: &str, of: &str, wrt: &str) -> f64 {
        let said = self.said(&["jacobian", model, payload, "--of", of, "--wrt", wrt]);
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        value[of][wrt]["data"]["buffer"].as_f64().unwrap_or_else(|| panic!("{said}"))
    }
}

/// Prints r² h and r + h of a deck with both on its second line.
const CONE: &str =
    "awk 'NR == 2 { printf \"VOLUME = %.10E\\nSUM OF BOTH %14.6f\\n\", $1 * $1 * $2, $1 + $2 }' cone.dat";

#[test]
fn a_command_from_its_deck_and_a_run() {
    let desk = Desk::new(&[("cone.dat", "A CONE\n  1.500000  3.000000\n"), ("cone.sh", CONE)]);
    desk.said(&["new", "cone", "--kind", "command", "--input", "cone.dat", "--", "sh", "cone.sh"]);
    assert!(desk.said(&["test", "cone"]).contains("2 passed"));
    let slope = desk.derivative("cone", r#"{"inputs": {"p1": 1.5, "p2": 3}}"#, "volume", "p1");
    assert!((slope - 9.0).abs() < 1e-5, "{slope}");

    let marked = ["--mark", "radius=2:3-10", "--mark", "height=3.000000", "--", "sh", "cone.sh"];
    desk.said(&[&["new", "marked", "--kind", "command", "--input", "cone.dat"][..], &marked[..]].concat());
    let slope = desk.derivative("marked", r#"{"inputs": {"radius": 1.5, "height": 3}}"#, "sum_of_both", "height");
    assert!((slope - 1.0).abs() < 1e-4, "{slope}");
}

#[test]
fn a_command_from_a_template() {
    let desk = Desk::new(&[("cone.in", "A CONE\n{{ radius }} {{ height | fmt('%.12e') }}\n"), ("cone.sh", CONE)]);
    let new = ["new", "cone", "--kind", "command", "--input", "cone.dat=cone.in"];
    let (code, error) = desk.refusal(&[&new[..], &["--set", "radius=2", "--", "sh", "cone.sh"]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("--set height=VALUE"), "{error}");
    desk.said(&[&new[..], &["--set", "radius=2", "--set", "height=3", "--", "sh", "cone.sh"]].concat());
    let slope = desk.derivative("cone", r#"{"inputs": {"radius": 2, "height": 3}}"#, "volume", "height");
    assert!((slope - 4.0).abs() < 1e-6, "{slope}");
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let desk = Desk::new(&[("deck", "x = 1.5\n"), ("fails.sh", "echo 'no licence' >&2; exit 3"), ("mute.sh", "true")]);
    let new = ["new", "it", "--kind", "command", "--input", "deck"];
    let (code, error) =
        desk.refusal(&[&new[..], &["--mark", "a=7:1-2", "--mark", "b=9.9", "--", "sh", "mute.sh"]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("there is no line 7") && error.contains("this text is not in the file"), "{error}");
    let (code, error) = desk.refusal(&[&new[..], &["--", "sh", "fails.sh"]].concat());
    assert_eq!(code, 3);
    assert!(error.contains("exited with code 3") && error.contains("no licence"), "{error}");
    let (code, error) = desk.refusal(&[&new[..], &["--", "sh", "mute.sh"]].concat());
    assert_eq!(code, 3);
    assert!(error.contains("no numbers with words beside them"), "{error}");
    let (code, _) = desk.refusal(&[&new[..], &["--", "./absent"]].concat());
    assert_eq!(code, 3);
}

#[test]
fn an_executable_from_an_example() {
    let Some(python) = python() else { return };
    let lines = "import json, sys\nfor line in sys.stdin:\n    x = json.loads(line)\n    \
                 print(json.dumps({\"y\": x[\"a\"] ** 2 * x[\"n\"]}), flush=True)\n";
    let once = "import json, sys\nx = json.load(sys.stdin)\nprint(json.dumps({\"y\": [x[\"a\"] ** 3, 1]}))\n";
    let desk = Desk::new(&[("lines.py", lines), ("once.py", once), ("rude.py", "print('hello')\n")]);
    let new = |name: &'static str, payload: &'static str, script: &'static str| {
        vec!["new", name, "--kind", "executable", "--payload", payload, "--", python, script]
    };
    desk.said(&new("square", r#"{"a": 1.5, "n": 3}"#, "lines.py"));
    assert!((desk.derivative("square", r#"{"inputs": {"a": 1.5, "n": 3}}"#, "y", "a") - 9.0).abs() < 1e-6);
    let list = desk.said(&["list"]);
    assert!(list.contains("executable (lines)") && list.contains("a -> y"), "{list}");
    desk.said(&new("cube", r#"{"a": 2.0}"#, "once.py"));
    assert!(desk.said(&["test", "cube"]).contains("2 passed"));
    let desk = Desk::new(&[("rude.py", "print('hello')\n")]);
    let (code, error) = desk.refusal(&new("rude", r#"{"a": 2.0}"#, "rude.py"));
    assert_eq!(code, 3);
    assert!(error.contains("as once: it answered hello"), "{error}");
}

const CASE: &str = "pcf
* control data
restart estimation
    2     2     2     0     1
    1     1 single point
* parameter groups
 ro  relative 0.01 0.0 switch 2.0 parabolic
 h   absolute 0.001 0.0 switch 2.0 parabolic
* parameter data
 X1 none relative 1.5 0.1 10 ro 1.0 0.0 1
 x2 fixed factor 2.5 0.1 10 h 1.0 0.0 1
* observation groups
 obs
* observation data
 o1 1.0 1.0 obs
 o2 1.0 1.0 obs
* model command line
sh model.sh
* model input/output
in.tpl in.dat
out.ins out.dat
";

#[test]
fn a_case_of_pest() {
    let files = [
        ("case.pst", CASE),
        ("in.tpl", "ptf ~\n~  x1     ~ ~  X2     ~\n"),
        ("out.ins", "pif @\n@value@ !o1!\nl1 [o2]1:14\n"),
        ("model.sh", "awk '{printf \"value  %.8e\\n%14.7e\\n\", $1*$1*$2, $1+$2}' in.dat > out.dat\n"),
    ];
    let desk = Desk::new(&files);
    desk.said(&["new", "case", "--from-pest", "case.pst", "--auto"]);
    assert!(desk.said(&["test", "case"]).contains("2 passed"));
    let said = desk.said(&["jacobian", "case", r#"{"inputs": {"x1": 1.5, "x2": 2.5}}"#]);
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    let slopes = value["out"]["x1"]["data"]["buffer"].as_array().unwrap();
    assert!((slopes[0].as_f64().unwrap() - 7.5).abs() < 1e-4, "{said}");
    assert!((slopes[1].as_f64().unwrap() - 1.0).abs() < 1e-4, "{said}");
    // A fixed parameter is an input, but no coordinate.
    assert!(value["out"].get("x2").is_none(), "{said}");

    desk.said(&["new", "stepped", "--from-pest", "case.pst"]);
    let manifest = std::fs::read_to_string(desk.path().join("plugins/stepped/model.toml")).unwrap();
    assert!(manifest.contains("\"x1\" = 0.015") && manifest.contains("algorithm = \"central\""), "{manifest}");
    assert!((desk.first_slope("stepped", r#"{"inputs": {"x1": 1.5, "x2": 2.5}}"#) - 7.5).abs() < 1e-4);

    // Tied parameters of one value are one input: x1³.
    let tied = CASE
        .replace("x2 fixed factor 2.5", "x2 tied factor 1.5")
        .replace("* observation groups", "x2 x1\n* observation groups");
    std::fs::write(desk.path().join("tied.pst"), tied.replace("switch", "always_2")).unwrap();
    desk.said(&["new", "tied", "--from-pest", "tied.pst"]);
    let manifest = std::fs::read_to_string(desk.path().join("plugins/tied/model.toml")).unwrap();
    assert!(manifest.contains("algorithm = \"forward\""), "{manifest}");
    // Forward with a step of 0.015: 3 x² and half the step times 6 x.
    let slope = desk.first_slope("tied", r#"{"inputs": {"x1": 1.5}}"#);
    assert!((slope - 6.75 - 0.0675).abs() < 1e-3, "{slope}");

    // A command for a shell, a file that it does not name, and a folder for what it writes.
    let desk = Desk::new(&files);
    let model = "awk '{printf \"value  %.8e\\n%14.7e\\n\", $1*$1*$2, $1+$2}' in.dat > $(cat where)\n";
    std::fs::write(desk.path().join("model.sh"), model).unwrap();
    std::fs::write(desk.path().join("where"), "res/out.dat").unwrap();
    let case = CASE.replace("sh model.sh", "sh model.sh 2> log").replace(" out.dat", " res/out.dat");
    std::fs::write(desk.path().join("case.pst"), case).unwrap();
    desk.said(&["new", "shell", "--from-pest", "case.pst", "--input", "where"]);
    assert!((desk.first_slope("shell", r#"{"inputs": {"x1": 1.5, "x2": 2.5}}"#) - 7.5).abs() < 1e-4);

    let desk = Desk::new(&files);
    let wrong =
        CASE.replace("X1 none", "X1 tied").replace("fixed factor 2.5 0.1 10 h 1.0", "fixed factor abc 0.1 10 h 2.0");
    std::fs::write(desk.path().join("wrong.pst"), wrong).unwrap();
    let (code, error) = desk.refusal(&["new", "case", "--from-pest", "wrong.pst"]);
    assert_eq!(code, 2);
    for words in
        ["wrong.pst:10: x1 is tied, but no line says", "wrong.pst:11: PARVAL1 is 'abc'", "wrong.pst:11: SCALE of x2"]
    {
        assert!(error.contains(words), "{error}");
    }
}
