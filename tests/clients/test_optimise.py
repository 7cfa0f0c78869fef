"""Optimisers that know nothing of secant find the bottom of a valley that lives in a shared library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from servers import ROOT
from tesseract_core import Tesseract
from tesseract_jax import apply_tesseract

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def tesseract(secant):
    assert (ROOT / "plugins/rosenbrock/model.toml").read_text().count(".so"), "this is about a library"
    return Tesseract.from_url(secant["rosenbrock"])


def test_lbfgs_through_the_client(tesseract):
    def height(point):
        return float(tesseract.apply({"x": point[0], "y": point[1]})["result"])

    def slope(point):
        inputs = {"x": point[0], "y": point[1]}
        found = tesseract.vector_jacobian_product(inputs, ["x", "y"], ["result"], {"result": 1.0})
        return np.array([found["x"], found["y"]])

    found = scipy.optimize.minimize(height, [-1.2, 1.0], jac=slope, method="L-BFGS-B")
    assert found.success, found
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=1e-4)
    assert found.nit < 60, found


def test_newton_through_jax(tesseract):
    """Gauss-Newton on the slopes that jax.grad gives, with the curvature taken from differences of them."""

    @jax.jit
    def slope(point):
        return jax.grad(lambda p: apply_tesseract(tesseract, {"x": p[0], "y": p[1]})["result"])(point)

    point = jnp.array([-1.2, 1.0])
    for _ in range(20):
        here = slope(point)
        if jnp.linalg.norm(here) < 1e-7:
            break
        step = 1e-4
        curvature = jnp.stack(
            [(slope(point + step * e) - slope(point - step * e)) / (2 * step) for e in jnp.eye(2)]
        )
        point = point - jnp.linalg.solve(curvature, here)
    np.testing.assert_allclose(point, [1.0, 1.0], atol=1e-6)


def test_descent_through_jax(tesseract):
    """Plain descent, step by step, with a step that is halved until it leads down."""

    @jax.jit
    @jax.value_and_grad
    def height(point):
        gentle = {"x": point[0], "y": point[1], "b": jnp.array(2.0)}
        return apply_tesseract(tesseract, gentle)["result"]

    point = jnp.array([-1.2, 1.0])
    value, slope = height(point)
    for _ in range(400):
        if jnp.linalg.norm(slope) < 1e-5:
            break
        step = 0.5
        while step > 1e-12:
            there = height(point - step * slope)
            if there[0] < value - 0.5 * step * (slope @ slope):
                point, (value, slope) = point - step * slope, there
                break
            step /= 2
        else:
            pytest.fail(f"no way down from {point} with slope {slope}")
    np.testing.assert_allclose(point, [1.0, 1.0], atol=1e-3)
