"""meshstats: the first point and the mean of all points of a mesh, with finite differences of the runtime's own."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator
from tesseract_core.runtime import Array, Differentiable, Float64, Int32, ShapeDType
from tesseract_core.runtime.experimental import (
    finite_difference_jacobian,
    finite_difference_jvp,
    finite_difference_vjp,
)

Table = Array[(None, None), Float64]
Point = Differentiable[Array[(3,), Float64]]


class Mesh(BaseModel):
    n_points: int = Field(description="Number of points.")
    n_cells: int = Field(description="Number of cells.")
    points: Differentiable[Array[(None, 3), Float64]] = Field(
        description="Coordinates, a row a point. At least one."
    )
    num_points_per_cell: Array[(None,), Float64] = Field(
        description="How many points each cell has. As long as n_cells says."
    )
    cell_connectivity: Array[(None,), Int32] = Field(
        description="The points of all cells, one cell after another. As long as num_points_per_cell adds up to."
    )
    cell_data: dict[str, Table] = Field(description="Data on cells by name, a row a cell.")
    point_data: dict[str, Table] = Field(description="Data on points by name, a row a point.")

    @model_validator(mode="after")
    def fits_together(self):
        if isinstance(self.points, ShapeDType):
            return self
        if len(self.num_points_per_cell) != self.n_cells:
            raise ValueError(f"Length of num_points_per_cell must be {self.n_cells}")
        if len(self.cell_connectivity) != self.num_points_per_cell.sum():
            raise ValueError(f"Length of cell_connectivity must be {self.num_points_per_cell.sum()}")
        if len(self.points) == 0:
            raise ValueError("mesh.points must hold at least one point")
        return self


class InputSchema(BaseModel):
    mesh: Mesh = Field(description="The mesh to be summarised.")
    fd_algorithm: Literal["central", "forward", "stochastic"] = Field(
        "central",
        description="How gradients are taken: 'central' is the most accurate, 'forward' needs half the evaluations, "
        "'stochastic' suits thousands of inputs.",
    )


class Statistics(BaseModel):
    first_point_coordinates: Point = Field(description="Coordinates of the first point of the mesh.")
    barycenter: Point = Field(description="Mean of all points of the mesh.")


class OutputSchema(BaseModel):
    statistics: Statistics = Field(description="Summary statistics of the mesh.")


def apply(inputs: InputSchema) -> OutputSchema:
    points = inputs.mesh.points
    return OutputSchema(statistics={"first_point_coordinates": points[0], "barycenter": points.mean(axis=0)})


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]):
    return finite_difference_jacobian(apply, inputs, jac_inputs, jac_outputs, algorithm=inputs.fd_algorithm)


def jacobian_vector_product(inputs: InputSchema, jvp_inputs: set[str], jvp_outputs: set[str], tangent_vector):
    return finite_difference_jvp(
        apply, inputs, jvp_inputs, jvp_outputs, tangent_vector, algorithm=inputs.fd_algorithm
    )


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector):
    return finite_difference_vjp(
        apply, inputs, vjp_inputs, vjp_outputs, cotangent_vector, algorithm=inputs.fd_algorithm
    )


def abstract_eval(abstract_inputs):
    point = ShapeDType(shape=(3,), dtype="float64")
    return {"statistics": {"first_point_coordinates": point, "barycenter": point}}
