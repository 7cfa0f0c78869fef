"""tesseract-jax: apply_tesseract under JAX's transformations, against closed forms."""

import jax
import jax.numpy as jnp
import models
import numpy as np
import pytest
from models import INPUTS
from pydantic import ValidationError
from tesseract_core import Tesseract
from tesseract_jax import apply_tesseract

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def valley(secant):
    tesseract = Tesseract.from_url(secant["rosenbrock"])
    return lambda x, y: apply_tesseract(tesseract, {"x": x, "y": y})["result"]


@pytest.fixture
def add(secant):
    """With inputs that are no arrays, float32 in and float64 out."""
    tesseract = Tesseract.from_url(secant["vectoradd"])
    return lambda a, b, s, **others: apply_tesseract(tesseract, {"a": a, "b": b, "s": s, **others})["result"]


@pytest.fixture
def nested(secant):
    tesseract = Tesseract.from_url(secant["nested"])
    return lambda inputs: apply_tesseract(tesseract, inputs)


@pytest.fixture
def mean(secant):
    """The barycenter as a function of the points."""
    tesseract = Tesseract.from_url(secant["meshstats"])
    mesh = as_arrays(INPUTS["meshstats"])

    def barycenter(points):
        inputs = {**mesh, "mesh": {**mesh["mesh"], "points": points}}
        return apply_tesseract(tesseract, inputs)["statistics"]["barycenter"]

    return barycenter


def as_arrays(tree):
    """Numbers and lists of numbers as JAX arrays; integers stay what they are."""
    if isinstance(tree, dict):
        return {key: as_arrays(value) for key, value in tree.items()}
    return jnp.asarray(tree) if isinstance(tree, float | list) else tree


X, Y = jnp.array(-1.2), jnp.array(1.0)
A = jnp.array([1.0, 2.0, -3.0], dtype="float32")
B = jnp.array([0.5, -1.0, 4.0], dtype="float32")
S = jnp.array(2.0, dtype="float32")
SLOPE = models.rosenbrock_gradient(-1.2, 1.0)
SINGLE = {"rtol": 1e-3, "atol": 1e-4}


def close(found, expected, rtol=1e-6, atol=1e-6):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.fixture(params=["eager", "jit"])
def maybe_jit(request):
    return jax.jit if request.param == "jit" else lambda function: function


def test_apply(valley, maybe_jit):
    found = maybe_jit(valley)(X, Y)
    assert (found.shape, found.dtype) == ((), "float64")
    close(found, models.rosenbrock(-1.2, 1.0), rtol=1e-12)


def test_within_other_operations(valley, maybe_jit):
    found = maybe_jit(lambda x: jnp.sin(valley(x, 2 * x)) + x)(X)
    close(found, np.sin(models.rosenbrock(-1.2, -2.4)) - 1.2)


def test_grad(valley, maybe_jit):
    found = maybe_jit(jax.grad(valley, argnums=(0, 1)))(X, Y)
    close(jnp.stack(found), SLOPE)


def test_value_and_grad(valley, maybe_jit):
    value, slope = maybe_jit(jax.value_and_grad(valley))(X, Y)
    close(value, models.rosenbrock(-1.2, 1.0))
    close(slope, SLOPE[0])


def test_grad_of_a_composition(valley, maybe_jit):
    found = maybe_jit(jax.grad(lambda x: jnp.log(1 + valley(x, x**2))))(X)
    # On the parabola the valley is (1 - x)^2 high.
    close(found, -2 * (1 + 1.2) / (1 + 2.2**2), rtol=1e-5)


def test_jvp(valley, maybe_jit):
    push = maybe_jit(lambda x, y, dx, dy: jax.jvp(valley, (x, y), (dx, dy)))
    value, change = push(X, Y, jnp.array(0.5), jnp.array(-2.0))
    close(value, models.rosenbrock(-1.2, 1.0))
    close(change, SLOPE @ [0.5, -2.0])


def test_vjp(valley, maybe_jit):
    def pull(x, y, weight):
        value, back = jax.vjp(valley, x, y)
        return value, back(weight)

    value, slopes = maybe_jit(pull)(X, Y, jnp.array(3.0))
    close(value, models.rosenbrock(-1.2, 1.0))
    close(jnp.stack(slopes), 3 * SLOPE)


@pytest.mark.parametrize("transform", [jax.jacfwd, jax.jacrev])
def test_jacobians_of_scalars(valley, maybe_jit, transform):
    found = maybe_jit(transform(valley, argnums=(0, 1)))(X, Y)
    close(jnp.stack(found), SLOPE)


@pytest.mark.parametrize("transform", [jax.jacfwd, jax.jacrev])
def test_jacobians_of_vectors(add, maybe_jit, transform):
    found = maybe_jit(transform(add, argnums=(0, 1, 2)))(A, B, S)
    expected = models.vectoradd_jacobian(A, B, S)
    for block, name in zip(found, ["a", "b", "s"], strict=True):
        assert block.shape == np.shape(expected[name])
        close(block, expected[name], **SINGLE)


def test_single_precision_in_double_out(add, maybe_jit):
    found = maybe_jit(add)(A, B, S)
    assert found.dtype == "float64"
    close(found, 2 * A + B)
    slopes = maybe_jit(jax.grad(lambda a, b, s: (add(a, b, s) ** 2).sum(), argnums=(0, 1, 2)))(A, B, S)
    result = np.asarray(2 * A + B)
    assert [slope.dtype for slope in slopes] == ["float32"] * 3
    for slope, expected in zip(slopes, [4 * result, 2 * result, (2 * result * A).sum()]):
        close(slope, expected, **SINGLE)


def test_inputs_that_are_no_arrays(add, maybe_jit):
    function = maybe_jit(lambda a: add(a, B, S, normalize=True, fd_algorithm="forward"))
    result = np.asarray(2 * A + B)
    length = np.linalg.norm(result)
    close(function(A), result / length)
    found = maybe_jit(jax.jacrev(lambda a: add(a, B, S, normalize=True)))(A)
    close(found, 2 * (np.eye(3) - np.outer(result, result) / length**2) / length, **SINGLE)


def test_a_mesh(mean, maybe_jit):
    points = jnp.array(INPUTS["meshstats"]["mesh"]["points"])
    close(maybe_jit(mean)(points), points.mean(axis=0))
    found = maybe_jit(jax.grad(lambda points: (mean(points) * jnp.array([1.0, -2.0, 0.5])).sum()))(points)
    close(found, np.tile([0.25, -0.5, 0.125], (4, 1)))
    found = maybe_jit(jax.jacfwd(mean))(points)
    close(found, 0.25 * np.einsum("ik,j->ijk", np.eye(3), np.ones(4)))


def test_dictionaries_and_lists(nested, maybe_jit):
    plain = {"params": INPUTS["nested"]["params"], "fields": {"u": [0.1, -0.4, 0.7], "v": [1.25]}}
    plain |= {"layers": INPUTS["nested"]["layers"]}
    leaves = {
        "gain": jnp.array(1.5),
        "offset": jnp.array(plain["params"]["offset"]),
        "fields": {key: jnp.array(field) for key, field in plain["fields"].items()},
        "layers": [jnp.array(layer) for layer in plain["layers"]],
    }

    def total(leaves):
        inputs = {"params": {"gain": leaves["gain"], "offset": leaves["offset"]}}
        inputs |= {"fields": leaves["fields"], "layers": leaves["layers"]}
        outputs = nested(inputs)
        return outputs["summary"]["total"] + 2 * outputs["per_key"]["v"][0] + outputs["layers_out"][1].sum()

    expected = models.nested(plain)
    close(
        maybe_jit(total)(leaves),
        expected["summary"]["total"] + 2 * expected["per_key"]["v"][0] + expected["layers_out"][1].sum(),
    )
    found = maybe_jit(jax.grad(total))(leaves)
    slopes = models.nested_total_gradient(plain)
    fields, layers = plain["fields"], plain["layers"]
    close(found["gain"], slopes["params.gain"] + 2 * np.tanh(1.25) + np.sin(layers[1]).sum())
    close(found["offset"], slopes["params.offset"] + 1)
    close(found["fields"]["u"], slopes["fields"]["u"])
    close(found["fields"]["v"], slopes["fields"]["v"] + 2 * 1.5 * (1 - np.tanh(fields["v"]) ** 2))
    close(found["layers"][0], slopes["layers"][0])
    close(found["layers"][1], slopes["layers"][1] + 1.5 * np.cos(layers[1]))


def test_vmap(secant, maybe_jit):
    tesseract = Tesseract.from_url(secant["rosenbrock"])

    def valley(x, y):
        return apply_tesseract(tesseract, {"x": x, "y": y}, vmap_method="sequential")["result"]

    x, y = jnp.array([-1.2, 0.0, 1.0]), jnp.array([1.0, 2.0, 1.0])
    close(maybe_jit(jax.vmap(valley))(x, y), models.rosenbrock(x, y), atol=1e-12)
    close(maybe_jit(jax.vmap(valley, in_axes=(0, None)))(x, Y), models.rosenbrock(x, 1.0))
    found = maybe_jit(jax.vmap(jax.grad(valley, argnums=(0, 1))))(x, y)
    close(jnp.stack(found), models.rosenbrock_gradient(np.asarray(x), np.asarray(y)))
    grid = maybe_jit(jax.vmap(jax.vmap(valley, in_axes=(None, 0)), in_axes=(0, None)))(x, y)
    close(grid, models.rosenbrock(x[:, None], y[None, :]), atol=1e-12)


def test_bad_shapes_are_told_while_tracing(add):
    with pytest.raises(ValidationError):
        jax.jit(add).lower(A, B[:2], S)
