"""rosenbrock: Rosenbrock's valley, (a - x)^2 + b (y - x^2)^2."""

from typing import Literal

import exact
from pydantic import BaseModel, Field
from tesseract_core.runtime import Array, Differentiable, Float64, ShapeDType

Number = Array[(), Float64]


class InputSchema(BaseModel):
    x: Differentiable[Number] = Field(0.0, description="Where the valley is crossed.")
    y: Differentiable[Number] = Field(0.0, description="Where along the valley.")
    a: Number = Field(1.0, description="The minimum lies at (a, a^2).")
    b: Number = Field(100.0, description="How steep the walls of the valley are.")
    fd_algorithm: Literal["central", "forward", "stochastic"] = Field(
        "central", description="How gradients are taken."
    )


class OutputSchema(BaseModel):
    result: Differentiable[Number] = Field(description="Height of the valley at (x, y).")


def evaluate(leaves):
    valley, slope = leaves["y"] - leaves["x"] ** 2, leaves["a"] - leaves["x"]
    return {"result": slope**2 + leaves["b"] * valley**2}


def leaves_of(inputs):
    return {name: getattr(inputs, name) for name in ("x", "y", "a", "b")}


def apply(inputs: InputSchema) -> OutputSchema:
    return OutputSchema(**evaluate(leaves_of(inputs)))


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]):
    return exact.jacobian(evaluate, leaves_of(inputs), jac_inputs, jac_outputs)


def jacobian_vector_product(inputs: InputSchema, jvp_inputs: set[str], jvp_outputs: set[str], tangent_vector):
    return exact.jvp(evaluate, leaves_of(inputs), jvp_inputs, jvp_outputs, tangent_vector)


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector):
    return exact.vjp(evaluate, leaves_of(inputs), vjp_inputs, vjp_outputs, cotangent_vector)


def abstract_eval(abstract_inputs):
    return {"result": ShapeDType(shape=(), dtype="float64")}
