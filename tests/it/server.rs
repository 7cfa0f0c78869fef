//! `secant serve` as clients and operators meet it: answers, errors, limits, and an orderly end. The protocol
//! itself is held against its real clients in tests/clients.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use secant::{Value, json};

use crate::probe::{choosy, library, plugin, scratch};
use crate::program::{Outcome, Run, Running};

/// A server, and how it is reached.
struct Server {
    running: Running,
    address: String,
    token: Option<&'static str>,
}

/// An answer, whatever its status.
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
}

impl Server {
    fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Server {
        Server::with("", arguments)
    }

    /// Models that misbehave so wherever x[0] is above 100.
    fn with<'a>(misbehaviour: &str, arguments: impl IntoIterator<Item = &'a str>) -> Server {
        let mut typed = vec!["serve", "--port", "0"];
        typed.extend(arguments);
        let run = Run::new(typed).env("SECANT_MISBEHAVE", misbehaviour).env("SECANT_MISBEHAVE_WHEN_ABOVE", "100");
        let mut running = run.start();
        let address = running.line_after("listening on http://");
        Server { running, address, token: None }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> Answer {
        let mut request = agent().get(self.url(path));
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        answered(request.call())
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[])
    }

    fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = agent().post(self.url(path)).header("Content-Type", "application/json");
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request.send(body.to_string()))
    }

    /// A request on a connection of its own, whose answer nobody reads yet.
    fn send(&self, path: &str, body: &Value) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all((head + &body).as_bytes()).unwrap();
        connection
    }

    /// The value of a metric.
    fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").expect(200).body;
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Waits until a metric has a value.
    #[track_caller]
    fn await_metric(&self, name: &str, value: f64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.metric(name) != value {
            assert!(Instant::now() < deadline, "{name} is {}, not {value}", self.metric(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the log has these words.
    #[track_caller]
    fn await_words(&self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.running.said().contains(words) {
            assert!(Instant::now() < deadline, "no {words:?} in {}", self.running.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args(["-s", name, &self.running.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it, and makes sure that nothing is left of it.
    fn end(self) -> Outcome {
        self.signal("TERM");
        self.running.end()
    }
}

#[track_caller]
fn answered(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let response = response.unwrap();
    let (parts, mut body) = response.into_parts();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.read_to_string().unwrap() }
}

fn here(x: f64) -> Value {
    json!({"inputs": {"x": [x, 1, 1]}})
}

#[test]
fn a_model_is_asked_under_its_name_and_at_the_root_if_it_is_alone() {
    let alone = Server::start(["rosenbrock"]);
    let inputs = json!({"inputs": {"x": 1.5, "y": 2.0}});
    for base in ["", "/rosenbrock"] {
        let answer = alone.post(&format!("{base}/apply"), &inputs).expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(alone.get(&format!("{base}/health")).expect(200).body, r#"{"status":"ok"}"#);
        alone.get(&format!("{base}/openapi.json")).expect(200);
        alone.get(&format!("{base}/docs")).expect(200);
    }
    assert_eq!(alone.get("/nowhere").expect(404).body, r#"{"detail":"Not Found"}"#);
    assert_eq!(alone.get("/apply").expect(405).body, r#"{"detail":"Method Not Allowed"}"#);
    assert_eq!(alone.post("/health", &json!({})).expect(405).body, r#"{"detail":"Method Not Allowed"}"#);
    assert_eq!(alone.get("/health/").expect(307).header("location"), "/health");
    assert_eq!(alone.get("//elsewhere.org/").expect(307).header("location"), "/elsewhere.org");
    assert_eq!(alone.end().code, 0);

    let both = Server::start(["rosenbrock", "meshstats"]);
    both.post("/rosenbrock/apply", &inputs).expect(200);
    both.post("/apply", &inputs).expect(404);
    both.get("/health").expect(200);
    // Only debugging servers run test cases.
    both.post("/rosenbrock/test", &json!({})).expect(404);
    assert_eq!(both.end().code, 0);
}

#[test]
fn the_openapi_document_is_short_and_says_every_status() {
    let server = Server::start(["meshstats", "rosenbrock"]);
    let length = server.get("/meshstats/openapi.json").expect(200).body.len();
    assert!(length < 60_000, "{length} bytes");
    let document = server.get("/rosenbrock/openapi.json").expect(200).json();
    assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn everything_wrong_with_a_request_is_said_at_once() {
    let server = Server::start(["rosenbrock"]);
    let body = json!({
        "inputs": {"x": "a", "z": 1}, "jac_inputs": ["q"], "fd": {"eps": -1}, "report": 1, "more": 0,
    });
    let answer = server.post("/jacobian", &body).expect(422);
    let entries = answer.json()["detail"].as_array().unwrap().clone();
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!("{} {}: {}", entry["loc"], entry["type"].as_str().unwrap(), entry["msg"].as_str().unwrap())
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    ["body","fd"] value_error: Value error, eps is -1, expected a positive number
    ["body","report"] bool_type: Input should be a valid boolean
    ["body","more"] extra_forbidden: Extra inputs are not permitted (expected inputs, jac_inputs, jac_outputs)
    ["body","inputs","x"] array_non_numeric: Could not parse value as a numeric array (contains non-numeric data): the text "a"
    ["body","inputs","z"] extra_forbidden: Extra inputs are not permitted: there is x, y, a, b, fd_algorithm
    ["body","jac_outputs"] missing: Field required
    ["body","jac_inputs",0] literal_error: Input should be 'x' or 'y', found 'q'
    "#);
    assert_snapshot!(answered(agent().post(server.url("/apply")).send("{}")).expect(422).body, @r#"
    {"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from: is the Content-Type application/json?"}]}
    "#);
    assert_snapshot!(answered(agent().post(server.url("/apply")).send_empty()).expect(422).body, @r#"
    {"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}
    "#);
    let broken = agent().post(server.url("/apply")).header("Content-Type", "application/json").send("{\"inputs\":\n{]");
    assert_snapshot!(answered(broken).expect(422).body, @r#"
    {"detail":[{"type":"json_invalid","loc":["body",12],"msg":"JSON decode error","ctx":{"error":"key must be a string"}}]}
    "#);
    let deep = format!("{{\"inputs\": {}", "[".repeat(100_000));
    let deep = agent().post(server.url("/apply")).header("Content-Type", "application/json").send(deep);
    assert!(answered(deep).expect(422).body.contains("recursion limit exceeded"));
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_request_says_how_its_derivative_is_taken_and_hears_what_it_cost() {
    let server = Server::start(["rosenbrock"]);
    let body = json!({
        "inputs": {"x": 1.5, "y": 2.0}, "jac_inputs": ["x", "y"], "jac_outputs": ["result"],
        "fd": {"algorithm": "forward", "eps": {"x": 1e-3}, "workers": 1}, "report": true,
    });
    let answer = server.post("/jacobian", &body).expect(200).json();
    let report = &answer["$report"];
    assert_eq!(report["algorithm"], "forward");
    // The base, six for the noise, two for the derivative, two for its bound.
    assert_eq!(report["evaluations"], 11);
    assert_eq!(report["workers"], 1);
    assert!((report["steps"]["x"]["most"].as_f64().unwrap() - 1e-3).abs() < 1e-12, "{report}");
    // (1 - x)^2 + 100 (y - x^2)^2: the second derivative by x is 1902, so that the step shows.
    let slope = answer["result"]["x"]["data"]["buffer"].as_f64().unwrap();
    assert!((slope - (151.0 + 0.5e-3 * 1902.0)).abs() < 1e-3, "{slope}");
    let bound = report["bounds"]["result"]["x"]["data"]["buffer"].as_f64().unwrap();
    assert!((0.951..10.0).contains(&bound), "{report}");
    assert!(report["total_bound"].as_f64().unwrap() >= bound, "{report}");
    assert!(report["noise"]["result"]["most"].as_f64().unwrap() < 1e-12, "{report}");
    // Automatic steps are better.
    let body = json!({
        "inputs": {"x": 1.5, "y": 2.0}, "jac_inputs": ["x"], "jac_outputs": ["result"],
        "fd": {"algorithm": "auto"}, "report": true,
    });
    let answer = server.post("/jacobian", &body).expect(200).json();
    assert_eq!(answer["$report"]["algorithm"], "auto");
    let slope = answer["result"]["x"]["data"]["buffer"].as_f64().unwrap();
    let bound = answer["$report"]["bounds"]["result"]["x"]["data"]["buffer"].as_f64().unwrap();
    assert!((slope - 151.0).abs() <= bound && bound < 1e-6, "{slope} {bound}");
    assert_eq!(server.end().code, 0);
}

#[test]
fn second_derivatives_have_endpoints_of_their_own() {
    let server = Server::start(["rosenbrock", "native"]);
    let number = |value: &Value| value["data"]["buffer"].as_f64().unwrap();
    let inputs = json!({"x": -1.2, "y": 1});
    let body = json!({
        "inputs": inputs, "hess_inputs": ["x", "y"], "hess_output": "result", "report": true,
    });
    let hessian = server.post("/rosenbrock/hessian", &body).expect(200).json();
    let report = &hessian["$report"];
    for (of, wrt, expected) in [("x", "x", 1330.0), ("x", "y", 480.0), ("y", "x", 480.0), ("y", "y", 200.0)] {
        let bound = number(&report["bounds"][of][wrt]);
        assert!((number(&hessian[of][wrt]) - expected).abs() <= bound && bound < 1e-4, "{of} {wrt}: {hessian}");
    }
    assert!(report["evaluations"].as_u64().unwrap() > 10 && report["algorithm"] == "second differences", "{report}");
    let body = json!({
        "inputs": inputs, "hvp_inputs": ["x", "y"], "hvp_outputs": ["result"], "tangent_vector": {"x": 0.5, "y": -2},
    });
    let product = server.post("/rosenbrock/hessian_vector_product", &body).expect(200).json();
    assert!((number(&product["x"]) + 295.0).abs() < 1e-4 && (number(&product["y"]) + 160.0).abs() < 1e-4, "{product}");

    // Not of a vector, unless it is weighed.
    let mut body = json!({"inputs": {"x": [1, 2], "p": 1}, "hess_inputs": ["p"], "hess_output": "y"});
    let refusal = server.post("/native/hessian", &body).expect(422).json();
    assert_snapshot!(refusal.to_string());
    body["cotangent_vector"] = json!({"y": [1, 1]});
    server.post("/native/hessian", &body).expect(200);
    body["hess_output"] = json!(["y"]);
    server.post("/native/hessian", &body).expect(200);
    body["cotangent_vector"] = json!({"y": [1, "a"]});
    server.post("/native/hessian", &body).expect(422);
    server.post("/native/hessian", &json!({"inputs": {"x": [], "p": 1}, "hess_inputs": ["p"]})).expect(422);
    let page = server.get("/rosenbrock/docs").expect(200).body;
    assert!(page.contains("hess_output") && page.contains("/rosenbrock/hessian_vector_product"), "{page}");
    assert_eq!(server.end().code, 0);
}

#[test]
fn each_failure_has_its_status_and_the_requests_id() {
    let cases = [
        ("error", 500, "solver did not converge"),
        ("refuse", 422, "x makes no sense"),
        ("crash", 502, "SIGSEGV"),
        ("hang", 504, "took longer than 500ms"),
        ("wrong-shape", 500, "the schema says"),
    ];
    for (word, status, said) in cases {
        let server = Server::with(word, ["misbehaving", "--timeout", "500ms"]);
        let answer = server.post_with("/apply", &here(200.0), &[("X-Request-Id", "mine-7")]).expect(status);
        assert!(answer.body.contains(said), "{word}: {}", answer.body);
        assert_eq!(answer.header("x-request-id"), "mine-7");
        if status != 422 {
            assert_eq!(answer.json()["request_id"], "mine-7", "{}", answer.body);
            server.await_words("mine-7");
        }
        // The server lives on, and the model too.
        server.post("/apply", &here(1.0)).expect(200);
        assert_eq!(server.end().code, 0);
    }
}

#[test]
fn a_busy_server_answers_and_says_when_it_can_take_no_more() {
    let server = Server::with("hang", ["misbehaving", "--timeout", "10min", "--concurrency", "1", "--queue", "1"]);
    let computing = server.send("/apply", &here(200.0));
    server.await_metric("secant_running", 1.0);
    let waiting = server.send("/apply", &here(200.0));
    server.await_metric("secant_waiting", 1.0);
    let refused = server.post("/apply", &here(1.0)).expect(503);
    assert_eq!(refused.header("retry-after"), "1");
    server.get("/health").expect(200);
    // Who leaves the queue makes room, and who leaves an evaluation ends it.
    drop(waiting);
    server.await_metric("secant_waiting", 0.0);
    drop(computing);
    server.await_metric("secant_running", 0.0);
    server.post("/apply", &here(1.0)).expect(200);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_library_in_this_process_is_told_that_nobody_waits() {
    let path = library("../../plugins/misbehaving/misbehaving.c", "misbehaving_here", &[]);
    let schema = |side: &str| format!("{}/plugins/misbehaving/{side}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let manifest =
        format!("input = {:?}\noutput = {:?}\n[library]\npath = {path:?}", schema("input"), schema("output"));
    let model = plugin("misbehaving_here", &manifest);
    let server = Server::with("until-cancelled", [model.to_str().unwrap()]);
    drop(server.send("/apply", &here(200.0)));
    let computing = server.send("/apply", &here(200.0));
    server.await_metric("secant_running", 1.0);
    drop(computing);
    server.await_metric("secant_running", 0.0);
    server.post("/apply", &here(1.0)).expect(200);
    assert_eq!(server.end().code, 0);
}

#[test]
fn requests_are_limited_in_size_and_time() {
    let server =
        Server::with("hang", ["misbehaving", "--timeout", "10min", "--time-limit", "300ms", "--body-limit", "1"]);
    let answer = server.post("/apply", &here(200.0)).expect(504);
    assert!(answer.body.contains("took longer than 300ms"), "{}", answer.body);
    server.await_metric("secant_running", 0.0);
    let large = json!({"inputs": {"x": vec![1; 1_000_000]}});
    let answer = server.post("/apply", &large).expect(413);
    assert!(answer.body.contains("more than 1048576 bytes"), "{}", answer.body);
    server.post("/apply", &here(1.0)).expect(200);
    assert_eq!(server.end().code, 0);
}

#[test]
fn clients_that_dribble_keep_nobody_waiting() {
    let server = Server::start(["rosenbrock", "--body-limit", "1"]);
    let head =
        "POST /apply HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
    // More of them than there is memory for, half of them with much sent.
    let dribblers: Vec<TcpStream> = (0..12)
        .map(|number| {
            let mut connection = TcpStream::connect(&server.address).unwrap();
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(&vec![b' '; if number % 2 == 0 { 1 } else { 300_000 }]).unwrap();
            connection
        })
        .collect();
    let started = Instant::now();
    for _ in 0..20 {
        server.post("/apply", &json!({"inputs": {"x": 1.5, "y": 2.0}})).expect(200);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(dribblers);
    assert_eq!(server.end().code, 0);
}

#[test]
fn asked_to_stop_it_finishes_what_is_under_way() {
    let server = Server::with("slow=0.3", ["misbehaving"]);
    let body = json!({"inputs": {"x": [1, 1, 1]}, "jac_inputs": ["x"], "jac_outputs": ["y"]});
    let mut computing = server.send("/jacobian", &body);
    server.await_metric("secant_running", 1.0);
    let outcome = server.end();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut computing, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[test]
fn asked_to_stop_it_does_not_wait_for_ever() {
    let server = Server::with("hang", ["misbehaving", "--timeout", "10min", "--patience", "200ms"]);
    let computing = server.send("/apply", &here(200.0));
    server.await_metric("secant_running", 1.0);
    assert_eq!(server.end().code, 0);
    drop(computing);
}

#[test]
fn strangers_are_asked_for_a_token() {
    let file = scratch("server").join("token");
    std::fs::write(&file, "open sesame\n").unwrap();
    let mut server = Server::start(["rosenbrock", "--token-file", file.to_str().unwrap()]);
    let inputs = json!({"inputs": {"x": 1.5, "y": 2.0}});
    for token in [None, Some("open"), Some("open sesame ")] {
        let mut request = agent().post(server.url("/apply")).header("Content-Type", "application/json");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Basic {token}"));
        }
        let answer = answered(request.send(inputs.to_string())).expect(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    server.get("/metrics").expect(401);
    server.get("/health").expect(200);
    server.token = Some("open sesame");
    server.post("/apply", &inputs).expect(200);
    let document = server.get("/openapi.json").expect(200).json();
    assert_eq!(document["security"], json!([{"token": []}]));
    assert!(document["paths"]["/apply"]["post"]["responses"]["401"].is_object());
    assert_eq!(server.end().code, 0);
}

#[test]
fn beyond_this_machine_it_wants_a_token_or_to_be_told() {
    let refused = Run::new(["serve", "rosenbrock", "--port", "0", "--host", "0.0.0.0"]).run().expect(5);
    assert_snapshot!(refused.stderr, @r#"
    error: at 0.0.0.0 anyone who can reach this machine could run these models: ask for a token with --token-file, or say --insecure where the network is trusted
    "#);
    let file = scratch("server").join("no_token");
    std::fs::write(&file, "\n").unwrap();
    let empty = Run::new(["serve", "rosenbrock", "--token-file", file.to_str().unwrap()]).run().expect(5);
    assert!(empty.stderr.contains("it is empty"), "{}", empty.stderr);
    let server = Server::start(["rosenbrock", "--host", "0.0.0.0", "--insecure"]);
    assert!(server.address.starts_with("0.0.0.0:"), "{}", server.address);
    assert_eq!(server.end().code, 0);
}

#[test]
fn what_cannot_be_served_is_the_operators_to_mend() {
    let absent = Run::new(["serve", "nowhere"]).run().expect(5);
    assert!(absent.stderr.contains("there is no model 'nowhere'"), "{}", absent.stderr);
    let schema = |side: &str| format!("{}/plugins/rosenbrock/{side}.schema.json", env!("CARGO_MANIFEST_DIR"));
    for name in ["apply", "metrics", "a/b", "..", "two words"] {
        let manifest = format!(
            "name = {name:?}\ninput = {:?}\noutput = {:?}\n[executable]\ncommand = ['true']",
            schema("input"),
            schema("output")
        );
        let folder = plugin(&format!("named_{}", name.replace(['/', ' ', '.'], "_")), &manifest);
        let outcome = Run::new(["serve", folder.to_str().unwrap(), "--port", "0"]).run().expect(5);
        assert!(outcome.stderr.contains("a model cannot be served under the name"), "{}", outcome.stderr);
    }
    let twice = Run::new(["serve", "rosenbrock", "rosenbrock", "--port", "0"]).run().expect(5);
    assert!(twice.stderr.contains("two models are called 'rosenbrock'"), "{}", twice.stderr);
    let server = Server::start(["rosenbrock"]);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let taken = Run::new(["serve", "rosenbrock", "--port", &port]).run().expect(5);
    assert!(taken.stderr.contains("cannot listen at 127.0.0.1"), "{}", taken.stderr);
    assert_eq!(server.end().code, 0);
}

fn binref(path: &str) -> Value {
    json!({"inputs": {
        "x": {"shape": [], "dtype": "float64", "data": {"encoding": "binref", "buffer": path}}, "y": 2.0,
    }})
}

#[test]
fn arrays_in_files_stay_in_their_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("arrays");
    std::fs::create_dir(&folder).unwrap();
    let server = Server::start(["rosenbrock", "--binref", folder.to_str().unwrap()]);
    std::fs::write(folder.join("x.bin"), [0.5f64.to_le_bytes(), 1.5f64.to_le_bytes()].concat()).unwrap();
    std::fs::write(outside.path().join("secret.bin"), 1.5f64.to_le_bytes()).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.bin"), folder.join("link.bin")).unwrap();
    let inline = server.post("/apply", &json!({"inputs": {"x": 1.5, "y": 2.0}})).expect(200).body;
    assert_eq!(server.post("/apply", &binref("x.bin:8")).expect(200).body, inline);
    let secret = outside.path().join("secret.bin");
    for path in ["../secret.bin", "link.bin", secret.to_str().unwrap(), "x.bin:16", "x.bin:1e3", "none.bin", "", "."] {
        let answer = server.post("/apply", &binref(path)).expect(422);
        let entry = &answer.json()["detail"][0];
        assert_eq!(entry["type"], "array_decode_error", "{path}: {}", answer.body);
        assert_eq!(entry["loc"], json!(["body", "inputs", "x"]), "{path}");
    }
    // What is written can be read back, whether compressed or not.
    for (accept, run) in [("application/json+binref", "one"), ("application/json+binref; compression=lz4", "two")] {
        let path = format!("/apply?run_id={run}");
        let inputs = json!({"inputs": {"x": 1.5, "y": 2.0}});
        let answer = server.post_with(&path, &inputs, &[("Accept", accept)]).expect(200);
        assert_eq!(answer.header("content-type"), "application/json+binref");
        let loss = answer.json()["result"].clone();
        let buffer = loss["data"]["buffer"].as_str().unwrap();
        assert!(buffer.starts_with(&format!("run_{run}/")), "{buffer}");
        assert!(folder.join(buffer.split(':').next().unwrap()).is_file());
        let again = json!({"inputs": {"x": loss, "y": 2.0}});
        let inline = json!({"inputs": {"x": 6.5, "y": 2.0}});
        assert_eq!(server.post("/apply", &again).expect(200).body, server.post("/apply", &inline).expect(200).body);
    }
    let inputs = json!({"inputs": {"x": 1.5, "y": 2.0}});
    server.post("/apply?run_id=../up", &inputs).expect(422);
    assert_eq!(server.end().code, 0);

    // Files count as if their bytes had been sent, each time they are named.
    let server = Server::start(["rosenbrock", "--binref", folder.to_str().unwrap(), "--body-limit", "1"]);
    std::fs::write(folder.join("large.bin"), vec![0; 600 << 10]).unwrap();
    let large = json!({"shape": [600 << 7], "dtype": "float64", "data": {"encoding": "binref", "buffer": "large.bin"}});
    let answer = server.post("/apply", &json!({"inputs": {"x": large, "y": large}})).expect(422);
    assert_eq!(
        answer.body.matches("the files of one request have more than 1048576 bytes").count(),
        1,
        "{}",
        answer.body
    );
    assert_eq!(server.end().code, 0);

    // Without a folder there is no such format.
    let server = Server::start(["rosenbrock"]);
    server.post_with("/apply", &inputs, &[("Accept", "application/json+binref")]).expect(406);
    let answer = server.post("/apply", &binref("x.bin:8")).expect(422);
    assert!(answer.body.contains("\\\"binref\\\" is not read here"), "{}", answer.body);
    assert_eq!(server.end().code, 0);
}

#[test]
fn pages_of_other_origins_are_kept_out_unless_they_are_named() {
    let allowed = |server: &Server| {
        let request = agent().get(server.url("/health")).header("Origin", "https://lab.example");
        answered(request.call()).header("access-control-allow-origin").to_owned()
    };
    let closed = Server::start(["rosenbrock"]);
    assert_eq!(allowed(&closed), "");
    assert_eq!(closed.end().code, 0);
    let open = Server::start(["rosenbrock", "--cors", "https://lab.example"]);
    assert_eq!(allowed(&open), "https://lab.example");
    assert_eq!(open.end().code, 0);
}

#[test]
fn a_page_may_ask_a_server_of_its_own_origin_alone() {
    let server = Server::start(["rosenbrock", "--cors", "https://lab.example"]);
    let port = server.address.rsplit(':').next().unwrap();
    let call = json!({"name": "rosenbrock", "input": [[1.0], [1.0]], "config": {}});
    let asked = |host: &str, origin: &str| {
        // What a browser sends without asking first.
        let headers = [("Host", host), ("Origin", origin), ("Content-Type", "text/plain")];
        let mut request = agent().post(server.url("/umbridge/Evaluate"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        answered(request.send(call.to_string())).status
    };
    let (ours, localhost, evil) = (&*server.address, &format!("localhost:{port}"), &format!("evil.example:{port}"));
    assert_eq!(asked(ours, &format!("http://{ours}")), 200);
    assert_eq!(asked(localhost, &format!("http://{localhost}")), 200);
    assert_eq!(asked(ours, "https://lab.example"), 200);
    for (host, origin) in [(ours, evil), (evil, evil), (ours, localhost)] {
        assert_eq!(asked(host, &format!("http://{origin}")), 403, "{origin} asks {host}");
    }
    assert_eq!(asked(ours, "null"), 403);
    assert_eq!(server.end().code, 0);
}

/// A small request may ask for a lot.
#[test]
fn what_would_not_fit_is_refused() {
    let schema = |name: &str| json!({"properties": {name: {"dtype": "float64", "shape": [null], "differentiable": true}}, "required": [name]});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("i.json"), schema("x").to_string()).unwrap();
    std::fs::write(folder.path().join("o.json"), schema("y").to_string()).unwrap();
    let manifest = "name = 'same'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['sed', '-u', 's/\"x\"/\"y\"/']\nprotocol = 'lines'\n[gradient]\nsparsity = 'diagonal'\nverify_sparsity = false\n";
    std::fs::write(folder.path().join("model.toml"), manifest).unwrap();
    let server = Server::start([folder.path().to_str().unwrap(), "--body-limit", "1"]);
    let body = |n: usize, dense: bool| {
        let fd = json!({"algorithm": "central", "dense": dense});
        json!({"inputs": {"x": vec![1; n]}, "jac_inputs": ["x"], "jac_outputs": ["y"], "fd": fd})
    };
    let too_large = |answer: Answer| {
        let detail = answer.expect(422).json()["detail"][0]["msg"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("a matrix of 2000 by 2000 has more numbers than this server lays out (524288"),
            "{detail}"
        );
    };
    too_large(server.post("/jacobian", &body(2000, true)));
    too_large(server.post("/jacobian", &body(2000, false)));
    // As it is, it has a number a row.
    let request = agent().post(server.url("/jacobian?format=npz")).header("Content-Type", "application/json");
    assert_eq!(request.send(body(2000, false).to_string()).unwrap().status(), 200);
    server.post("/jacobian", &body(20, false)).expect(200);
    let keys: serde_json::Map<_, _> = (0..10_000).map(|k| (format!("k{k}"), json!(1))).collect();
    let answer = server.post("/apply", &json!({"inputs": keys})).expect(422);
    assert_eq!(answer.json()["detail"].as_array().unwrap().len(), 100);
    assert!(answer.body.contains("(and 9901 more that are wrong)"), "{}", &answer.body[answer.body.len() - 300..]);
    let paths: Vec<String> = (0..10_000).map(|k| format!("k{k}")).collect();
    let answer =
        server.post("/jacobian", &json!({"inputs": {"x": [1]}, "jac_inputs": paths, "jac_outputs": ["y"]})).expect(422);
    assert_eq!(answer.json()["detail"].as_array().unwrap().len(), 100);
    let deep = json!({"inputs": {"x": {"shape": vec![1; 100_000], "dtype": "float64", "data": {"encoding": "json", "buffer": 1}}}});
    let answer = server.post("/apply", &deep).expect(422);
    assert!(answer.body.contains("its shape has 100000 dimensions, an array has at most 64"), "{}", answer.body);
    assert_eq!(server.end().code, 0);
}

#[test]
fn a_request_takes_no_more_workers_than_there_are() {
    let server = Server::start(["rosenbrock", "--workers", "2"]);
    let asked = |workers: usize| {
        let body = json!({
            "inputs": {"x": 1.5, "y": 2.0}, "jac_inputs": ["x", "y"], "jac_outputs": ["result"],
            "fd": {"workers": workers, "algorithm": "central"}, "report": true,
        });
        server.post("/jacobian", &body).expect(200).json()["$report"]["workers"].clone()
    };
    assert_eq!([asked(1), asked(2), asked(4000)], [json!(1), json!(2), json!(2)]);
    assert_eq!(server.end().code, 0);
}

/// Who gives up on a derivative of the model's own takes it from nobody else.
#[test]
fn a_model_keeps_its_derivatives_when_one_was_cancelled() {
    let Some(folder) = choosy() else { return };
    let server = Server::start([folder.to_str().unwrap(), "--time-limit", "2s"]);
    let asked = |x: f64| {
        let body = json!({
            "inputs": {"x": [x]}, "vjp_inputs": ["x"], "vjp_outputs": ["y"], "cotangent_vector": {"y": [1.0]}, "report": true,
        });
        server.post("/vector_jacobian_product", &body)
    };
    let algorithm = |answer: Answer| answer.expect(200).json()["$report"]["algorithm"].clone();
    assert_eq!(algorithm(asked(0.5)), "native");
    asked(200.0).expect(504);
    server.await_metric("secant_running", 0.0);
    assert_eq!(algorithm(asked(0.5)), "native");
    assert_eq!(server.end().code, 0);
}

#[test]
fn people_find_the_models_and_how_to_ask_them() {
    let server = Server::start(["rosenbrock", "meshstats"]);
    let index = server.get("/").expect(200);
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    for text in ["rosenbrock", "meshstats", "mesh.points", "/meshstats/docs", "/meshstats/openapi.json"] {
        assert!(index.body.contains(text), "{text}: {}", index.body);
    }
    for page in [index, server.get("/meshstats/docs").expect(200), server.get("/rosenbrock/docs").expect(200)] {
        // No other server is asked for anything, so that it works where there is no other.
        for foreign in ["http://", "https://", "<script", "src=", "@import"] {
            assert!(!page.body.contains(foreign), "{foreign}: {}", page.body);
        }
    }
    assert_eq!(server.end().code, 0);
}

#[test]
fn umbridge_clients_are_answered_in_their_own_words() {
    let mut running = Run::new(["serve", "rosenbrock", "meshstats", "--port", "0", "--umbridge-port", "0"]).start();
    let address = running.line_after("umbridge on http://");
    let server = Server { running, address, token: None };
    let name = json!({"name": "rosenbrock"});
    assert_snapshot!(server.get("/Info").expect(200).body, @r#"
    {"protocolVersion":1.0,"models":["rosenbrock","meshstats"]}
    "#);
    assert_snapshot!(server.post("/ModelInfo", &name).expect(200).body, @r#"
    {"support":{"Evaluate":true,"Gradient":true,"ApplyJacobian":true,"ApplyHessian":true}}
    "#);
    assert_snapshot!(server.post("/InputSizes", &name).expect(200).body, @r#"
    {"inputSizes":[1,1]}
    "#);
    assert_snapshot!(server.post("/OutputSizes", &name).expect(200).body, @r#"
    {"outputSizes":[1]}
    "#);
    let at = |more: Value| {
        let mut body = json!({"name": "rosenbrock", "input": [[1.5], [2]], "outWrt": 0, "inWrt": 0});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    assert_eq!(server.post("/Evaluate", &at(json!({}))).expect(200).json()["output"], json!([[6.5]]));
    let number = |path: &str, body: &Value| server.post(path, body).expect(200).json()["output"][0].as_f64().unwrap();
    assert!((number("/Gradient", &at(json!({"sens": [2]}))) - 302.0).abs() < 1e-5);
    assert!((number("/ApplyJacobian", &at(json!({"inWrt": 1, "vec": [2]}))) + 100.0).abs() < 1e-5);
    let hessian = |one: usize, two: usize| {
        number("/ApplyHessian", &at(json!({"inWrt1": one, "inWrt2": two, "sens": [1], "vec": [1]})))
    };
    // 2 - 4 b (y - 3 x^2), -4 b x, 2 b
    for (found, expected) in [(hessian(0, 0), 1902.0), (hessian(0, 1), -600.0), (hessian(1, 1), 200.0)] {
        assert!((found - expected).abs() < 1e-3 * 1902.0, "{found} instead of {expected}");
    }
    let wrong = [
        ("/Evaluate", json!({"name": "nobody"})),
        ("/Evaluate", json!({"name": "rosenbrock", "input": [[1.5]]})),
        ("/Evaluate", json!({"name": "rosenbrock", "input": [[1.5], [2, 3]]})),
        ("/Evaluate", json!({"name": "rosenbrock", "input": [[1.5], ["a"]]})),
        ("/Gradient", at(json!({"inWrt": 2, "sens": [1]}))),
        ("/Gradient", at(json!({"sens": [1, 2]}))),
        ("/Gradient", at(json!({}))),
        ("/InputSizes", json!({"name": "meshstats", "config": {"inputs": {"mesh": 1}}})),
    ];
    let said: Vec<String> = wrong
        .iter()
        .map(|(path, body)| {
            let error = server.post(path, body).expect(400).json()["error"].clone();
            format!("{path} {}: {}", error["type"].as_str().unwrap(), error["message"].as_str().unwrap())
        })
        .collect();
    assert_snapshot!(said.join("\n"), @r#"
    /Evaluate ModelNotFound: there is no model 'nobody'; there are rosenbrock, meshstats
    /Evaluate InvalidInput: input has 1 vectors, expected 2
    /Evaluate InvalidInput: input 1 (y) has 2 numbers, expected 1
    /Evaluate InvalidInput: input 1 (y) is no list of numbers
    /Gradient InvalidInput: inWrt is 2, but there are 2 vectors
    /Gradient InvalidInput: sens has 2 numbers, expected 1
    /Gradient InvalidInput: sens is no list of numbers
    /InputSizes InvalidInput: mesh: Input should be a valid dictionary or object to extract fields from
    "#);
    assert_eq!(server.end().code, 0);
}

#[test]
fn cases_are_run_where_that_is_offered() {
    let server = Server::start(["rosenbrock", "--debug"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/rosenbrock/cases");
    for file in std::fs::read_dir(folder).unwrap() {
        let case: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let answer = server.post("/test", &case).expect(200).json();
        assert_eq!(answer["status"], "passed", "{answer}");
        assert_eq!(answer["endpoint"], case["endpoint"]);
    }
    let off =
        json!({"endpoint": "apply", "payload": {"inputs": {"x": 1.5, "y": 2}}, "expected_outputs": {"result": 7.0}});
    let answer = server.post("/test", &off).expect(200).json();
    assert_eq!(answer["status"], "failed");
    assert!(answer["message"].as_str().unwrap().starts_with("Values are not sufficiently close."), "{answer}");
    assert_eq!(server.end().code, 0);
}
