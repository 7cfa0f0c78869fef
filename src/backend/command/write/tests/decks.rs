//! Whole decks: of antennas, of PEST, of Dakota.

use super::*;

#[test]
fn an_antenna_is_described() {
    let deck = "CE {{ title }}\nCE\n{% for wire in wires %}\nGW{{ loop.index | fmt('I3') }}{{ wire.segments | fmt('I5') }}\
        {% for end in wire.ends %}{% for x in end %}{{ x | fmt('F10.5') }}{% endfor %}{% endfor %}{{ wire.radius | fmt('F10.6') }}\n\
        {% endfor %}\nGE    0\nFR    0    1    0    0{{ frequency | fmt('10') }}\nEN\n";
    let wire = |z: f64, segments: i32| {
        Tree::fields([
            ("ends", Array::new(&[2, 3], vec![0.0, 0.0, -z, 0.0, 0.0, z]).into()),
            ("radius", Tree::from(0.0005)),
            ("segments", Array::new(&[], vec![segments]).into()),
        ])
    };
    let inputs = Tree::fields([
        ("title", text("\"a dipole\"")),
        ("wires", Tree::List(vec![wire(0.25, 21), wire(1.0 / 3.0, 7)])),
        ("frequency", Tree::from(299.792458)),
    ]);
    let source = source("to = 'stdin'\ntemplate = 'nec.tpl'", "nec.tpl", deck).unwrap();
    insta::assert_snapshot!(written(&source, &inputs).unwrap(), @r"
    CE a dipole
    CE
    GW  1   21   0.00000   0.00000  -0.25000   0.00000   0.00000   0.25000  0.000500
    GW  2    7   0.00000   0.00000  -0.33333   0.00000   0.00000   0.33333  0.000500
    GE    0
    FR    0    1    0    0299.792458
    EN
    ");
    let text = source.lay_out(&inputs, Asked::default()).unwrap();
    let field = text.fields().nth(9).unwrap();
    assert_eq!((field.path.to_string().as_str(), field.element), ("wires.[1].ends", 2));
    assert_eq!(field.decimal.round(-1.0 / 3.0), -0.33333);
}

const TPL: &str = "ptf ~\nporosity ~ n      ~ and ~k~ again ~n~\nlayer 3: ~    K2    ~\n";

#[test]
fn pest_templates_are_filled() {
    let entry = "to = 'model.in'\npest = 'model.tpl'\nparameters = {k = 'cond[0]', k2 = 'cond[1]', n = 'porosity'}";
    let source = source(entry, "model.tpl", TPL).unwrap();
    let inputs = Tree::fields([("porosity", Tree::from(1.0 / 3.0)), ("cond", vector(&[2.0, -2.0 / 3.0 * 1e-7]))]);
    assert_eq!(
        written(&source, &Tree::fields([("porosity", Tree::from(0.5)), ("cond", vector(&[2.0, 3e-7]))])).unwrap(),
        "porosity        0.5 and 2.0 again 0.5\nlayer 3:    0.0000003\n"
    );
    let text = source.lay_out(&inputs, Asked::default()).unwrap();
    // The narrowest field decides what the model sees, in all of them.
    let agreed = decimals([("model.in", &text)]).unwrap();
    let porosity = agreed[&"porosity".parse().unwrap()][&0];
    assert_eq!(porosity.round(1.0 / 3.0), 0.33);
    let mut out = Vec::new();
    let rounded = |field: &Field| agreed[&field.path][&field.element].round(value(&inputs, field));
    let told = text.write(&mut out, rounded).map(|()| String::from_utf8(out).unwrap());
    assert_eq!(told, Ok("porosity       0.33 and 2.0 again .33\nlayer 3: -6.666667e-8\n".to_owned()));
    let told =
        written(&source, &Tree::fields([("porosity", Tree::from(0.5)), ("cond", vector(&[1e-5, 1.0]))])).unwrap_err();
    insta::assert_snapshot!(told, @"coordinate 0 of cond: 1e-5 cannot be written as width 3: the field is too narrow");
}

#[test]
fn mistakes_in_pest_templates_are_told() {
    let load = |deck: &str| source("to = 'a'\npest = 'a.tpl'", "a.tpl", deck);
    insta::assert_snapshot!(load("pif ~\n").unwrap_err(), @"a.tpl:1: a template of PEST begins with `ptf` and a delimiter, such as `ptf ~`, not with 'pif ~'");
    insta::assert_snapshot!(load("ptf #\n#a# #b\n#  #\n").unwrap_err(), @r"
    a.tpl:2: a # is left over
    a.tpl:3: there is no name between delimiters
    ");
    let signature = signature(json!({"porosity": {"type": "number"}}));
    insta::assert_snapshot!(load("ptf #\n#porsity#\n").unwrap().check(&signature.inputs).join("\n"), @"a.tpl:2: porsity: there is no input porsity: is porosity meant?");
}

#[test]
fn dakota_passes_its_parameters() {
    let entry = "to = 'params.in'\ndakota = {variables = {x1 = 'x[0]', x2 = 'x[1]', n = 'count', kind = 'kind'}, responses = ['f', 'g'], gradients = true}";
    let inputs = Tree::fields([
        ("x", vector(&[1.5, -1.0 / 3.0])),
        ("count", Array::new(&[], vec![4i32]).into()),
        ("kind", text("\"fine\"")),
    ]);
    let standard = source(entry, "none", "").unwrap();
    insta::assert_snapshot!(written(&standard, &inputs).unwrap());
    let aprepro = source(&entry.replace("gradients = true", "aprepro = true"), "none", "").unwrap();
    let text = aprepro.lay_out(&inputs, Asked::Gradients).unwrap();
    let mut out = Vec::new();
    text.write(&mut out, |field| value(&inputs, field)).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
    let wrong = entry.replace("x[0]", "x").replace("x[1]", "z");
    insta::assert_snapshot!(written(&source(&wrong, "none", "").unwrap(), &inputs).unwrap_err(), @r"
    params.in: x1: x has the shape [2]: name one element, such as x[0]
    params.in: x2: there is no input z: is x meant?
    ");
    let wrong = entry.replace("'f'", "'f f'");
    insta::assert_snapshot!(source(&wrong, "none", "").unwrap_err(), @"params.in: 'f f' cannot be a descriptor: blanks, braces and = end one");
}
