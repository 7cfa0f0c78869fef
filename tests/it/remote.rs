//! Servers that misbehave, and what of their trouble a model behind a URL shows. The real ones are asked by
//! tests/clients/test_remote.py.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use secant::{AlgorithmName, Error, Inputs, Model, ModelErrorKind, QuestionError, Tree, Value, json};

use crate::probe::{options, plugin, scratch};

/// A request as it came.
struct Request {
    /// `POST /apply`.
    line: String,
    headers: String,
    body: Value,
}

/// What a server does with it.
enum Act {
    /// A status, more headers, and a body.
    Answer(u16, &'static str, String),
    /// These bytes, and nothing after them.
    Say(&'static str),
    /// An answer, and then the connection is closed without a word.
    Leave(Value),
    Wait(Duration),
}

/// A server of this test's, which lives as long as the process.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

fn serve(act: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (log, count, act) = (asked.clone(), connections.clone(), Arc::new(act));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            let (log, act) = (log.clone(), act.clone());
            std::thread::spawn(move || converse(stream, &log, &*act));
        }
    });
    Server { url, asked, connections }
}

/// Answers until the client leaves, or the act says to. `act` is told how often this was asked before.
fn converse(stream: TcpStream, log: &Mutex<Vec<Request>>, act: &dyn Fn(&Request, usize) -> Act) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let before = {
            let mut log = log.lock().unwrap();
            log.push(Request { line: request.line.clone(), headers: request.headers.clone(), body: Value::Null });
            log.iter().filter(|earlier| earlier.line == request.line).count() - 1
        };
        let (answer, stays) = match act(&request, before) {
            Act::Answer(status, headers, body) => (response(status, headers, &body), true),
            Act::Say(text) => (text.to_owned(), false),
            Act::Leave(value) => (response(200, "", &value.to_string()), false),
            Act::Wait(time) => {
                std::thread::sleep(time);
                (String::new(), false)
            }
        };
        if writer.write_all(answer.as_bytes()).is_err() || !stays {
            return;
        }
    }
}

fn response(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} So\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        reader.read_line(&mut headers).ok().filter(|&read| read > 0)?;
    }
    let headers = headers.to_lowercase();
    let length = headers.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn ok(value: &Value) -> Act {
    Act::Answer(200, "Content-Type: application/json\r\n", value.to_string())
}

/// What a Tesseract says of y = (x0², x0 x1), whose `x` is a plain list.
fn document() -> Value {
    let y = json!({
        "type": "object",
        "array_flags": ["DIFFERENTIABLE"],
        "properties": {
            "object_type": {"const": "array"},
            "shape": {"type": "array", "prefixItems": [{"enum": [1, 2]}], "minItems": 1, "maxItems": 1},
            "dtype": {"enum": ["float32", "float64"], "examples": ["float64"]},
        },
    });
    let x = json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2});
    json!({
        "info": {"title": "squares", "version": "3", "description": "two of them"},
        "paths": {"/apply": {}},
        "components": {"schemas": {
            "Apply_InputSchema": {"type": "object", "properties": {"x": x}, "required": ["x"]},
            "Apply_OutputSchema": {"type": "object", "properties": {"y": y}, "required": ["y"]},
        }},
    })
}

fn squares(request: &Request) -> Value {
    let x = |i: usize| request.body["inputs"]["x"][i].as_f64().unwrap();
    json!({"y": [x(0) * x(0), x(0) * x(1)]})
}

/// A Tesseract whose `apply` does this.
fn tesseract(apply: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Server {
    serve(move |request, before| match request.line.as_str() {
        "GET /openapi.json" => ok(&document()),
        "POST /apply" => apply(request, before),
        _ => Act::Answer(404, "", r#"{"detail":"Not Found"}"#.to_owned()),
    })
}

impl Server {
    fn manifest(&self, rest: &str) -> String {
        format!("[remote]\nurl = \"{}/\"\n{rest}\n[differentiable]\ninputs = [\"x\"]\n", self.url)
    }

    #[track_caller]
    fn open(&self, name: &str, rest: &str) -> Model {
        Model::open(plugin(name, &self.manifest(rest))).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(&self, name: &str, rest: &str) -> String {
        let manifest = format!("[remote]\nurl = \"{}\"\n{rest}", self.url);
        Model::open(plugin(name, &manifest)).err().expect("it should not open").to_string()
    }

    fn count(&self, line: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.line == line).count()
    }
}

fn at() -> Value {
    json!({"x": [3.0, 4.0]})
}

fn values(outputs: &Tree) -> Vec<f64> {
    outputs.leaf(&"y".parse().unwrap()).unwrap().to_vec()
}

/// Fails with the kind, and all these words.
#[track_caller]
fn assert_fails(model: &Model, kind: ModelErrorKind, words: &[&str]) {
    let Error::Question(QuestionError::Model { error, .. }) = model.apply(&at()).unwrap_err() else { panic!() };
    assert_eq!(error.kind, kind, "{error}");
    for word in words {
        assert!(error.message.contains(word), "expected {word:?} in {error}");
    }
}

#[test]
fn a_server_describes_its_model() {
    let server = tesseract(|request, _| ok(&squares(request)));
    let model = server.open("remote-squares", "");
    let description = model.description();
    assert_eq!((&*description.version, &*description.description), ("3", "two of them"));
    assert_eq!(description.kind, "remote (tesseract)");
    assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0]);
    let first = &server.asked.lock().unwrap()[1];
    assert!(first.headers.contains("content-type: application/json\r\n"), "{}", first.headers);
    assert!(first.headers.contains("accept: application/json\r\n"), "{}", first.headers);
}

#[test]
fn connections_are_kept_and_workers_do_not_show() {
    let mut jacobians = Vec::new();
    for workers in [1, 4] {
        let server = tesseract(|request, _| ok(&squares(request)));
        let model = server.open(&format!("remote-workers-{workers}"), &format!("[run]\nworkers = {workers}"));
        for _ in 0..5 {
            let question = model.jacobian(&at()).algorithm(AlgorithmName::Central);
            let jacobian = question.run().unwrap();
            jacobians.push(format!("{:?}", jacobian.blocks().collect::<Vec<_>>()));
        }
        assert_eq!(server.count("POST /apply"), 20);
        let connections = server.connections.load(Ordering::Relaxed);
        assert!(connections <= workers, "{connections} connections for {workers} workers");
    }
    assert!(jacobians.windows(2).all(|pair| pair[0] == pair[1]), "{jacobians:?}");
}

#[test]
fn a_server_that_hangs_up_is_asked_again() {
    let server = tesseract(|request, before| if before < 2 { Act::Say("") } else { ok(&squares(request)) });
    let model = server.open("remote-shy", "");
    assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0]);
    assert_eq!(server.count("POST /apply"), 3);
    // In the middle of an answer as well.
    let server = tesseract(|request, before| {
        if before < 1 { Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{") } else { ok(&squares(request)) }
    });
    let model = server.open("remote-half", "");
    assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0]);
}

#[test]
fn a_server_that_restarts_between_requests_is_no_trouble() {
    let server = tesseract(|request, _| Act::Leave(squares(request)));
    let model = server.open("remote-restarts", "");
    for _ in 0..5 {
        assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0]);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_always_hangs_up_has_crashed() {
    let server = tesseract(|_, _| Act::Say(""));
    let model = server.open("remote-gone", "");
    let words = ["/apply: the connection was closed before the answer was whole (asked 3 times)"];
    assert_fails(&model, ModelErrorKind::Crashed, &words);
    assert_eq!(server.count("POST /apply"), 3);
    let model = server.open("remote-gone-once", "retries = 0");
    assert_fails(&model, ModelErrorKind::Crashed, &["/apply: the connection was closed before the answer was whole"]);
    assert_eq!(server.count("POST /apply"), 4);
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let manifest = format!("[remote]\nurl = \"http://127.0.0.1:{port}\"");
    let error = Model::open(plugin("remote-nobody", &manifest)).err().unwrap().to_string();
    let said = format!("http://127.0.0.1:{port}/openapi.json: the connection was refused (asked 3 times)");
    assert!(error.contains(&said), "{error}");
}

#[test]
fn a_slow_answer_is_given_up() {
    let server = tesseract(
        |request, before| {
            if before == 0 { Act::Wait(Duration::from_secs(20)) } else { ok(&squares(request)) }
        },
    );
    let model = server.open("remote-slow", "[run]\ntimeout = \"300ms\"");
    let started = Instant::now();
    assert_fails(&model, ModelErrorKind::TimedOut, &["/apply took longer than 300ms and was given up"]);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0]);
    let server = serve(|_, _| Act::Wait(Duration::from_secs(20)));
    let words = server.refusal("remote-slow-start", "[run]\nstart_timeout = \"200ms\"");
    assert!(words.contains("/openapi.json took longer than 200ms"), "{words}");
}

#[test]
fn what_the_server_refuses_is_the_callers_fault() {
    let detail = json!({"detail": [
        {"type": "missing", "loc": ["body", "inputs", "mesh", "rows", 3], "msg": "Field required"},
        {"type": "value_error", "loc": ["body", "inputs"], "msg": "Value error, too long"},
    ]});
    let server = tesseract(move |_, before| match before {
        0 => Act::Answer(422, "", detail.to_string()),
        1 => Act::Answer(422, "", json!({"detail": vec![json!({"msg": "no", "loc": ["body"]}); 12]}).to_string()),
        _ => Act::Answer(422, "", r#"{"detail":"plainly no"}"#.to_owned()),
    });
    let model = server.open("remote-refuses", "");
    for words in ["/apply: mesh.rows.[3]: Field required; Value error, too long", "no; and 2 more", "plainly no"] {
        let error = model.apply(&at()).unwrap_err();
        assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(server.count("POST /apply"), 3, "what was answered is not asked again");
}

#[test]
fn every_status_has_its_meaning() {
    for (status, headers, body, kind, words) in [
        (500, "", "Internal Server Error", ModelErrorKind::Failed, "/apply: status 500, Internal Server Error"),
        (400, "", "", ModelErrorKind::Failed, "/apply: status 400, and nothing more"),
        (401, "", "who?", ModelErrorKind::Failed, "status 401, who?; a token is sent with remote.token_file"),
        (307, "Location: https://b/apply\r\n", "", ModelErrorKind::Failed, "it has moved to https://b/apply"),
        (502, "", "bad gateway", ModelErrorKind::Crashed, "status 502, bad gateway"),
        (503, "", "busy", ModelErrorKind::Failed, "status 503, busy"),
        (504, "", "late", ModelErrorKind::TimedOut, "status 504, late"),
    ] {
        let server = tesseract(move |_, _| Act::Answer(status, headers, body.to_owned()));
        let model = server.open(&format!("remote-status-{status}"), "");
        assert_fails(&model, kind, &[words]);
        assert_eq!(server.count("POST /apply"), 1, "{status}");
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let busy = |time: &'static str| Act::Answer(503, time, "busy".to_owned());
    let server = tesseract(move |request, before| match before {
        0 => busy("Retry-After: 0\r\n"),
        1 => busy("Retry-After: 1\r\n"),
        _ => ok(&squares(request)),
    });
    let started = Instant::now();
    assert_eq!(values(&server.open("remote-busy", "").apply(&at()).unwrap()), [9.0, 12.0]);
    assert!(started.elapsed() >= Duration::from_secs(1));
    // Not when that is later than we may wait.
    let server = tesseract(move |_, _| busy("Retry-After: 3600\r\n"));
    let model = server.open("remote-busy-long", "[run]\ntimeout = \"2s\"");
    let started = Instant::now();
    assert_fails(&model, ModelErrorKind::Failed, &["status 503, busy"]);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn answers_that_are_none() {
    for (name, act, kind, words) in [
        ("rubbish", Act::Answer(200, "", "{\"y\": [1,".to_owned()), ModelErrorKind::Broken, "is no good"),
        ("not-http", Act::Say("hello\r\n\r\n"), ModelErrorKind::Broken, "/apply does not speak HTTP"),
        ("shape", ok(&json!({"y": [1.0, 2.0, 3.0]})), ModelErrorKind::Failed, "(3,)"),
        ("field", ok(&json!({"z": 1})), ModelErrorKind::Failed, "do not conform to the output schema"),
        ("list", ok(&json!([1, 2])), ModelErrorKind::Failed, "do not conform to the output schema"),
    ] {
        let act = Mutex::new(Some(act));
        let server = tesseract(move |request, _| act.lock().unwrap().take().unwrap_or_else(|| ok(&squares(request))));
        let model = server.open(&format!("remote-no-answer-{name}"), "");
        assert_fails(&model, kind, &[words]);
        assert_eq!(values(&model.apply(&at()).unwrap()), [9.0, 12.0], "{name}");
    }
}

#[test]
fn headers_and_a_token_go_with_every_request() {
    let server = tesseract(|request, _| ok(&squares(request)));
    let name = "remote-token";
    std::fs::write(plugin(name, "").join("token"), "s3cret\n").unwrap();
    let model = server.open(name, "token_file = \"token\"\nheaders = { X-Project = \"wing\" }");
    model.apply(&at()).unwrap();
    for request in server.asked.lock().unwrap().iter() {
        assert!(request.headers.contains("authorization: bearer s3cret\r\n"), "{}", request.headers);
        assert!(request.headers.contains("x-project: wing\r\n"), "{}", request.headers);
    }
    let words = server.refusal("remote-no-token", "token_file = \"nowhere\"");
    assert!(words.contains("remote.token_file: ") && words.contains("nowhere"), "{words}");
    let words = server.refusal("remote-bad-header", "headers = { \"a b\" = \"c\" }");
    assert!(words.contains("remote.headers: 'a b'"), "{words}");
}

#[test]
fn a_server_that_is_neither_is_told_so() {
    let server = serve(|_, _| Act::Answer(200, "", "<html>welcome</html>".to_owned()));
    let words = server.refusal("remote-neither", "");
    for said in ["is neither a Tesseract nor an UM-Bridge server", "/openapi.json", "/Info", "<html>welcome"] {
        assert!(words.contains(said), "{words}");
    }
    let server = serve(|_, _| ok(&json!({"openapi": "3.1.0", "paths": {"/pets": {}}})));
    let words = server.refusal("remote-pets", "protocol = \"tesseract\"");
    assert!(words.contains("has no /apply with an input and an output schema"), "{words}");
}

#[test]
fn lists_too_large_for_a_model_are_named_by_their_path() {
    let server = tesseract(|request, _| ok(&squares(request)));
    let model = server.open("remote-checked", "");
    let error = model.apply(&json!({"x": [1.0, 2.0, 3.0]})).unwrap_err().to_string();
    assert!(error.contains("x: "), "{error}");
    assert_eq!(server.count("POST /apply"), 0, "what is wrong is found before anything is sent");
    assert!(json!({"x": [1.0, 2.0]}).read(model.signature()).is_ok());
}

/// An UM-Bridge server of one model, y = (2 x0, 2 x1), whose Evaluate does this.
fn umbridge(evaluate: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Server {
    serve(move |request, before| match request.line.as_str() {
        "GET /Info" => ok(&json!({"protocolVersion": 1.0, "models": ["twice"]})),
        "POST /ModelInfo" => ok(&json!({"support": {"Evaluate": true, "Gradient": false}})),
        "POST /InputSizes" => ok(&json!({"inputSizes": [2]})),
        "POST /OutputSizes" => ok(&json!({"outputSizes": [2]})),
        "POST /Evaluate" => evaluate(request, before),
        _ => Act::Answer(404, "", "404: Not Found".to_owned()),
    })
}

#[test]
fn an_umbridge_server_that_misbehaves() {
    let answer = |text: &str| Act::Answer(200, "Content-Type: text/plain\r\n", text.to_owned());
    let error = |kind: &str| json!({"error": {"type": kind, "message": "so it is"}}).to_string();
    let server = umbridge(move |request, before| match before {
        0 => Act::Answer(400, "", error("InvalidInput")),
        1 => Act::Answer(200, "", error("InvalidOutput")),
        2 => Act::Answer(500, "", "500 Internal Server Error".to_owned()),
        3 => answer("{\"output\": [[1.0]]}"),
        4 => answer("{\"output\": [[1.0, 2.0], [3.0]]}"),
        5 => answer("{\"output\": [[1.0, \"two\"]]}"),
        6 => answer("{\"outputs\": 1}"),
        7 => answer("so be it"),
        8 => answer("{\"output\": [[nan, -inf]] }"),
        _ => {
            let x = |i: usize| 2.0 * request.body["input"][0][i].as_f64().unwrap();
            ok(&json!({"output": [[x(0), x(1)]]}))
        }
    });
    let folder = plugin("remote-twice", &format!("[remote]\nurl = \"{}\"", server.url));
    let model = Model::open_with(folder, &options()).unwrap();
    assert_eq!(model.description().kind, "remote (umbridge)");
    let at = json!({"input_0": [3.0, 4.0]});
    for (kind, words) in [
        (None, "InvalidInput: so it is"),
        (Some(ModelErrorKind::Failed), "InvalidOutput: so it is"),
        (Some(ModelErrorKind::Failed), "status 500, 500 Internal Server Error"),
        (Some(ModelErrorKind::Failed), "it answered an array of shape [1] for a vector of size 2"),
        (Some(ModelErrorKind::Broken), "expected 1 vectors"),
        (Some(ModelErrorKind::Broken), "non-numeric"),
        (Some(ModelErrorKind::Broken), "it has no output"),
        (Some(ModelErrorKind::Broken), "so be it"),
    ] {
        let error = model.apply(&at).unwrap_err();
        let found = match &error {
            Error::Question(QuestionError::Model { error, .. }) => Some(error.kind),
            _ => None,
        };
        assert_eq!(found, kind, "{error}");
        assert!(error.to_string().contains(words), "expected {words:?} in {error}");
    }
    let outputs = model.apply(&at).unwrap();
    let y = outputs.leaf(&"output_0".parse().unwrap()).unwrap().to_vec();
    assert!(y[0].is_nan() && y[1] == f64::NEG_INFINITY, "{y:?}");
    let jacobian = model.jacobian(&at).run().unwrap();
    assert_eq!(jacobian.report.algorithm, "auto");
}

#[test]
fn a_url_without_a_scheme() {
    let folder = scratch("plugins").join("remote-scheme");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.toml"), "[remote]\nurl = \"localhost:1\"").unwrap();
    let error = Model::open(folder).err().unwrap().to_string();
    assert!(error.contains("remote.url is 'localhost:1': expected http://host:port"), "{error}");
}
