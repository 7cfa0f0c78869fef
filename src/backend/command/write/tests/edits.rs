//! Files some of whose numbers are replaced.

use proptest::prelude::*;

use super::*;

fn edited(file: &str, deck: &str, edits: &str, inputs: &Tree) -> Result<String, String> {
    let entry = format!("to = 'run.txt'\nedit = '{file}'\nset = [{edits}]");
    written(&source(&entry, file, deck)?, inputs)
}

fn inputs() -> Tree {
    Tree::fields([
        ("x", Tree::from(0.125)),
        ("y", vector(&[1.5, 2.5, 3.5])),
        ("n", Array::new(&[], vec![42i32]).into()),
        ("word", text("\"it's\"")),
        ("flag", Array::from_bytes(crate::tree::DType::Bool, &[], &[0]).unwrap().into()),
    ])
}

#[test]
fn a_field_after_an_anchor_is_replaced() {
    let deck = "alpha = 1.0, beta: 2.0 ! alpha\r\n 7 8 9\r\nalpha = 3.0 caf\u{e9}";
    let set = |edits: &str| edited("deck.txt", deck, edits, &inputs());
    assert_eq!(set("{path = 'x', anchor = 'alpha'}").unwrap(), deck.replacen("1.0", "0.125", 1));
    assert_eq!(
        set("{path = 'x', anchor = 'alpha', occurrence = 'last', format = 'D'}").unwrap(),
        deck.replacen("3.0", "0.125", 1)
    );
    assert_eq!(set("{path = 'y[1]', anchor = 'beta'}").unwrap(), deck.replacen("2.0", "2.5", 1));
    assert_eq!(set("{path = 'y', anchor = 'alpha', row = 1}").unwrap(), deck.replacen("7 8 9", "1.5 2.5 3.5", 1));
    assert_eq!(
        set("{path = 'n', anchor = 'alpha', row = 1, field = 3}, {path = 'x', anchor = 'beta'}").unwrap(),
        deck.replacen("2.0", "0.125", 1).replacen('9', "42", 1)
    );
    insta::assert_snapshot!(set("{path = 'x', anchor = 'gamma'}, {path = 'x', anchor = 'alpha', occurrence = 5}, {path = 'x', anchor = 'beta', field = 9}").unwrap_err(), @r#"
    deck.txt: x: the anchor "gamma" is not in the file
    deck.txt: x: the anchor "alpha" is in the file 3 times only
    deck.txt: x: line 1 has 3 fields in ": 2.0 ! alpha", and 1 are wanted from the 9th on
    "#);
    insta::assert_snapshot!(set("{path = 'x', anchor = 'beta'}, {path = 'n', anchor = 'beta'}, {path = 'y[7]', anchor = 'beta'}").unwrap_err(), @r"
    deck.txt: y[7]: there is no y[7]: y has the shape [3]
    deck.txt: n: stands in the same place as x
    ");
    insta::assert_snapshot!(set("{path = 'x[', anchor = 'beta'}, {path = 'x', anchor = 'beta', format = '%q'}").unwrap_err(), @r"
    deck.txt: x[: 'x[' is not a path: '[' in the name 'x[' (paths look like a.b, list.[0], dict.{key})
    deck.txt: x: '%q' is no format of a number: formats look like %12.5e (C), E12.5, ES12.5, F8.3, D15.7, G14.6 (Fortran), 8 or `8 decimal` or `8 D` (the most digits that a field of 8 holds) and `shortest`
    ");
}

#[test]
fn every_occurrence_can_be_meant() {
    let set = "{path = 'x', anchor = 'k', occurrence = 'all'}";
    assert_eq!(edited("a.txt", "k 1\nk 2\n", set, &inputs()).unwrap(), "k 0.125\nk 0.125\n");
}

#[test]
fn columns_are_filled() {
    let deck = "    GRID       1          1.0     2.0     3.0\nCARD\n";
    let set = |edits: &str| edited("deck.dat", deck, edits, &inputs());
    assert_eq!(
        set("{path = 'y', line = 1, columns = [25, 32]}").unwrap(),
        "    GRID       1             1.5     2.5     3.5\nCARD\n"
    );
    assert_eq!(
        set("{path = 'x', line = 1, columns = [25, 32], format = '%.1e'}").unwrap(),
        "    GRID       1         1.2e-01  2.0     3.0\nCARD\n"
    );
    // A card that ends early is made longer.
    assert_eq!(
        set("{path = 'x', line = 2, columns = [9, 16]}, {path = 'n', line = 2, columns = [17, 20]}, {path = 'word', line = 2, columns = [21, 26]}").unwrap(),
        "    GRID       1          1.0     2.0     3.0\nCARD       0.125  42it's  \n"
    );
    insta::assert_snapshot!(set("{path = 'x', line = 9, columns = [1, 8]}, {path = 'x', line = 1, columns = [8, 1]}").unwrap_err(), @r"
    deck.dat: x: there is no line 9: the file has 2
    deck.dat: x: line 1, columns 8 to 1: lines and columns are counted from 1
    ");
    insta::assert_snapshot!(set("{path = 'x', line = 1, columns = [1, 4], format = 'F10.6'}").unwrap_err(), @"coordinate 0 of x: 0.125 cannot be written as F10.6 in 4 columns: the field is too narrow");
    insta::assert_snapshot!(set("{path = 'n', line = 1, columns = [1, 1]}").unwrap_err(), @r#"deck.dat: n: "42" does not fit 1 columns"#);
}

#[test]
fn documents_keep_all_else() {
    let json = "{ \"a\" : [1, {\"b/c\": 2.50}],\n \"s\": \"t\", \"big\": 12345678901234567890123 }\n";
    let set = |edits: &str| edited("in.json", json, edits, &inputs());
    assert_eq!(set("{path = 'x', pointer = '/a/1/b~1c'}").unwrap(), json.replace("2.50", "0.125"));
    assert_eq!(
        set("{path = 'y', pointer = '/a'}, {path = 'word', pointer = '/s'}").unwrap(),
        "{ \"a\" : [1.5, 2.5, 3.5],\n \"s\": \"it's\", \"big\": 12345678901234567890123 }\n"
    );
    insta::assert_snapshot!(set("{path = 'x', pointer = '/a/7'}, {path = 'x', pointer = 'a'}, {path = 'x', pointer = '/s/b'}").unwrap_err(), @r"
    in.json: x: the document has no '7' at /a
    in.json: x: 'a' is no pointer: it looks like /a/b/0
    in.json: x: the document has no 'b' at /s
    ");

    let toml =
        "# kept\n[solver] # too\ntolerance = 1e-6\nsteps = [1, 2]\n[[part]]\nk = 3.0\n[[part]]\nk = 4.0 # second\n";
    let set = |edits: &str| edited("in.toml", toml, edits, &inputs());
    assert_eq!(
        set("{path = 'x', pointer = '/solver/tolerance'}, {path = 'y[0]', pointer = '/part/1/k'}").unwrap(),
        toml.replace("1e-6", "0.125").replace("4.0", "1.5")
    );
    assert_eq!(set("{path = 'y', pointer = '/solver/steps'}").unwrap(), toml.replace("[1, 2]", "[1.5, 2.5, 3.5]"));
    insta::assert_snapshot!(set("{path = 'x', pointer = '/solver'}, {path = 'x', pointer = '/solver/tol'}").unwrap_err(), @r"
    in.toml: x: the pointer leads to a table, not to a value
    in.toml: x: the document has no 'tol' at /solver
    ");
    insta::assert_snapshot!(edited("in.xml", "<a/>", "{path = 'x', pointer = '/a'}", &inputs()).unwrap_err(), @"in.xml: x: a pointer leads into a .json or .toml file; use an anchor or columns here");
}

const NAMELIST: &str = "! a deck\n &FLOW  ! mach = 9\n  Mach = 0.8, alpha=2.0  title = 'a / b, it''s = 3'\n  cl(2) = 5.0 6.0,\n  t = 2*3.0, 4.0, 2*, 7.0\n  b%c(1) = 1.0\n on=.true.\n/\n$other x=1.d0 $end\n&flow mach=0.9 /\n";

#[test]
fn namelists_are_understood() {
    let set = |edits: &str| edited("in.nml", NAMELIST, edits, &inputs());
    let with = |from: &str, to: &str| Ok(NAMELIST.replacen(from, to, 1));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 'MACH'}"), with("0.8", "0.125"));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 'mach', occurrence = 2}"), with("0.9", "0.125"));
    assert_eq!(set("{path = 'x', namelist = 'other', name = 'x', format = 'D12.4'}"), with("1.d0", "  0.1250D+00"));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 'cl', index = 3}"), with("6.0", "0.125"));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 'b%c(1)'}"), with("c(1) = 1.0", "c(1) = 0.125"));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 't', index = 2}"), with("2*3.0", "3.0, 0.125"));
    assert_eq!(set("{path = 'y', namelist = 'flow', name = 't'}"), with("2*3.0, 4.0", "1.5, 2.5, 3.5"));
    assert_eq!(set("{path = 'x', namelist = 'flow', name = 't', index = 6}"), with("7.0", "0.125"));
    assert_eq!(
        set(
            "{path = 'x', namelist = 'flow', name = 't', index = 1}, {path = 'y[0]', namelist = 'flow', name = 't', index = 2}"
        ),
        with("2*3.0", "0.125, 1.5")
    );
    assert_eq!(
        set("{path = 'word', namelist = 'flow', name = 'title'}, {path = 'flag', namelist = 'flow', name = 'on'}"),
        Ok(NAMELIST.replacen("'a / b, it''s = 3'", "'it''s'", 1).replacen(".true.", ".false.", 1))
    );
    insta::assert_snapshot!(set("{path = 'x', namelist = 'flow', name = 'beta'}, {path = 'x', namelist = 'none', name = 'beta'}, {path = 'x', namelist = 'flow', name = 't', index = 4}, {path = 'x', namelist = 'flow', name = 't', index = 9}, {path = 'x', namelist = 'flow', name = 'cl', index = 1}, {path = 'x', namelist = 'flow', name = 'mach', occurrence = 3}").unwrap_err());
    insta::assert_snapshot!(edited("in.nml", "&a x = 1\n", "{path = 'x', namelist = 'a', name = 'x'}", &inputs()).unwrap_err(), @"in.nml: x: the namelist &a does not end");
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL
}

proptest! {
    #[test]
    fn what_an_editor_writes_is_read_back_equal(a in finite(), b in finite()) {
        let inputs = Tree::fields([("v", vector(&[a, b]))]);
        let anchored = edited("a.txt", "head\nvalues: 1.0, 2.0 end\n", "{path = 'v', anchor = 'values'}", &inputs).unwrap();
        let fields: Vec<f64> = anchored[13..].split([',', ' ']).filter_map(|word| word.parse().ok()).collect();
        prop_assert_eq!(&fields, &[a, b]);

        let json = edited("a.json", "{\"p\": [0, [1, 2]]}", "{path = 'v', pointer = '/p/1'}", &inputs).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(json["p"][1].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>(), [a, b]);

        let toml = edited("a.toml", "p = {q = [1.0, 2.0]}", "{path = 'v', pointer = '/p/q'}", &inputs).unwrap();
        let toml: toml::Table = toml.parse().unwrap();
        prop_assert_eq!(toml["p"]["q"].as_array().unwrap().iter().map(|v| v.as_float().unwrap()).collect::<Vec<_>>(), [a, b]);

        let namelist = edited("a.nml", "&g k=9 v = 2*1.0 / ", "{path = 'v', namelist = 'g', name = 'v', format = 'D'}", &inputs).unwrap();
        let list = namelist.split("v = ").nth(1).unwrap().trim_end_matches(" / ").replace('D', "e");
        let list: Vec<f64> = list.split(", ").map(|word| word.parse().unwrap()).collect();
        prop_assert_eq!(list, [a, b]);

        // Columns carry what their width does, and the same always.
        let columns = edited("a.dat", "X\n", "{path = 'v', line = 1, columns = [5, 14]}", &inputs).unwrap();
        let decimal = crate::diff::Decimal::fill(10);
        prop_assert_eq!(columns[4..14].trim().parse::<f64>().unwrap(), decimal.round(a));
        prop_assert_eq!(columns[14..24].trim().parse::<f64>().unwrap(), decimal.round(b));
    }

    #[test]
    fn any_bytes_are_edited_or_refused(deck in "[ \\n&$/!'\",=*()a0-9x.]{0,60}") {
        for edits in [
            "{path = 'x', namelist = 'a', name = 'x'}", "{path = 'y', anchor = 'a', occurrence = -1}",
            "{path = 'y', line = 2, columns = [3, 7]}",
        ] {
            let inputs = inputs();
            if let Ok(text) = edited("a.txt", &deck, edits, &inputs) {
                prop_assert!(text.contains(if edits.contains("'y'") { "2.5" } else { "0.125" }), "{}", text);
            }
        }
    }
}
