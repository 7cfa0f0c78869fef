//! Templates: what they may say, and what they may not.

use num_complex::Complex;
use proptest::prelude::*;

use super::*;

fn inputs() -> Tree {
    Tree::fields([
        ("x", Tree::from(1.5)),
        ("y", vector(&[1.0, -2.25e-7, 3.0])),
        ("grid", Array::new(&[2, 2], vec![1.0, 2.0, 3.0, 4.0]).into()),
        ("z", Array::new(&[2], vec![Complex::new(1.0, 2.0), Complex::new(3.0, 4.0)]).into()),
        ("n", Array::new(&[], vec![7i32]).into()),
        ("codes", Array::new(&[3], vec![1i64, -20, 300]).into()),
        ("big", Array::new(&[], vec![u64::MAX]).into()),
        ("flag", Array::from_bytes(crate::tree::DType::Bool, &[], &[1]).unwrap().into()),
        ("title", text("\"A {{ x }} <b> 'title'\"")),
        ("nothing", text("null")),
        ("layers", Tree::List(vec![Tree::fields([("k", Tree::from(10.0))]), Tree::fields([("k", Tree::from(20.0))])])),
    ])
}

fn says(text: &str) -> String {
    written(&template(text).unwrap(), &inputs()).unwrap()
}

fn refuses(text: &str) -> String {
    written(&template(text).unwrap(), &inputs()).unwrap_err()
}

#[test]
fn values_are_written_where_they_stand() {
    assert_eq!(
        says("x={{ x }} y={{y[1]}} {{ grid[1][0] }} {{ grid[0,] [1] }}".replace("[0,] ", "[0]").as_str()),
        "x=1.5 y=-2.25e-7 3.0 2.0"
    );
    assert_eq!(
        says("{{ x | fmt('%12.5e') }}|{{ x | fmt('D12.5') }}|{{ y[0] | fmt('8') }}|"),
        " 1.50000e+00| 0.15000D+01|     1.0|"
    );
    assert_eq!(says("{{ z[1].re }} {{ z[0].im }}"), "3.0 2.0");
    assert_eq!(says("{% for layer in layers %}{{ loop.index }} {{ layer.k }};{% endfor %}"), "1 10.0;2 20.0;");
    assert_eq!(says("{{ y | join(', ') }}\n"), "1.0, -2.25e-7, 3.0\n");
    assert_eq!(says("{{ y | length }} {{ y[-1] }}"), "3 3.0");
    assert_eq!(
        says("{% set first = y[0] %}{{ first }}{% set both %}{{ x }}/{{ first }}{% endset %} {{ both }}"),
        "1.0 1.5/1.0"
    );
}

#[test]
fn a_line_of_its_own_is_no_line_of_the_text() {
    let deck =
        "begin\n{% for row in grid %}\n{% for v in row %}{{ v | fmt('F8.3') }}{% endfor %}\n\n{% endfor %}\nend\n";
    assert_eq!(says(deck), "begin\n   1.000   2.000\n   3.000   4.000\nend\n");
}

#[test]
fn what_does_not_vary_is_written_as_it_is() {
    assert_eq!(says("{{ n }} {{ big }} {{ flag }} {{ title }}"), "7 18446744073709551615 true A {{ x }} <b> 'title'");
    assert_eq!(
        says("{{ n | fmt('%5d') }}|{{ n | fmt('I5') }}|{{ n | fmt('I5.3') }}|{{ codes[1] | fmt('%-6d') }}|"),
        "    7|    7|  007|-20   |"
    );
    assert_eq!(
        says("{% if n > 3 and flag %}many{% else %}few{% endif %}{% if nothing is none %}, none{% endif %}"),
        "many, none"
    );
    assert_eq!(says("{{ n * 2 + codes[0] }} {{ codes | sum }}"), "15 281");
}

#[test]
fn floating_numbers_are_not_computed_with() {
    let told = refuses("{% if x > 1 %}{{ x }}{% endif %}");
    insta::assert_snapshot!(told, @r#"deck: the template computes with x, or asks what it is. It is a floating number, which a text must say itself, since what is made of it would not change when it does: write {{ x }} or {{ x | fmt("%12.5e") }}"#);
    for text in [
        "{{ x + 1 }}",
        "{{ 2 * x }}",
        "{{ -x }}",
        "{{ x ** 2 }}",
        "{{ x < y[0] }}",
        "{{ x == 1.5 }}",
        "{{ 1.5 == x }}",
        "{{ x != 1 }}",
        "{{ 1 in y }}",
        "{{ x in [1.5] }}",
        "{% if x %}a{% endif %}",
        "{{ 'a' if y[0] else 'b' }}",
        "{{ not x }}",
        "{{ x and 1 }}",
        "{{ x | abs }}",
        "{{ x | round }}",
        "{{ x | int }}",
        "{{ x | string }}",
        "{{ x ~ 'm' }}",
        "{{ '%.3f' | format(x) }}",
        "{{ y | min }}",
        "{{ y | sort | join }}",
        "{{ y | sum }}",
        "{{ x is number }}",
        "{{ x is odd }}",
        "{{ range(x) | length }}",
        "{{ y | unique | length }}",
        "{{ y == [1.0] }}",
        "{{ x | default(3) + 1 }}",
        "{{ 0 < x < 2 }}",
        "{{ x | length }}",
        "{{ x | upper }}",
        "{{ x | replace('1', '2') }}",
        "{{ {'a': x, 'b': y[0]} | dictsort(by='value') | length }}",
    ] {
        let Err(told) = template(text).and_then(|source| written(&source, &inputs())) else {
            panic!("{text} is let through")
        };
        assert!(told.starts_with("deck"), "{text}: {told}");
    }
}

#[test]
fn what_is_no_number_is_told() {
    let cases = [
        "{{ y }}",
        "{{ grid[0] }}",
        "{{ y | fmt('8') }}",
        "{{ z[0] }}",
        "{{ codes }}",
        "{{ layers[0] }}",
        "{{ nothing }}",
        "{{ y[3] }}",
        "line\n{{ layers[0].kk }}",
        "{{ x | fmt('%d') }}",
        "{{ title | fmt('8') }}",
        "{{ n | fmt('%8q') }}",
        "{% set t %}{{ x }}{% endset %}{{ t[:2] }}",
        "{{ n | fmt('I0.x') }}",
    ];
    let told: Vec<String> = cases.iter().map(|text| refuses(text)).collect();
    insta::assert_snapshot!(told.join("\n"));
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    insta::assert_snapshot!(refuses(endless), @"deck:1: engine ran out of fuel");
}

#[test]
fn mistakes_are_found_before_there_are_inputs() {
    let number = json!({"type": "number", "differentiable": true});
    let signature =
        signature(json!({"width": number, "height": number, "part": {"type": "object", "properties": {"a": number}}}));
    let told =
        |text: &str| template(text).map_or_else(|error| error, |source| source.check(&signature.inputs).join("\n"));
    for text in [
        "{{ width }} {{ part.a }} {% for i in range(3) %}{{ i }}{% endfor %}",
        "{\"a\":{\"b\":{{ width }}}}",
        "a {b}} {{c}",
        "{{\n  width\n}}",
        "{% raw %}{{ width }}{% endraw %}",
    ] {
        let told = told(text);
        let fine = told.is_empty() || text == "a {b}} {{c}";
        assert!(fine, "{text}: {told}");
    }
    insta::assert_snapshot!(told("{{ widht }}\n{{ x }}"), @r"
    deck: there is no input widht: is width meant?
    deck: there is no input x: the inputs are width, height, part
    ");
    insta::assert_snapshot!(told("one\n{ width }} two\n"), @"deck:2: a }} is left over beside the name of an input; values stand between {{ and }}");
    insta::assert_snapshot!(told("{{ width "), @"deck:1: syntax error: unexpected end of input, expected end of variable block");
    insta::assert_snapshot!(told("{{ width | fmt }}\n{% for %}"), @"deck:2: syntax error: unexpected end of block, expected in");

    let entry = "to = 'a.inp'\ntext = '<<width>> {{ height }} { }} part >>'\ndelimiters = ['<<', '>>']";
    let other = source(entry, "none", "").unwrap();
    insta::assert_snapshot!(other.check(&signature.inputs).join("\n"), @"the text for a.inp:1: a >> is left over beside the name of an input; values stand between << and >>");
    let inputs = Tree::fields([("width", Tree::from(2.0))]);
    assert_eq!(written(&other, &inputs).unwrap(), "2.0 {{ height }} { }} part >>");
    assert_eq!(
        source("to = 'a'\ntemplate = 'deck.tpl'", "deck.tpl", "{{ width }}\r\n")
            .map(|source| written(&source, &inputs)),
        Ok(Ok("2.0\r\n".into())).map_err(|_: String| String::new())
    );
}

proptest! {
    #[test]
    fn no_text_of_an_input_is_ever_a_template(word in "[{}%# x|\\\\\"'a-z0-9\u{1}\u{2}]{0,24}") {
        let inputs = Tree::fields([("word", text(&serde_json::to_string(&word).unwrap())), ("x", Tree::from(3.0))]);
        let written = written(&template("[{{ word }}|{{ x }}]").unwrap(), &inputs);
        match written {
            Ok(written) => prop_assert_eq!(written, format!("[{word}|3.0]")),
            Err(told) => prop_assert!(word.contains(['\u{1}', '\u{2}']), "{}", told),
        }
    }

    #[test]
    fn numbers_are_read_back_equal(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..9)) {
        let inputs = Tree::fields([("v", vector(&values))]);
        let deck = written(&template("{% for x in v %}{{ x }} {% endfor %}").unwrap(), &inputs).unwrap();
        let read: Vec<f64> = deck.split_whitespace().map(|word| word.parse().unwrap()).collect();
        prop_assert_eq!(read, values);
    }
}
