"""A model that has `apply` and nothing else, and takes plain numbers beside its array."""

import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float64


class InputSchema(BaseModel):
    x: Differentiable[Array[(2, None), Float64]]
    gain: float = 3.0


class OutputSchema(BaseModel):
    y: Differentiable[Array[(), Float64]]


def apply(inputs: InputSchema) -> OutputSchema:
    return OutputSchema(y=np.asarray(inputs.gain * np.sum(np.sin(inputs.x))))
