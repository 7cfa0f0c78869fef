//! Whatever a program answers and whatever a caller gives, there is an answer or an error: never a panic,
//! never a hang, never outputs that do not conform.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use secant::{Array, Block, DType, Error, Model, Tree, Value, json};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

/// An error is in words, and not in ours about ourselves.
fn check_words(error: &Error) {
    let words = error.to_string();
    assert!(!words.is_empty() && !words.contains("panicked") && !words.contains("a bug in secant"), "{words}");
}

// ---- programs

/// Answers each line with the next of the answers in a file, each of which is its length, a newline, and its
/// bytes. Ends where there are no more, and after an answer that is not a whole line.
const REPLAYER: &str = r#"
#include <stdio.h>

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) return 9;
    for (;;) {
        int byte;
        long length;
        while ((byte = getchar()) != '\n')
            if (byte == EOF) return 0;
        if (fscanf(file, "%ld", &length) != 1) return 3;
        fgetc(file);
        for (; length > 0; --length)
            putchar(byte = fgetc(file));
        fflush(stdout);
        if (byte != '\n') return 0;
    }
}
"#;

fn replayer() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replayer-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (source, program) = (folder.join("replay.c"), folder.join("replay"));
        fs::write(&source, REPLAYER).unwrap();
        let output = Command::new("cc").arg("-o").arg(&program).arg(&source).output();
        let output = output.unwrap_or_else(|error| panic!("these tests need a C compiler, `cc`: {error}"));
        assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        program
    })
}

const INPUT: &str = r#"{"properties": {"x": {"type": "number", "differentiable": true}}, "required": ["x"]}"#;
const OUTPUT: &str = r##"{
    "type": "object",
    "properties": {
        "y": {"type": "number", "differentiable": true},
        "v": {"type": "array", "items": {"type": "number"}, "shape": [3], "differentiable": true},
        "n": {"type": "integer", "dtype": "int32"},
        "s": {"enum": ["good", "fair"]}
    },
    "required": ["y", "v", "n", "s"],
    "additionalProperties": false
}"##;

/// A program that gives these answers, the first of them to the greeting if there is one.
fn model(protocol: &str, answers: &[Vec<u8>], limit: &str) -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &[u8]| fs::write(folder.path().join(file), text).unwrap();
    let manifest = format!(
        "input = \"input.json\"\noutput = \"output.json\"\n[executable]\ncommand = [{:?}, \"answers\"]\nprotocol = {protocol:?}\n[run]\ntimeout = {limit:?}\nstart_timeout = {limit:?}\nworkers = 1\n",
        replayer()
    );
    write("model.toml", manifest.as_bytes());
    write("input.json", INPUT.as_bytes());
    write("output.json", OUTPUT.as_bytes());
    let mut text = Vec::new();
    for answer in answers {
        text.extend_from_slice(format!("{}\n", answer.len()).as_bytes());
        text.extend_from_slice(answer);
    }
    write("answers", &text);
    let model = Model::open(folder.path()).unwrap();
    (folder, model)
}

fn leaf<'t>(tree: &'t Tree, path: &str) -> &'t Array {
    tree.leaf(&path.parse().unwrap()).unwrap()
}

/// Nothing but conforming outputs came out.
fn check_outputs(model: &Model, outputs: &Tree) {
    assert!(model.signature().outputs_from_tree(outputs).is_ok(), "{outputs:?}");
    let form = |path: &str| (leaf(outputs, path).dtype(), leaf(outputs, path).shape().to_vec());
    assert_eq!(form("y"), (DType::Float64, vec![]));
    assert_eq!(form("v"), (DType::Float64, vec![3]));
    assert_eq!(form("n"), (DType::Int32, vec![]));
    let texts: Vec<_> = outputs.texts().into_iter().map(|(path, text)| (path.to_string(), text)).collect();
    assert!(texts == [("s".to_owned(), "\"good\"")] || texts == [("s".to_owned(), "\"fair\"")], "{texts:?}");
}

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer: it needs not be one.
type Bytes = Vec<u8>;

fn line(text: &str) -> Bytes {
    format!("{text}\n").into_bytes()
}

/// The line that answers request `id`, as the protocol has it.
fn envelope(protocol: &str, id: &str, result: &str) -> Bytes {
    if protocol == "lines" {
        return line(result);
    }
    line(&format!("{{\"jsonrpc\": \"2.0\", \"id\": {id}, \"result\": {result}}}"))
}

fn good_outputs() -> impl Strategy<Value = Value> {
    let number = || any::<f64>().prop_filter("finite", |x| x.is_finite());
    (number(), [number(), number(), number()], any::<i32>(), select(vec!["good", "fair"]))
        .prop_map(|(y, v, n, s)| json!({"y": y, "v": v, "n": n, "s": s}))
}

/// JSON of the words that mean something to us.
fn any_json() -> impl Strategy<Value = Value> {
    let words = vec![
        "number",
        "base64",
        "json",
        "float64",
        "int32",
        "array",
        "AAAAAAAA8D8=",
        "x",
        "y",
        "good",
        "\u{7f}\u{7f}\u{7f}",
        "NaN",
        "",
    ];
    let names = vec![
        "y",
        "v",
        "n",
        "s",
        "x",
        "shape",
        "dtype",
        "data",
        "buffer",
        "encoding",
        "object_type",
        "error",
        "code",
        "message",
        "jsonrpc",
        "id",
        "result",
        "method",
        "params",
        "a {b}",
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1i64..5).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(words).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        let name = prop_oneof![5 => select(names.clone()).prop_map(str::to_owned), 1 => "\\PC{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// What stands where a number should, and is one at most to somebody.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "NaN", "Infinity", "-Infinity", "-NaN", "nan", "1e999", "-1e999", "1e-999", "-0.0", "1.", ".5", "0x10", "01", "1e", "+1",
            "null", "true", "{}", "[]", "[[]]", "[1,2]", "[1,2,3,4]", "[1,[2],3]", "[NaN,Infinity,null]", "\"1.0\"", "\"\\ud800\"", "2147483648",
            "18446744073709551616", "1.5e0", "{\"shape\":[3],\"dtype\":\"float64\",\"data\":[1,2,3]}",
            "{\"shape\":[9999999999],\"dtype\":\"float64\",\"data\":{\"encoding\":\"base64\",\"buffer\":\"\"}}",
            "{\"shape\":[4294967296,4294967296,4294967296],\"dtype\":\"float64\",\"data\":{\"encoding\":\"base64\",\"buffer\":\"AAAA\"}}",
            "{\"shape\":[],\"dtype\":\"float64\",\"data\":{\"encoding\":\"base64\",\"buffer\":\"AAAAAAAA8D8=\"}}",
            "{\"shape\":[],\"dtype\":\"complex128\",\"data\":{\"encoding\":\"json\",\"buffer\":[1,2]}}",
            "{\"shape\":[-1],\"dtype\":\"float64\",\"data\":{\"encoding\":\"json\",\"buffer\":[]}}",
            "{\"shape\":[0,18446744073709551615],\"dtype\":\"int8\",\"data\":{\"encoding\":\"json\",\"buffer\":[]}}",
            "{\"shape\":[3],\"dtype\":\"float64\",\"data\":{\"encoding\":\"base64+lz4\",\"buffer\":\"/////w==\"}}",
        ])
        .prop_map(str::to_owned),
        (1usize..600).prop_map(|digits| "9".repeat(digits)),
        (1usize..3000).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
        (1usize..3000).prop_map(|depth| "{\"v\":".repeat(depth) + "1" + &"}".repeat(depth)),
        any_json().prop_map(|value| value.to_string()),
    ]
}

/// A good text with one field replaced.
fn odd_outputs() -> impl Strategy<Value = String> {
    (odd_text(), 0usize..4).prop_map(|(odd, place)| {
        let mut fields = ["1.5", "[1,2,3]", "7", "\"good\""].map(str::to_owned);
        fields[place] = odd;
        let [y, v, n, s] = fields;
        format!("{{\"y\": {y}, \"v\": {v}, \"n\": {n}, \"s\": {s}}}")
    })
}

/// Flipped bits, lost bytes, doubled bytes.
fn damage(mut bytes: Bytes, harm: &[(Index, u8, u8)]) -> Bytes {
    for (place, kind, value) in harm {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] ^= 1 << (value % 8),
            1 => bytes[at] = *value,
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *value),
        }
    }
    bytes
}

fn harm() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    prop::collection::vec(any::<(Index, u8, u8)>(), 1..6)
}

/// Anything at all in answer to request `id`, where `good` would be an answer.
fn any_answer(protocol: &'static str, id: u64, good: BoxedStrategy<String>) -> BoxedStrategy<Bytes> {
    let whole = move |result: String| envelope(protocol, &id.to_string(), &result);
    let ids = prop_oneof![
        any::<i64>().prop_map(|id| id.to_string()),
        select(vec!["null", "\"1\"", "\"2\"", "2.0", "[2]", "1e0", "{}", "1", "2", "99999999999999999999"])
            .prop_map(str::to_owned),
    ];
    let error = prop_oneof![
        any_json(),
        (select(vec![-32700, -32602, -32601, -32600, -32001, -32000, 0, 7]), "\\PC{0,20}")
            .prop_map(|(code, message)| json!({"code": code, "message": message})),
    ];
    prop_oneof![
        2 => good.clone().prop_map(whole),
        4 => (good.clone(), harm()).prop_map(move |(good, harm)| damage(whole(good), &harm)),
        2 => (good.clone(), any::<Index>(), any::<bool>()).prop_map(move |(good, end, ended)| {
            let mut bytes = whole(good);
            bytes.truncate(end.index(bytes.len()));
            if ended { bytes.push(b'\n') }
            bytes
        }),
        2 => (good.clone(), ids).prop_map(move |(good, id)| envelope(protocol, &id, &good)),
        2 => any_json().prop_map(move |value| whole(value.to_string())),
        2 => odd_text().prop_map(whole),
        1 => odd_text().prop_map(|text| line(&text)),
        2 => error.prop_map(move |error| match protocol {
            "lines" => line(&json!({"error": error}).to_string()),
            _ => line(&json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()),
        }),
        2 => (good, select(vec!["log", "progress", "cancel", "sing"]), any_json()).prop_map(move |(good, method, params)| {
            let mut bytes = line(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
            bytes.extend(whole(good));
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|mut bytes| {
            bytes.push(b'\n');
            bytes
        }),
    ]
    .boxed()
}

fn greeting(methods: &'static str) -> BoxedStrategy<String> {
    let pipelines = vec!["1", "2", "8", "18446744073709551615"];
    let encodings = vec!["[]", "[\"json\"]", "[\"json\", \"base64\"]", "[\"shm\", \"morse\"]"];
    (select(pipelines), select(encodings))
        .prop_map(move |(pipeline, encodings)| {
            format!("{{\"protocol\": 1, \"methods\": {methods}, \"encodings\": {encodings}, \"pipeline\": {pipeline}}}")
        })
        .boxed()
}

fn whole_greeting(methods: &'static str) -> BoxedStrategy<Bytes> {
    prop_oneof![
        6 => greeting(methods).prop_map(|text| envelope("jsonrpc", "1", &text)),
        1 => any_answer("jsonrpc", 1, greeting(methods)),
    ]
    .boxed()
}

/// A protocol, and answers to its first requests.
fn conversation() -> impl Strategy<Value = (&'static str, Vec<Bytes>)> {
    let outputs = || prop_oneof![good_outputs().prop_map(|outputs| outputs.to_string()), odd_outputs()].boxed();
    let jsonrpc =
        (whole_greeting("[\"apply\"]"), any_answer("jsonrpc", 2, outputs()), any_answer("jsonrpc", 3, outputs()));
    let lines = (any_answer("lines", 0, outputs()), any_answer("lines", 0, outputs()));
    prop_oneof![
        2 => jsonrpc.prop_map(|(greeting, first, second)| ("jsonrpc", vec![greeting, first, second])),
        1 => lines.prop_map(|(first, second)| ("lines", vec![first, second])),
    ]
}

/// Answers that make a Jacobian, if they are whole: the model's own, or what differences need.
fn derivatives() -> impl Strategy<Value = Vec<Bytes>> {
    let own = select(vec![
        "{\"y\": {\"x\": 1.5}, \"v\": {\"x\": [1, 2, 3]}}",
        "{\"y\": {\"x\": [1.5]}, \"v\": {\"x\": [1, 2]}}",
        "{\"y\": {}, \"v\": 3}",
        "{\"y\": {\"x\": {\"shape\": [], \"dtype\": \"float64\", \"data\": {\"encoding\": \"base64\", \"buffer\": \"AAAAAAAA8D8=\"}}}, \"v\": {\"x\": [1, NaN, null]}}",
    ]);
    let own = own.prop_map(str::to_owned).boxed();
    let base = good_outputs().prop_map(|outputs| outputs.to_string()).boxed();
    let outcomes = select(vec![
        "[[1, 2, 3, 4]]",
        "[\"AAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/AAAAAAAA8D8=\"]",
        "[{\"error\": {\"code\": -32000, \"message\": \"no\"}}]",
        "[\"AAAA\"]",
        "[[1, 2, 3]]",
        "[[1, 2, 3, null]]",
        "[]",
        "[[1, 2, 3, 4], [1, 2, 3, 4]]",
        "{}",
    ]);
    let outcomes = outcomes.prop_map(str::to_owned).boxed();
    prop_oneof![
        (whole_greeting("[\"apply\", \"jacobian\"]"), any_answer("jsonrpc", 2, own))
            .prop_map(|(greeting, own)| vec![greeting, own]),
        (
            whole_greeting("[\"apply\", \"sweep\"]"),
            any_answer("jsonrpc", 2, base),
            any_answer("jsonrpc", 3, outcomes.clone()),
            any_answer("jsonrpc", 4, outcomes),
        )
            .prop_map(|(greeting, base, first, second)| vec![greeting, base, first, second]),
    ]
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_answer_is_outputs_or_an_error((protocol, answers) in conversation()) {
        let started = Instant::now();
        let (_folder, model) = model(protocol, &answers, "5s");
        for _ in 0..2 {
            match model.apply(&json!({"x": 1.5})) {
                Ok(outputs) => check_outputs(&model, &outputs),
                Err(error) => check_words(&error),
            }
        }
        drop(model);
        prop_assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
    }

    #[test]
    fn any_answer_is_a_jacobian_or_an_error(answers in derivatives()) {
        let started = Instant::now();
        let (_folder, model) = model("jsonrpc", &answers, "5s");
        match model.jacobian(&json!({"x": 1.5})).run() {
            Ok(jacobian) => {
                let shapes: Vec<_> = jacobian
                    .blocks()
                    .map(|(of, wrt, block)| {
                        let Block::Real(block) = block else { panic!("a complex derivative of real numbers") };
                        (of.to_string(), wrt.to_string(), block.len())
                    })
                    .collect();
                prop_assert_eq!(shapes, [("y".into(), "x".into(), 1), ("v".into(), "x".into(), 3)]);
            }
            Err(error) => check_words(&error),
        }
        drop(model);
        prop_assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn a_good_answer_is_taken_as_it_is_and_one_to_another_request_never(
        outputs in good_outputs(),
        greeting in greeting("[\"apply\"]"),
        id in any::<u64>().prop_filter("another", |id| *id != 2),
    ) {
        let greeting = envelope("jsonrpc", "1", &greeting);
        for (protocol, answers) in [
            ("jsonrpc", vec![greeting.clone(), envelope("jsonrpc", "2", &outputs.to_string())]),
            ("lines", vec![envelope("lines", "", &outputs.to_string())]),
        ] {
            let (_folder, model) = model(protocol, &answers, "5s");
            let found = model.apply(&json!({"x": 1.5})).unwrap();
            check_outputs(&model, &found);
            prop_assert_eq!(leaf(&found, "y").to_vec(), [outputs["y"].as_f64().unwrap()]);
            let v: Vec<_> = outputs["v"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
            prop_assert_eq!(leaf(&found, "v").to_vec(), v);
            prop_assert_eq!(leaf(&found, "n").to_vec(), [outputs["n"].as_f64().unwrap()]);
        }
        let answers = [greeting, envelope("jsonrpc", &id.to_string(), &outputs.to_string())];
        let (_folder, model) = model("jsonrpc", &answers, "5s");
        let taken = model.apply(&json!({"x": 1.5}));
        prop_assert!(taken.is_err());
    }
}

#[test]
fn an_answer_that_never_ends_its_line_runs_out_of_time() {
    // The replayer ends after such an answer; a shell does not.
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    write(
        "model.toml",
        "input = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['sh', '-c', 'printf \"{\"; exec sleep 60']\nprotocol = 'lines'\n[run]\ntimeout = '200ms'\n",
    );
    write("i.json", INPUT);
    write("o.json", OUTPUT);
    let started = Instant::now();
    let error = Model::open(folder.path()).unwrap().apply(&json!({"x": 1.5})).unwrap_err();
    assert!(error.to_string().contains("took longer than 200ms"), "{error}");
    assert!(started.elapsed() < PATIENCE);
}

// ---- callers

/// A model with a leaf of every form, which hands back what it is given.
fn echo() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        let vector = json!({"type": "array", "items": {"type": "number"}, "shape": [null], "differentiable": true});
        let schema = json!({
            "type": "object",
            "properties": {
                "x": {"type": "number", "differentiable": true, "minimum": -2, "exclusiveMaximum": 1e9, "default": 0.5},
                "y": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}, "shape": ["n", 2], "dtype": "float32", "differentiable": true},
                "n": {"type": "integer", "dtype": "uint8"},
                "s": {"type": "string", "pattern": "^[a-z]*$"},
                "v": {"type": "object", "additionalProperties": vector},
                "data": {"type": "array", "items": {"type": "object", "properties": {"x": vector}}},
                "z": {"type": "number", "dtype": "complex128", "differentiable": true},
                "params": {"anyOf": [vector, {"type": "null"}]},
                "any": true
            }
        });
        Model::from_fn("echo", &schema, &schema, |inputs| Ok(inputs.clone())).unwrap()
    })
}

fn check_echo(inputs: &Value) {
    match echo().apply(inputs) {
        Ok(outputs) => assert!(echo().signature().outputs_from_tree(&outputs).is_ok()),
        Err(error) => check_words(&error),
    }
    if let Err(error) = echo().jacobian(inputs).workers(1).run() {
        check_words(&error);
    }
}

/// JSON that uses the dialect's keywords, mostly wrongly.
fn any_schema() -> impl Strategy<Value = Value> {
    let keywords = vec![
        "type",
        "type",
        "type",
        "dtype",
        "shape",
        "items",
        "items",
        "prefixItems",
        "properties",
        "properties",
        "additionalProperties",
        "required",
        "$ref",
        "$defs",
        "$anchor",
        "anyOf",
        "allOf",
        "oneOf",
        "not",
        "if",
        "default",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMaximum",
        "scale",
        "differentiable",
        "minItems",
        "maxItems",
        "examples",
        "pattern",
        "patternProperties",
        "$id",
        "multipleOf",
        "x",
        "y",
        "a.{b}",
    ];
    let words = vec![
        "number",
        "number",
        "integer",
        "array",
        "object",
        "string",
        "null",
        "boolean",
        "float16",
        "float32",
        "complex64",
        "int8",
        "n",
        "#",
        "#/$defs/x",
        "#/properties/x",
        "#/properties/x/items",
        "#x",
        "http://nowhere/",
        "(",
        "",
    ];
    let scalar = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => (-2i64..4).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        3 => select(words).prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((select(keywords.clone()), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[xyzvan.\\[\\]{}\\\\0-9]{0,12}",
        "(x|y|z|v|data|params|any|n|s)(\\.(x|\\[\\]|\\{\\}|\\[[0-9]{1,22}\\]|\\{[a-k\\\\{}]{0,3}\\}|)){0,3}",
    ]
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_inputs_are_evaluated_or_refused(value in any_json()) {
        check_echo(&value);
    }

    #[test]
    fn any_value_in_its_place_is_evaluated_or_refused(
        value in any_json(),
        name in select(vec!["x", "y", "n", "s", "v", "data", "z", "params", "any"]),
    ) {
        let mut inputs = json!({"x": 1, "y": [[1, 2]], "v": {"k": [1]}, "data": [{"x": [2]}], "z": [1, 2]});
        inputs[name] = value;
        check_echo(&inputs);
    }

    #[test]
    fn any_schema_is_understood_or_refused(schema in any_schema(), inputs in any_json()) {
        let within = json!({"properties": {"x": schema}, "$defs": {"x": schema}});
        for schema in [&schema, &within] {
            match Model::from_fn("any", schema, schema, |inputs| Ok(inputs.clone())) {
                Ok(model) => {
                    for inputs in [&inputs, &json!({"x": inputs})] {
                        if let Err(error) = model.apply(inputs) {
                            check_words(&error);
                        }
                    }
                }
                Err(error) => check_words(&error),
            }
        }
    }

    #[test]
    fn any_json_is_a_schema_or_none(input in any_json(), output in any_json()) {
        if let Err(error) = Model::from_fn("any", &input, &output, |inputs| Ok(inputs.clone())) {
            check_words(&error);
        }
    }

    #[test]
    fn any_path_is_one_or_refused(wrt in any_path(), of in any_path(), step in any::<f64>()) {
        let inputs = json!({
            "x": 1, "y": [[1, 2]], "v": {"k": [1], "{": [2]}, "data": [{"x": [2]}], "z": [1, 2], "params": [3], "any": 1, "n": 1, "s": "a"
        });
        let model = echo();
        let queries = [
            model.jacobian(&inputs).wrt([&wrt]),
            model.jacobian(&inputs).of([&of]),
            model.jacobian(&inputs).wrt([&wrt, &of]).of([&of, &wrt]),
            model.jacobian(&inputs).eps_for([(wrt.clone(), step)]),
        ];
        for query in queries {
            match query.workers(1).run() {
                Ok(jacobian) => prop_assert!(jacobian.blocks().count() > 0),
                Err(error) => check_words(&error),
            }
        }
        let vector = [(wrt.as_str(), Array::scalar(step))];
        if let Err(error) = model.jvp(&inputs, vector.clone()).workers(1).run() {
            check_words(&error);
        }
        if let Err(error) = model.vjp(&inputs, vector).workers(1).run() {
            check_words(&error);
        }
    }
}
