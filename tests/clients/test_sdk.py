"""The Python SDK, tesseract_core.Tesseract.from_url, at every endpoint."""

import json

import models
import numpy as np
import pytest
from models import COTANGENT, INPUTS, OF, TANGENT, WRT
from pydantic import ValidationError
from servers import MODELS, ROOT
from tesseract_core import Tesseract

ENDPOINTS = {
    "apply",
    "jacobian",
    "jacobian_vector_product",
    "vector_jacobian_product",
    "health",
    "abstract_eval",
    "hessian",
    "hessian_vector_product",
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def tesseract(secant, model):
    return Tesseract.from_url(secant[model])


def array(value, dtype="float64"):
    return np.asarray(value, dtype=dtype)


def close(found, expected, dtype="float64", rtol=1e-6, atol=1e-7):
    assert isinstance(found, np.ndarray) and found.dtype == dtype, f"{found!r}"
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_endpoints(tesseract):
    assert set(tesseract.available_endpoints) == ENDPOINTS
    assert tesseract.health() == {"status": "ok"}


def test_debugging_adds_an_endpoint(debugged, model):
    assert set(Tesseract.from_url(debugged[model]).available_endpoints) == ENDPOINTS | {"test"}


def test_a_trailing_slash_does_not_matter(secant):
    assert Tesseract.from_url(secant["rosenbrock"] + "/").health() == {"status": "ok"}


def test_apply_rosenbrock(secant):
    tesseract = Tesseract.from_url(secant["rosenbrock"])
    close(tesseract.apply(INPUTS["rosenbrock"])["result"], models.rosenbrock(-1.2, 1.0), rtol=1e-14)
    # The defaults of the schema.
    close(tesseract.apply({})["result"], 1.0)
    # Whatever the caller has it in.
    for x in (2, np.int32(2), np.float32(2), np.array(2.0), np.array(2, dtype="uint8")):
        close(tesseract.apply({"x": x, "y": 1})["result"], models.rosenbrock(2.0, 1.0))


def test_apply_vectoradd(secant):
    tesseract = Tesseract.from_url(secant["vectoradd"])
    a, b = array([1.0, 2.0, -3.0], "float32"), array([0.5, -1.0, 4.0], "float32")
    close(tesseract.apply({"a": a, "b": b, "s": 2.0})["result"], 2 * a + b)
    long = 2 * a + b
    close(tesseract.apply({"a": a, "b": b, "s": 2.0, "normalize": True})["result"], long / np.linalg.norm(long))
    close(tesseract.apply({"a": a[:0], "b": b[:0]})["result"], [])
    # The model sees float32 and answers in float64.
    fine = tesseract.apply({"a": [0.1], "b": [0.0]})["result"]
    close(fine, [float(np.float32(0.1))], rtol=1e-15, atol=0)


def test_apply_meshstats(secant):
    mesh = json.loads((ROOT / "plugins/meshstats/hexbeam.json").read_text())["inputs"]
    statistics = Tesseract.from_url(secant["meshstats"]).apply(mesh)["statistics"]
    points = array(mesh["mesh"]["points"])
    close(statistics["barycenter"], points.mean(axis=0))
    close(statistics["first_point_coordinates"], points[0])


def test_apply_nested(secant):
    found = Tesseract.from_url(secant["nested"]).apply(INPUTS["nested"])
    expected = models.nested(INPUTS["nested"])
    close(found["summary"]["total"], expected["summary"]["total"])
    close(found["summary"]["n_layers"], 2, dtype="int64")
    assert found["per_key"].keys() == expected["per_key"].keys()
    for key, value in expected["per_key"].items():
        close(found["per_key"][key], value)
    for found, expected in zip(found["layers_out"], expected["layers_out"], strict=True):
        close(found, expected)


def test_nothing_in_dictionaries_and_lists(secant):
    empty = {"params": INPUTS["nested"]["params"], "fields": {}, "layers": []}
    found = Tesseract.from_url(secant["nested"]).apply(empty)
    close(found["summary"]["total"], 0.0)
    assert (found["per_key"], found["layers_out"]) == ({}, [])


def test_jacobian(tesseract, model):
    found = tesseract.jacobian(INPUTS[model], WRT[model], OF[model])
    assert found.keys() == set(OF[model])
    outputs = tesseract.abstract_eval(models.abstract(INPUTS[model]))
    for out in OF[model]:
        assert found[out].keys() == set(WRT[model])
        for path in WRT[model]:
            block = found[out][path]
            assert block.dtype == "float64"
            assert block.shape == (*at(outputs, out)["shape"], *np.shape(at(INPUTS[model], path)))


def at(tree, path):
    """What lies at a path whose keys hold no dots that matter."""
    key = r"a \{strange\} key."
    for name in path.replace(key, "KEY").split("."):
        name = name.replace("KEY", key).strip("{}[]").replace(r"\{", "{").replace(r"\}", "}")
        tree = tree[int(name) if name.isdigit() else name]
    return tree


def test_jacobian_in_closed_form(secant):
    found = Tesseract.from_url(secant["rosenbrock"]).jacobian({"x": -1.2, "y": 1.0}, ["x", "y"], ["result"])
    for name, slope in zip("xy", models.rosenbrock_gradient(-1.2, 1.0)):
        close(found["result"][name], slope)

    inputs = INPUTS["vectoradd"]
    found = Tesseract.from_url(secant["vectoradd"]).jacobian(inputs, ["a", "b", "s"], ["result"])
    for name, block in models.vectoradd_jacobian(inputs["a"], inputs["b"], inputs["s"]).items():
        close(found["result"][name], block, rtol=1e-4, atol=1e-5)

    found = Tesseract.from_url(secant["meshstats"]).jacobian(
        INPUTS["meshstats"], WRT["meshstats"], OF["meshstats"]
    )
    for axis in range(3):
        mean, first = np.zeros((4, 3)), np.zeros((4, 3))
        mean[:, axis], first[0, axis] = 0.25, 1.0
        close(found["statistics.barycenter"]["mesh.points"][axis], mean)
        close(found["statistics.first_point_coordinates"]["mesh.points"][axis], first)

    paths = [*WRT["nested"], "layers.[0]"]
    found = Tesseract.from_url(secant["nested"]).jacobian(INPUTS["nested"], paths, ["summary.total"])
    expected = models.nested_total_gradient(INPUTS["nested"])
    slopes = found["summary.total"]
    close(slopes["params.gain"], expected["params.gain"])
    close(slopes["params.offset"], expected["params.offset"])
    close(slopes["fields.{u}"], expected["fields"]["u"])
    close(slopes[r"fields.{a \{strange\} key.}"], expected["fields"]["a {strange} key."])
    for i in range(2):
        close(slopes[f"layers.[{i}]"], expected["layers"][i])


def test_products_agree_with_the_jacobian(tesseract, model):
    inputs, wrt, of = INPUTS[model], WRT[model], OF[model]
    jacobian = tesseract.jacobian(inputs, wrt, of)
    found = tesseract.jacobian_vector_product(inputs, wrt, of, TANGENT[model])
    assert found.keys() == set(of)
    for out in of:
        expected = sum(np.tensordot(jacobian[out][p], v, np.ndim(v)) for p, v in TANGENT[model].items())
        close(found[out], expected, rtol=1e-4, atol=1e-4)

    found = tesseract.vector_jacobian_product(inputs, wrt, of, COTANGENT[model])
    assert found.keys() == set(wrt)
    # Vectors come back in the dtype of the input.
    dtype = "float32" if model == "vectoradd" else "float64"
    for path in wrt:
        expected = sum(np.tensordot(w, jacobian[out][path], np.ndim(w)) for out, w in COTANGENT[model].items())
        close(found[path], expected, dtype=dtype, rtol=1e-4, atol=1e-4)


def test_vectors_as_arrays(secant):
    """What the SDK encodes itself, in a dtype that is not the field's."""
    tesseract = Tesseract.from_url(secant["vectoradd"])
    inputs = INPUTS["vectoradd"]
    tangent = {"a": array([1, 0, 0], "int64")}
    found = tesseract.jacobian_vector_product(inputs, ["a"], ["result"], tangent)
    close(found["result"], [2.0, 0.0, 0.0], rtol=1e-4, atol=1e-5)
    cotangent = {"result": array([0, 1, 0], "float16")}
    found = tesseract.vector_jacobian_product(inputs, ["a"], ["result"], cotangent)
    close(found["a"], [0.0, 2.0, 0.0], dtype="float32", rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["central", "forward", "stochastic"])
def test_the_caller_chooses_the_algorithm(secant, algorithm):
    # With one element every algorithm is right.
    inputs = {"a": [1.0], "b": [2.0], "s": 3.0, "fd_algorithm": algorithm}
    found = Tesseract.from_url(secant["vectoradd"]).jacobian(inputs, ["a"], ["result"])
    close(found["result"]["a"], [[3.0]], rtol=1e-3)


def test_abstract_eval(tesseract, model):
    shapes = tesseract.abstract_eval(models.abstract(INPUTS[model]))
    values = tesseract.apply(INPUTS[model])

    def agree(shapes, values):
        if isinstance(values, dict):
            assert shapes.keys() == values.keys()
            for key in values:
                agree(shapes[key], values[key])
        elif isinstance(values, list):
            assert len(shapes) == len(values)
            for pair in zip(shapes, values):
                agree(*pair)
        else:
            assert shapes == {"shape": list(values.shape), "dtype": str(values.dtype)}

    agree(shapes, values)


def test_abstract_eval_of_whole_arrays(secant):
    """Encoded arrays are shapes, too."""
    a = array([1.0, 2.0], "float32")
    assert Tesseract.from_url(secant["vectoradd"]).abstract_eval({"a": a, "b": a}) == {
        "result": {"shape": [2], "dtype": "float64"}
    }


@pytest.mark.parametrize("compression", [None, "none", "lz4"])
@pytest.mark.parametrize("output_format", ["json", "json+base64"])
def test_encodings(tesseract, model, output_format, compression):
    if output_format == "json" and compression == "lz4":
        compression = "none"  # numbers in plain JSON are not compressed by anybody
    other = tesseract.with_encoding(output_format=output_format, compression=compression)
    plain, encoded = tesseract.apply(INPUTS[model]), other.apply(INPUTS[model])
    np.testing.assert_equal(encoded, plain)
    plain = tesseract.jacobian(INPUTS[model], WRT[model], OF[model])
    np.testing.assert_equal(other.jacobian(INPUTS[model], WRT[model], OF[model]), plain)


def test_encodings_that_are_not_offered(tesseract):
    # The client refuses by what the server advertises.
    with pytest.raises(ValueError):
        tesseract.with_encoding(output_format="json", compression="zstd").apply({})


def test_infinity_survives_in_base64(secant):
    tesseract = Tesseract.from_url(secant["rosenbrock"]).with_encoding(output_format="json+base64")
    huge = tesseract.apply({"x": 0.0, "y": 1e200})["result"]
    assert np.isposinf(huge)


def test_many_threads_share_a_client(secant):
    from concurrent.futures import ThreadPoolExecutor

    tesseract = Tesseract.from_url(secant["rosenbrock"])
    points = [(0.1 * i, 1.0 - 0.2 * i) for i in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda point: tesseract.apply({"x": point[0], "y": point[1]})["result"], points))
    np.testing.assert_allclose(found, [models.rosenbrock(x, y) for x, y in points], rtol=1e-12)


BAD = [
    ("rosenbrock", lambda t: t.apply({"x": "text"})),
    ("rosenbrock", lambda t: t.apply({"x": [1.0]})),
    ("rosenbrock", lambda t: t.apply({"q": 1.0})),
    ("rosenbrock", lambda t: t.apply({"fd_algorithm": "exact"})),
    ("rosenbrock", lambda t: t.jacobian({}, ["a"], ["result"])),
    ("rosenbrock", lambda t: t.jacobian({}, [], ["result"])),
    ("rosenbrock", lambda t: t.jacobian_vector_product({}, ["x"], ["result"], {"y": 1.0})),
    ("rosenbrock", lambda t: t.vector_jacobian_product({}, ["x"], ["result"], {"result": [1.0, 2.0]})),
    ("vectoradd", lambda t: t.apply({"a": [1.0]})),
    ("vectoradd", lambda t: t.apply({"a": [1.0], "b": [1.0, 2.0]})),
    ("vectoradd", lambda t: t.apply({"a": np.array([1e300]), "b": [1.0]})),
    ("vectoradd", lambda t: t.apply({"a": np.array([1j]), "b": [1.0]})),
    ("meshstats", lambda t: t.apply({"mesh": {**INPUTS["meshstats"]["mesh"], "n_cells": 2}})),
    ("meshstats", lambda t: t.apply({"mesh": {**INPUTS["meshstats"]["mesh"], "points": np.zeros((2, 2))}})),
    ("nested", lambda t: t.jacobian(INPUTS["nested"], ["fields.{zz}"], ["summary.total"])),
    ("nested", lambda t: t.abstract_eval({**models.abstract(INPUTS["nested"]), "layers": [{"shape": [2]}]})),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_inputs_are_validation_errors(secant, number):
    model, call = BAD[number]
    with pytest.raises(ValidationError) as raised:
        call(Tesseract.from_url(secant[model]))
    for error in raised.value.errors():
        assert error["type"] and error["msg"], error


def test_a_model_that_fails_is_a_runtime_error(secant):
    tesseract = Tesseract.from_url(secant["vectoradd"])
    with pytest.raises(RuntimeError, match="Error 500 from Tesseract"):
        tesseract.apply({"a": [1.0], "b": [-1.0], "normalize": True})
    # The server lives on.
    assert tesseract.health() == {"status": "ok"}


def test_an_unknown_model_is_a_runtime_error(secant):
    nowhere = secant["rosenbrock"].removesuffix("/rosenbrock") + "/nobody"
    with pytest.raises(RuntimeError, match="Error 404 from Tesseract"):
        Tesseract.from_url(nowhere).health()


def spec(**changes):
    return {
        "endpoint": "apply",
        "payload": {"inputs": {"x": -1.2, "y": 1.0}},
        "expected_outputs": {
            "result": {
                "object_type": "array",
                "shape": [],
                "dtype": "float64",
                "data": {"buffer": 24.2, "encoding": "json"},
            }
        },
    } | changes


def height(value, shape=()):
    data = {"buffer": value, "encoding": "json"}
    return {"result": {"object_type": "array", "shape": list(shape), "dtype": "float64", "data": data}}


REFUSED = {"payload": {"inputs": {"x": "text"}}, "expected_outputs": None}


def test_regression_tests_pass(debugged):
    tesseract = Tesseract.from_url(debugged["rosenbrock"])
    tesseract.test(spec())
    tesseract.test(spec(expected_outputs=height(24.0), atol=0.5))
    tesseract.test(spec(skip_output_path_checks=True, cli_config={"input_path": None}))
    tesseract.test(spec(**REFUSED, expected_exception="pydantic.ValidationError"))
    tesseract.test(spec(**REFUSED, expected_exception="ValueError"))
    vectoradd = Tesseract.from_url(debugged["vectoradd"])
    vectoradd.test(
        {
            "endpoint": "apply",
            "payload": {"inputs": {"a": [1.0], "b": [-1.0], "normalize": True}},
            "expected_exception": "ValueError",
            "expected_exception_regex": "no direction",
        }
    )


@pytest.mark.parametrize("model", MODELS)
def test_stored_cases_pass(debugged, model):
    """What the command line tests, through the client. Only cases without plain lists: the reference wants arrays."""
    tesseract = Tesseract.from_url(debugged[model])
    for file in sorted((ROOT / "plugins" / model / "cases").glob("*.json")):
        case = json.loads(file.read_text())
        if case["expected_outputs"] is None or case["endpoint"] == "apply":
            tesseract.test(case)


FAILING = {
    "another value": (spec(expected_outputs=height(25.0)), "not sufficiently close"),
    "another shape": (spec(expected_outputs=height([24.2], [1])), "does not conform to OutputSchema"),
    "another key": (spec(expected_outputs={"z": height(24.2)["result"]}), "does not conform to OutputSchema"),
    "another dtype": (
        spec(expected_outputs={"result": height(24.2)["result"] | {"dtype": "float32"}}),
        "does not conform to OutputSchema",
    ),
    "a bad payload": (spec(payload={"inputs": {"x": "text"}}), "inputs do not conform to InputSchema"),
    "no exception": (spec(expected_outputs=None, expected_exception="ValueError"), None),
    "another message": (
        spec(**REFUSED, expected_exception="pydantic.ValidationError", expected_exception_regex="nothing like it"),
        None,
    ),
    "another exception": (spec(**REFUSED, expected_exception="KeyError"), None),
    "an unknown endpoint": (spec(endpoint="integrate"), None),
}


@pytest.mark.parametrize("what", FAILING)
def test_regression_tests_fail(debugged, what):
    test, message = FAILING[what]
    with pytest.raises(AssertionError, match=message):
        Tesseract.from_url(debugged["rosenbrock"]).test(test)


@pytest.mark.parametrize("test", [{"endpoint": "apply"}, spec(expected_exception="ValueError")])
def test_regression_tests_that_are_none(debugged, test):
    with pytest.raises(ValidationError):
        Tesseract.from_url(debugged["rosenbrock"]).test(test)


def test_there_is_no_test_endpoint_without_debugging(secant):
    with pytest.raises(NotImplementedError):
        Tesseract.from_url(secant["rosenbrock"]).test(spec())
