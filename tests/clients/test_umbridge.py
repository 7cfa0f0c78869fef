"""UM-Bridge 1.0: its Python client, and each reply held against the protocol's schema."""

import jsonschema
import models
import numpy as np
import pytest
import requests
import umbridge
from models import INPUTS
from servers import MODELS

X, Y = -1.2, 1.0
SLOPE = models.rosenbrock_gradient(X, Y)
# Second derivatives of Rosenbrock's valley there.
CURVATURE = np.array([[2 - 400 * Y + 1200 * X**2, -400 * X], [-400 * X, 200.0]])


@pytest.fixture
def valley(umbridge_url):
    return umbridge.HTTPModel(umbridge_url, "rosenbrock")


def test_models(umbridge_url):
    assert sorted(umbridge.supported_models(umbridge_url)) == sorted(MODELS)


def test_an_unknown_model(umbridge_url):
    with pytest.raises(Exception, match="not supported by server"):
        umbridge.HTTPModel(umbridge_url, "nobody")


def test_sizes(valley):
    assert valley.get_input_sizes() == [1, 1]
    assert valley.get_output_sizes() == [1]
    assert valley.get_input_sizes({}) == [1, 1]


def test_support(valley):
    assert valley.supports_evaluate() and valley.supports_gradient()
    assert valley.supports_apply_jacobian() and valley.supports_apply_hessian()


def test_evaluate(valley):
    np.testing.assert_allclose(valley([[X], [Y]]), [[models.rosenbrock(X, Y)]], rtol=1e-12)
    # Integers are numbers.
    np.testing.assert_allclose(valley([[2], [1]]), [[models.rosenbrock(2, 1)]], rtol=1e-12)


def test_gradient(valley):
    for i in range(2):
        np.testing.assert_allclose(valley.gradient(0, i, [[X], [Y]], [1.0]), [SLOPE[i]], rtol=1e-6)
        np.testing.assert_allclose(valley.gradient(0, i, [[X], [Y]], [-2.5]), [-2.5 * SLOPE[i]], rtol=1e-6)


def test_apply_jacobian(valley):
    for i in range(2):
        np.testing.assert_allclose(valley.apply_jacobian(0, i, [[X], [Y]], [3.0]), [3 * SLOPE[i]], rtol=1e-6)


def test_apply_hessian(valley):
    for i in range(2):
        for j in range(2):
            found = valley.apply_hessian(0, i, j, [[X], [Y]], [0.5], [3.0])
            np.testing.assert_allclose(found, [1.5 * CURVATURE[i, j]], rtol=1e-3)


def test_other_inputs_come_from_the_config(valley):
    config = {"inputs": {"b": 2.0}}
    np.testing.assert_allclose(valley([[X], [Y]], config), [[models.rosenbrock(X, Y, b=2.0)]], rtol=1e-12)
    slope = models.rosenbrock_gradient(X, Y, b=2.0)
    np.testing.assert_allclose(valley.gradient(0, 1, [[X], [Y]], [1.0], config), [slope[1]], rtol=1e-6)


def test_the_config_says_how_long_vectors_are(umbridge_url):
    model = umbridge.HTTPModel(umbridge_url, "vectoradd")
    for n in (2, 5):
        config = {"inputs": {"a": [0.0] * n, "b": [0.0] * n}}
        assert model.get_input_sizes(config) == [n, n, 1]
        assert model.get_output_sizes(config) == [n]
        a, b = [1.0] * n, [float(i) for i in range(n)]
        np.testing.assert_allclose(model([a, b, [2.0]], config), [[2 + i for i in range(n)]])
        vec = [1.0] + [0.0] * (n - 1)
        np.testing.assert_allclose(
            model.apply_jacobian(0, 0, [a, b, [2.0]], vec, config), 2 * np.array(vec), rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            model.gradient(0, 2, [a, b, [2.0]], [1.0] * n, config), [float(n)], rtol=1e-4
        )


def test_leaves_are_ravelled(umbridge_url):
    model = umbridge.HTTPModel(umbridge_url, "meshstats")
    config = {"inputs": INPUTS["meshstats"]}
    assert model.get_input_sizes(config) == [12]
    # In the order of the output schema: the first point, the barycenter.
    assert model.get_output_sizes(config) == [3, 3]
    points = np.array(INPUTS["meshstats"]["mesh"]["points"])
    found = model([points.ravel().tolist()], config)
    np.testing.assert_allclose(found, [points[0], points.mean(axis=0)])
    found = model.gradient(1, 0, [points.ravel().tolist()], [1.0, -2.0, 0.5], config)
    np.testing.assert_allclose(found, np.tile([0.25, -0.5, 0.125], 4), atol=1e-7)
    vec = np.zeros((4, 3))
    vec[0] = [1.0, 2.0, 3.0]
    found = model.apply_jacobian(0, 0, [points.ravel().tolist()], vec.ravel().tolist(), config)
    np.testing.assert_allclose(found, [1.0, 2.0, 3.0], rtol=1e-6)


def test_without_a_config_the_example_says_the_sizes(umbridge_url):
    model = umbridge.HTTPModel(umbridge_url, "meshstats")
    assert model.get_input_sizes() == [12]
    assert model.get_output_sizes() == [3, 3]


def test_dictionaries_and_lists(umbridge_url):
    model = umbridge.HTTPModel(umbridge_url, "nested")
    inputs = {"params": INPUTS["nested"]["params"], "fields": {"u": [0.1, -0.4]}, "layers": [[0.3, 0.6, -0.9]]}
    config = {"inputs": inputs | {"counts": None}}
    vectors = [[1.5], inputs["params"]["offset"], [0.1, -0.4], [0.3, 0.6, -0.9]]
    assert model.get_input_sizes(config) == [1, 3, 2, 3]
    assert model.get_output_sizes(config) == [1, 2, 3]
    expected = models.nested(inputs)
    found = model(vectors, config)
    np.testing.assert_allclose(found[0], [expected["summary"]["total"]])
    np.testing.assert_allclose(found[1], expected["per_key"]["u"])
    np.testing.assert_allclose(found[2], expected["layers_out"][0])
    slopes = models.nested_total_gradient(inputs)
    for i, slope in enumerate(
        [[slopes["params.gain"]], slopes["params.offset"], slopes["fields"]["u"], slopes["layers"][0]]
    ):
        np.testing.assert_allclose(model.gradient(0, i, vectors, [1.0], config), slope, rtol=1e-6, atol=1e-7)


# The replies, and nothing beside what they say.


def exactly(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def some(item):
    return {"type": "array", "items": item, "minItems": 1}


NUMBERS = {"type": "array", "items": {"type": "number"}}
SIZES = some({"type": "integer", "minimum": 0})
YES_OR_NO = {"type": "boolean"}
TEXT = {"type": "string", "minLength": 1}
REPLIES = {
    "Info": exactly(protocolVersion={"const": 1.0}, models=some(TEXT)),
    "ModelInfo": exactly(
        support=exactly(Evaluate=YES_OR_NO, Gradient=YES_OR_NO, ApplyJacobian=YES_OR_NO, ApplyHessian=YES_OR_NO)
    ),
    "InputSizes": exactly(inputSizes=SIZES),
    "OutputSizes": exactly(outputSizes=SIZES),
    "Evaluate": exactly(output=some(NUMBERS)),
    "Gradient": exactly(output=NUMBERS),
    "ApplyJacobian": exactly(output=NUMBERS),
    "ApplyHessian": exactly(output=NUMBERS),
}
POINT = {"name": "rosenbrock", "input": [[X], [Y]]}
ASKED = {
    "ModelInfo": {"name": "rosenbrock"},
    "InputSizes": {"name": "rosenbrock"},
    "OutputSizes": {"name": "rosenbrock"},
    "Evaluate": POINT,
    "Gradient": POINT | {"outWrt": 0, "inWrt": 1, "sens": [1.0]},
    "ApplyJacobian": POINT | {"outWrt": 0, "inWrt": 1, "vec": [1.0]},
    "ApplyHessian": POINT | {"outWrt": 0, "inWrt1": 0, "inWrt2": 1, "sens": [1.0], "vec": [1.0]},
}


def post(url, call, body):
    """As the client sends it; or bytes as they are."""
    how = {"data": body} if isinstance(body, bytes) else {"json": body}
    return requests.post(f"{url}/{call}", timeout=60, **how)


def error(response, kind, status):
    assert response.status_code == status, response.text
    jsonschema.validate(response.json(), exactly(error=exactly(type={"const": kind}, message=TEXT)))


def test_info_conforms(umbridge_url):
    response = requests.get(f"{umbridge_url}/Info", timeout=60)
    assert response.status_code == 200
    jsonschema.validate(response.json(), REPLIES["Info"])


@pytest.mark.parametrize("config", [None, {}], ids=["no config", "a config"])
@pytest.mark.parametrize("call", ASKED)
def test_replies_conform(umbridge_url, call, config):
    body = ASKED[call] if config is None else ASKED[call] | {"config": config}
    response = post(umbridge_url, call, body)
    assert response.status_code == 200, response.text
    jsonschema.validate(response.json(), REPLIES[call])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("call", ["ModelInfo", "InputSizes", "OutputSizes"])
def test_every_model_conforms(umbridge_url, call, model):
    response = post(umbridge_url, call, {"name": model})
    assert response.status_code == 200, response.text
    jsonschema.validate(response.json(), REPLIES[call])


def test_the_root_is_there(umbridge_url):
    assert requests.head(f"{umbridge_url}/", timeout=60).status_code < 500


@pytest.mark.parametrize("call", ASKED)
def test_unknown_models_are_told_first(umbridge_url, call):
    error(post(umbridge_url, call, {"name": "nobody"}), "ModelNotFound", 400)
    error(post(umbridge_url, call, ASKED[call] | {"name": ""}), "ModelNotFound", 400)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("call", ["Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian"])
def test_what_is_not_supported(umbridge_url, call, model):
    """Asked with nothing but the name: an error of the right kind, whether or not the model has it."""
    support = post(umbridge_url, "ModelInfo", {"name": model}).json()["support"]
    kind = "InvalidInput" if support[call] else "UnsupportedFeature"
    error(post(umbridge_url, call, {"name": model}), kind, 400)


@pytest.mark.parametrize(
    "call, changes",
    [
        ("Evaluate", {"input": [[X]]}),
        ("Evaluate", {"input": [[X], [Y], [0.0]]}),
        ("Evaluate", {"input": [[X], []]}),
        ("Evaluate", {"input": [[X], [Y, Y]]}),
        ("Evaluate", {"input": []}),
        ("Evaluate", {"input": [X, Y]}),
        ("Evaluate", {"input": [["x"], [Y]]}),
        ("Evaluate", {"input": [[None], [Y]]}),
        ("Evaluate", {"input": None}),
        ("Evaluate", {"config": []}),
        ("Evaluate", {"config": {"inputs": {"nobody": 1.0}}}),
        ("Gradient", {"inWrt": 2}),
        ("Gradient", {"inWrt": -1}),
        ("Gradient", {"outWrt": 1}),
        ("Gradient", {"outWrt": "0"}),
        ("Gradient", {"sens": []}),
        ("Gradient", {"sens": [1.0, 2.0]}),
        ("ApplyJacobian", {"inWrt": 2}),
        ("ApplyJacobian", {"outWrt": 1}),
        ("ApplyJacobian", {"vec": [1.0, 2.0]}),
        ("ApplyJacobian", {"vec": ["x"]}),
        ("ApplyHessian", {"inWrt1": 2}),
        ("ApplyHessian", {"inWrt2": 2}),
        ("ApplyHessian", {"outWrt": 1}),
        ("ApplyHessian", {"sens": [1.0, 2.0]}),
        ("ApplyHessian", {"vec": []}),
    ],
)
def test_invalid_input(umbridge_url, call, changes):
    error(post(umbridge_url, call, ASKED[call] | changes), "InvalidInput", 400)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name": 1}', b"{}"])
def test_bodies_that_are_none(umbridge_url, body):
    """Clients parse whatever comes, so that an error object must come."""
    for call in ASKED:
        response = post(umbridge_url, call, body)
        assert 400 <= response.status_code < 500, response.text
        jsonschema.validate(response.json(), exactly(error=exactly(type=TEXT, message=TEXT)))


def test_a_model_that_fails(umbridge_url):
    body = {"name": "vectoradd", "input": [[1.0], [-1.0], [1.0]]}
    body["config"] = {"inputs": {"a": [1.0], "b": [1.0], "normalize": True}}
    response = post(umbridge_url, "Evaluate", body)
    assert response.status_code == 500, response.text
    jsonschema.validate(response.json(), exactly(error=exactly(type=TEXT, message=TEXT)))
    assert "no direction" in response.json()["error"]["message"]


def test_numbers_beyond_all_numbers_are_no_broken_json(umbridge_url):
    """There is no NaN and no Infinity in JSON."""
    response = post(umbridge_url, "Evaluate", {"name": "rosenbrock", "input": [[0.0], [1e200]]})
    response.json(parse_constant=pytest.fail)


def test_under_the_tesseract_port(secant_server, umbridge_url):
    """The same without a port of its own."""
    base = secant_server.urls["rosenbrock"].removesuffix("/rosenbrock") + "/umbridge"
    model = umbridge.HTTPModel(base, "rosenbrock")
    assert model([[X], [Y]]) == umbridge.HTTPModel(umbridge_url, "rosenbrock")([[X], [Y]])
