"""The `[remote]` table against the real servers: tesseract-runtime and umbridge's own.

Each test writes a manifest and runs `secant` on it. SECANT names the program.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
SECANT = os.environ.get("SECANT", str(HERE.parent.parent / "target" / "debug" / "secant"))
START_LIMIT = 60.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(process, url):
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, f"the server of {url} ended with {process.returncode}"
            time.sleep(0.1)
    raise AssertionError(f"{url} was not up within {START_LIMIT} s")


def start_tesseract(name, folder, port):
    environment = {
        **os.environ,
        "TESSERACT_API_PATH": str(HERE / "models_remote" / name / "tesseract_api.py"),
        "TESSERACT_NAME": name,
        "TESSERACT_VERSION": "1.2.3",
    }
    runtime = Path(sys.executable).parent / "tesseract-runtime"
    with open(folder / "log.txt", "wb") as log:
        command = [runtime, "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    wait_until_up(process, f"http://127.0.0.1:{port}/health")
    return process


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def served(name, folder):
    port = free_port()
    process = start_tesseract(name, folder, port)
    yield f"http://127.0.0.1:{port}"
    stop(process)


@pytest.fixture(scope="module")
def spring_url(tmp_path_factory):
    yield from served("spring", tmp_path_factory.mktemp("spring"))


@pytest.fixture(scope="module")
def bare_url(tmp_path_factory):
    yield from served("bare", tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def arrays_url(tmp_path_factory):
    yield from served("arrays", tmp_path_factory.mktemp("arrays"))


@pytest.fixture(scope="module")
def umbridge_url(tmp_path_factory):
    port = free_port()
    with open(tmp_path_factory.mktemp("umbridge") / "log.txt", "wb") as log:
        command = [sys.executable, str(HERE / "models_remote" / "umbridge_server.py"), str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    wait_until_up(process, f"http://127.0.0.1:{port}/Info")
    yield f"http://127.0.0.1:{port}"
    stop(process)


class Remote:
    """A plugin folder with a `[remote]` manifest."""

    def __init__(self, folder, url, table="", rest=""):
        self.folder = folder
        folder.joinpath("model.toml").write_text(f'[remote]\nurl = "{url}"\n{table}\n{rest}\n')

    def run(self, command, inputs, *options, **payload):
        text = json.dumps({"inputs": inputs, **payload})
        return subprocess.run(
            [SECANT, command, str(self.folder), text, *options], capture_output=True, text=True, timeout=120
        )

    def ask(self, command, inputs, *options, **payload):
        """The result, and the report where one is asked for."""
        result = self.run(command, inputs, *options, **payload)
        assert result.returncode == 0, result.stderr
        return decoded(json.loads(result.stdout)), result.stderr

    def refused(self, command, inputs, *options, **payload):
        result = self.run(command, inputs, *options, **payload)
        assert result.returncode != 0, result.stdout
        return result.returncode, result.stderr


def decoded(value):
    """Results with numpy arrays for array objects."""
    if isinstance(value, dict) and value.get("object_type") == "array" and not value["dtype"].startswith("complex"):
        return np.asarray(value["data"]["buffer"], dtype=value["dtype"])
    if isinstance(value, dict):
        return {key: decoded(entry) for key, entry in value.items()}
    return value


SPRING = {"x": [1.0, 2.0, 3.0], "k": 0.5, "part": {"gain": 2.0}, "fields": {"a b": [1.0, 1.5]}}


@pytest.fixture
def spring(tmp_path, spring_url):
    return Remote(tmp_path, spring_url)


@pytest.fixture
def bare(tmp_path, bare_url):
    return Remote(tmp_path, bare_url)


def test_a_tesseract_describes_itself(spring):
    result = subprocess.run([SECANT, "describe", str(spring.folder)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "remote (tesseract)" in result.stdout and "1.2.3" in result.stdout
    assert "part.gain" in result.stdout and "float32" in result.stdout


def test_a_tesseract_is_applied(spring):
    outputs, _ = spring.ask("apply", SPRING)
    np.testing.assert_array_equal(outputs["force"], [1.0, 4.0, 9.0])
    # Of plain inputs the defaults: two times the weights 1 and 2.
    assert outputs["energy"] == 3.0 + 6.0 + 2.5
    assert outputs["elements"] == 3 and outputs["note"] == "spring"


def test_plain_inputs_travel_as_they_are(spring):
    inputs = {**SPRING, "count": 3, "weights": [0.5, 1.0, 1.5], "offset": [1.0, 2.0, 3.0]}
    inputs["part"] = {"gain": 2.0, "label": "ü"}
    outputs, _ = spring.ask("apply", inputs)
    assert outputs["energy"] == 3.0 + 9.0 + 2.5 + 6.0
    assert outputs["note"] == "ü"


def test_a_tesseract_s_own_derivatives_are_used(spring):
    jacobian, report = spring.ask("jacobian", SPRING, "--report")
    assert report.startswith("native: 1 evaluation"), report
    np.testing.assert_array_equal(jacobian["force"]["x"], np.diag([2.0, 4.0, 6.0]))
    np.testing.assert_array_equal(jacobian["force"]["k"], [2.0, 8.0, 18.0])
    np.testing.assert_array_equal(jacobian["force"]["part.gain"], [0.5, 2.0, 4.5])
    np.testing.assert_array_equal(jacobian["energy"]["fields.{a b}"], [1.0, 1.0])
    tangents = {"x": [1.0, 0.0, -1.0], "k": 2.0}
    jvp, report = spring.ask(
        "jvp", SPRING, "--report", jvp_inputs=["x", "k"], jvp_outputs=["force"], tangent_vector=tangents
    )
    assert report.startswith("native: "), report
    np.testing.assert_array_equal(jvp["force"], [6.0, 16.0, 30.0])
    vjp, report = spring.ask(
        "vjp",
        SPRING,
        "--report",
        vjp_inputs=["x", "k"],
        vjp_outputs=["force", "energy"],
        cotangent_vector={"force": [1.0, 1.0, 1.0], "energy": 2.0},
    )
    assert report.startswith("native: "), report
    np.testing.assert_array_equal(vjp["x"], [3.0, 5.0, 7.0])
    assert vjp["k"] == 28.0 + 12.0 and vjp["k"].dtype == np.float32


def test_differences_are_taken_when_asked_for(spring):
    options = ("--algorithm", "central", "--report", "--wrt", "x", "--wrt", "part.gain", "--of", "force")
    jacobian, report = spring.ask("jacobian", SPRING, *options)
    assert report.startswith("central: 23 evaluations"), report
    np.testing.assert_allclose(jacobian["force"]["x"], np.diag([2.0, 4.0, 6.0]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(jacobian["force"]["part.gain"], [0.5, 2.0, 4.5], rtol=1e-9)
    alone, _ = spring.ask("jacobian", SPRING, *options, "--workers", "1")
    np.testing.assert_array_equal(alone["force"]["x"], jacobian["force"]["x"])


def test_what_the_manifest_marks_beyond_the_server_is_differentiated(tmp_path, spring_url):
    model = Remote(tmp_path, spring_url, rest='[differentiable]\ninputs = ["offset"]')
    given = {**SPRING, "offset": [1.0, 2.0, 3.0]}
    jacobian, report = model.ask("jacobian", given, "--report", "--of", "energy", "--wrt", "offset", "--wrt", "x")
    assert report.startswith("auto: "), report
    np.testing.assert_allclose(jacobian["energy"]["offset"], [1.0, 1.0, 1.0], rtol=1e-8)
    np.testing.assert_allclose(jacobian["energy"]["x"], [0.5, 0.5, 0.5], rtol=1e-8)


def test_what_a_tesseract_refuses_is_the_caller_s_fault(spring):
    code, words = spring.refused("apply", {**SPRING, "count": 0})
    assert code == 2 and "/apply: count: " in words and "there must be at least one" in words, words


def test_what_fails_in_a_tesseract_is_told_with_its_status(spring):
    code, words = spring.refused("apply", {**SPRING, "x": [1.0, 200.0]})
    assert code == 3 and "/apply: status 500, Internal Server Error" in words, words


def test_apply_is_enough(bare):
    x = [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5]]
    outputs, _ = bare.ask("apply", {"x": x})
    np.testing.assert_allclose(outputs["y"], 3.0 * np.sum(np.sin(x)), rtol=1e-14)
    jacobian, report = bare.ask("jacobian", {"x": x}, "--report")
    assert report.startswith("auto: "), report
    np.testing.assert_allclose(jacobian["y"]["x"], 3.0 * np.cos(x), rtol=1e-8)
    vjp, _ = bare.ask("vjp", {"x": x}, vjp_inputs=["x"], vjp_outputs=["y"], cotangent_vector={"y": 2.0})
    np.testing.assert_allclose(vjp["x"], 6.0 * np.cos(x), rtol=1e-8)
    jvp, _ = bare.ask(
        "jvp", {"x": x}, jvp_inputs=["x"], jvp_outputs=["y"], tangent_vector={"x": np.ones((2, 3)).tolist()}
    )
    np.testing.assert_allclose(jvp["y"], 3.0 * np.sum(np.cos(x)), rtol=1e-8)


def test_a_plain_number_can_be_differentiated(tmp_path, bare_url):
    model = Remote(tmp_path, bare_url, rest='[differentiable]\ninputs = ["gain"]')
    jacobian, _ = model.ask("jacobian", {"x": [[1.0], [2.0]], "gain": 5.0}, "--wrt", "gain")
    np.testing.assert_allclose(jacobian["y"]["gain"], np.sin(1.0) + np.sin(2.0), rtol=1e-8)


def test_arrays_of_every_kind_travel(tmp_path, arrays_url):
    given = {
        "x": [1.0, 2.0, 3.0, 4.0],
        "flags": [True, True, False],
        "counts": [[1, 2], [3, 255]],
        "waves": [[1.0, 2.0], [0.0, -1.0]],
        "halves": [[0.5, 1.5]],
    }
    outputs, _ = Remote(tmp_path, arrays_url).ask("apply", given)
    np.testing.assert_array_equal(outputs["y"], np.array([4.0, 9.0], np.float32))
    assert outputs["flags"].tolist() == [False, False, True]
    assert outputs["bytes"].dtype == np.uint8 and outputs["bytes"].tolist() == [[1, 2], [3, 255]]
    assert outputs["halves"].dtype == np.float16 and outputs["halves"].tolist() == [[0.5, 1.5]]
    # As pairs, since JSON has no complex numbers.
    result = Remote(tmp_path, arrays_url).run("apply", given)
    assert json.loads(result.stdout)["waves"]["data"]["buffer"] == [[-2.0, 1.0], [1.0, 0.0]]


def test_a_gradient_is_enough(tmp_path, arrays_url):
    model = Remote(tmp_path, arrays_url)
    given = {"x": [1.0, 2.0, 3.0, 4.0]}
    question = {"vjp_inputs": ["x"], "vjp_outputs": ["y"]}
    vjp, report = model.ask("vjp", given, "--report", **question, cotangent_vector={"y": [1.0, 10.0]})
    # The other evaluation is abstract_eval's, which tells the shape that the cotangent should have.
    assert report.startswith("native: 2 evaluations"), report
    assert vjp["x"].dtype == np.float32
    np.testing.assert_array_equal(vjp["x"], [0.0, 4.0, 60.0, 0.0])
    _, words = model.refused("vjp", given, **question, cotangent_vector={"y": [1.0]})
    assert "the cotangent of y has shape [1], the output has [2]" in words, words
    jacobian, report = model.ask("jacobian", given, "--report")
    assert report.startswith("native, from vjp:"), report
    np.testing.assert_array_equal(jacobian["y"]["x"], [[0.0, 4.0, 0.0, 0.0], [0.0, 0.0, 6.0, 0.0]])


def test_a_tesseract_has_no_model_names_and_no_config(tmp_path, bare_url):
    _, words = Remote(tmp_path, bare_url, 'model = "a"').refused("apply", {})
    assert "is a Tesseract, which has one model: take remote.model out" in words
    _, words = Remote(tmp_path, bare_url, rest="[config]\na = 1").refused("apply", {})
    assert "is a Tesseract, which takes no config" in words


@pytest.fixture(scope="module")
def secant_url(tmp_path_factory):
    """Our own server of plugins/rosenbrock."""
    port = free_port()
    with open(tmp_path_factory.mktemp("secant") / "log.txt", "wb") as log:
        command = [SECANT, "serve", "rosenbrock", "--plugins", str(HERE.parent.parent / "plugins"), "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    wait_until_up(process, f"http://127.0.0.1:{port}/rosenbrock/health")
    yield f"http://127.0.0.1:{port}/rosenbrock"
    stop(process)


def test_another_secant_is_a_tesseract(tmp_path, secant_url):
    model = Remote(tmp_path, secant_url)
    near = {"rtol": 1e-7}
    outputs, _ = model.ask("apply", {"x": 1.0, "y": 2.0})
    assert outputs["result"] == 100.0
    for options, how in [((), "native"), (("--algorithm", "central"), "central")]:
        jacobian, report = model.ask("jacobian", {"x": 1.0, "y": 2.0}, "--report", *options)
        assert report.startswith(how + ":"), report
        np.testing.assert_allclose(jacobian["result"]["x"], -400.0, **near)
        np.testing.assert_allclose(jacobian["result"]["y"], 200.0, **near)
    question = {"vjp_inputs": ["x"], "vjp_outputs": ["result"], "cotangent_vector": {"result": 0.5}}
    vjp, report = model.ask("vjp", {"x": 1.0, "y": 2.0}, "--report", **question)
    assert report.startswith("native:"), report
    np.testing.assert_allclose(vjp["x"], -200.0, **near)


UMBRIDGE = {"input_0": [2.0, 3.0], "input_1": [5.0]}
Y0_BY_A = [[3.0, 2.0], [1.0, 0.0], [0.0, 0.0]]
Y0_BY_B = [[0.0], [1.0], [10.0]]


@pytest.fixture
def forward(tmp_path, umbridge_url):
    return Remote(tmp_path, umbridge_url, 'model = "forward"')


def test_an_umbridge_model_is_applied(forward):
    outputs, _ = forward.ask("apply", UMBRIDGE)
    np.testing.assert_array_equal(outputs["output_0"], [6.0, 7.0, 25.0])
    np.testing.assert_array_equal(outputs["output_1"], [10.0])


def test_config_goes_with_every_request(tmp_path, umbridge_url):
    model = Remote(tmp_path, umbridge_url, 'protocol = "umbridge"\nmodel = "forward"', "[config]\nscale = 10.0")
    outputs, _ = model.ask("apply", UMBRIDGE)
    np.testing.assert_array_equal(outputs["output_0"], [60.0, 70.0, 250.0])
    jacobian, _ = model.ask("jacobian", UMBRIDGE, "--of", "output_0", "--wrt", "input_1")
    np.testing.assert_array_equal(jacobian["output_0"]["input_1"], 10.0 * np.array(Y0_BY_B))


def test_an_umbridge_model_s_own_derivatives_are_used(forward):
    jvp, report = forward.ask(
        "jvp",
        UMBRIDGE,
        "--report",
        jvp_inputs=["input_0", "input_1"],
        jvp_outputs=["output_0", "output_1"],
        tangent_vector={"input_0": [1.0, -1.0], "input_1": [2.0]},
    )
    assert report.startswith("native: "), report
    np.testing.assert_array_equal(jvp["output_0"], [1.0, 3.0, 20.0])
    np.testing.assert_array_equal(jvp["output_1"], [9.0])
    vjp, report = forward.ask(
        "vjp",
        UMBRIDGE,
        "--report",
        vjp_inputs=["input_0", "input_1"],
        vjp_outputs=["output_0", "output_1"],
        cotangent_vector={"output_0": [1.0, 2.0, 3.0], "output_1": [4.0]},
    )
    assert report.startswith("native: "), report
    np.testing.assert_array_equal(vjp["input_0"], [3.0 + 2.0 + 20.0, 2.0])
    np.testing.assert_array_equal(vjp["input_1"], [2.0 + 30.0 + 8.0])


@pytest.mark.parametrize(
    ("name", "how", "rtol"), [("forward", "native, from jvp", 0), ("rows", "native, from vjp", 0), ("bare", "auto", 1e-8)]
)
def test_a_jacobian_is_made_of_what_there_is(tmp_path, umbridge_url, name, how, rtol):
    model = Remote(tmp_path, umbridge_url, f'model = "{name}"')
    jacobian, report = model.ask("jacobian", UMBRIDGE, "--report")
    assert report.startswith(how + ":"), report
    near = {"rtol": rtol, "atol": rtol}
    np.testing.assert_allclose(jacobian["output_0"]["input_0"], Y0_BY_A, **near)
    np.testing.assert_allclose(jacobian["output_0"]["input_1"], Y0_BY_B, **near)
    np.testing.assert_allclose(jacobian["output_1"]["input_0"], [[5.0, 0.0]], **near)
    np.testing.assert_allclose(jacobian["output_1"]["input_1"], [[2.0]], **near)


def test_schemas_of_one_s_own_give_names_shapes_and_bounds(tmp_path, umbridge_url):
    number = {"type": "number", "minimum": 0.0, "maximum": 5.0, "differentiable": True}
    inputs = {"properties": {"a": {"dtype": "float64", "shape": [2, 1], "differentiable": True}, "b": number}}
    outputs = {"properties": {"y": {"dtype": "float64", "shape": [3]}, "z": {"type": "number", "differentiable": True}}}
    tmp_path.joinpath("input.json").write_text(json.dumps({"required": ["a", "b"], **inputs}))
    tmp_path.joinpath("output.json").write_text(json.dumps(outputs))
    manifest = tmp_path / "model.toml"
    model = Remote(tmp_path, umbridge_url, 'model = "forward"')
    manifest.write_text('input = "input.json"\noutput = "output.json"\n' + manifest.read_text())
    given = {"a": [[2.0], [3.0]], "b": 5.0}
    result, _ = model.ask("apply", given)
    assert result["z"].shape == () and result["z"] == 10.0
    for algorithm in ((), ("--algorithm", "central")):
        jacobian, _ = model.ask("jacobian", given, *algorithm)
        np.testing.assert_allclose(jacobian["z"]["a"], [[5.0], [0.0]], atol=1e-8)
        np.testing.assert_allclose(jacobian["z"]["b"], 2.0, rtol=1e-8)
    tmp_path.joinpath("input.json").write_text(json.dumps({"properties": {"a": number}}))
    _, words = model.refused("apply", {"a": 1.0})
    assert "a field of numbers for each input vector of the server's, which are of sizes [2, 1]" in words, words


def test_which_model_must_be_said(tmp_path, umbridge_url):
    _, words = Remote(tmp_path, umbridge_url).refused("apply", UMBRIDGE)
    assert "has several models: name one of forward, bare, rows, odd in remote.model" in words, words
    _, words = Remote(tmp_path, umbridge_url, 'model = "backward"').refused("apply", UMBRIDGE)
    assert "has no model 'backward', it has forward, bare, rows, odd" in words, words


def test_what_is_no_number_is_an_error_of_the_model(tmp_path, umbridge_url):
    odd = Remote(tmp_path, umbridge_url, 'model = "odd"')
    outputs, _ = odd.ask("apply", {"input_0": [1.0, 0.0], "input_1": [0.0]})
    np.testing.assert_array_equal(outputs["output_0"], [1.0, 1.0, 1.0])
    for a0 in (-0.5, -2.0):
        code, words = odd.refused("jacobian", {"input_0": [a0, 0.0], "input_1": [0.0]})
        assert code == 3 and "output_0" in words, words
    code, words = odd.refused("apply", {"input_0": [11.0, 0.0], "input_1": [0.0]})
    assert code == 3 and "/Evaluate: status 500" in words, words


def test_a_server_is_neither(tmp_path, spring_url):
    _, words = Remote(tmp_path, spring_url + "/nowhere").refused("apply", {})
    assert "is neither a Tesseract nor an UM-Bridge server" in words, words
    assert "/nowhere/openapi.json: status 404" in words and "/nowhere/Info: status 404" in words, words


def test_nobody_is_there(tmp_path):
    _, words = Remote(tmp_path, f"http://127.0.0.1:{free_port()}", "retries = 1").refused("apply", {})
    assert "the connection was refused (asked 2 times): is the server running?" in words, words
