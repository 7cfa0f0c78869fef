"""vectoradd: a s + b, if wanted of length one."""

from typing import Literal

import exact
import numpy as np
from pydantic import BaseModel, Field, model_validator
from tesseract_core.runtime import Array, Differentiable, Float32, Float64, ShapeDType


class InputSchema(BaseModel):
    a: Differentiable[Array[(None,), Float32]] = Field(description="The vector that is scaled.")
    b: Differentiable[Array[(None,), Float32]] = Field(
        description="The vector that is added. As long as a: equal names of dimensions must agree."
    )
    s: Differentiable[Array[(), Float32]] = Field(1.0, description="What a is multiplied by.")
    normalize: bool = Field(False, description="Whether the result is divided by its length.")
    fd_algorithm: Literal["central", "forward", "stochastic"] = Field(
        "central", description="How gradients are taken."
    )

    @model_validator(mode="after")
    def equally_long(self):
        # In abstract_eval there are shapes in place of arrays.
        if hasattr(self.a, "shape") and tuple(self.a.shape) != tuple(self.b.shape):
            raise ValueError("a and b are not equally long")
        return self


class OutputSchema(BaseModel):
    result: Differentiable[Array[(None,), Float64]] = Field(description="a s + b.")


def evaluate(leaves, normalize):
    result = leaves["a"] * leaves["s"] + leaves["b"]
    if normalize:
        length = np.sqrt((result * result).sum())
        if length == 0:
            raise ValueError("a s + b is zero and has no direction")
        result = result / length
    return {"result": result}


def model_of(inputs):
    """The function to be differentiated, in double precision, and where."""
    leaves = {name: np.asarray(getattr(inputs, name), dtype=np.float64) for name in ("a", "b", "s")}
    return lambda leaves: evaluate(leaves, inputs.normalize), leaves


def apply(inputs: InputSchema) -> OutputSchema:
    """Multiplies a by s and adds b."""
    function, leaves = model_of(inputs)
    return OutputSchema(**function(leaves))


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]):
    return exact.jacobian(*model_of(inputs), jac_inputs, jac_outputs)


def jacobian_vector_product(inputs: InputSchema, jvp_inputs: set[str], jvp_outputs: set[str], tangent_vector):
    return exact.jvp(*model_of(inputs), jvp_inputs, jvp_outputs, tangent_vector)


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector):
    return exact.vjp(*model_of(inputs), vjp_inputs, vjp_outputs, cotangent_vector)


def abstract_eval(abstract_inputs):
    return {"result": ShapeDType(shape=abstract_inputs.a.shape, dtype="float64")}
