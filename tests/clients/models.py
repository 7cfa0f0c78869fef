"""The four models as the tests ask them: inputs, paths, and their derivatives in closed form."""

import copy

import numpy as np

INPUTS = {
    "meshstats": {
        "mesh": {
            "n_points": 4,
            "n_cells": 1,
            "points": [[0.5, -1.0, 2.0], [1.5, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]],
            "num_points_per_cell": [4.0],
            "cell_connectivity": [0, 1, 2, 3],
            "cell_data": {"volume": [[1.25]]},
            "point_data": {"temperature": [[280.0], [281.5], [279.0], [300.0]]},
        },
        "fd_algorithm": "central",
    },
    "vectoradd": {"a": [1.0, 2.0, -3.0], "b": [0.5, -1.0, 4.0], "s": 2.0},
    "rosenbrock": {"x": -1.2, "y": 1.0, "a": 1.0, "b": 100.0},
    "nested": {
        "params": {"gain": 1.5, "offset": [0.25, -0.5, 1.0], "mode": "plain"},
        "fields": {"u": [0.1, -0.4, 0.7], "a {strange} key.": [1.25]},
        "layers": [[0.3, 0.6, -0.9], [-0.2, 0.9, 1.1]],
        "counts": [1, 2],
    },
}
WRT = {
    "meshstats": ["mesh.points"],
    "vectoradd": ["a", "b", "s"],
    "rosenbrock": ["x", "y"],
    "nested": ["params.gain", "params.offset", "fields.{u}", r"fields.{a \{strange\} key.}", "layers.[1]"],
}
OF = {
    "meshstats": ["statistics.barycenter", "statistics.first_point_coordinates"],
    "vectoradd": ["result"],
    "rosenbrock": ["result"],
    "nested": ["summary.total", "per_key.{u}", r"per_key.{a \{strange\} key.}", "layers_out.[1]"],
}
TANGENT = {
    "meshstats": {"mesh.points": [[1.0, 0.0, 2.0], [0.0, -1.0, 0.0], [0.5, 0.5, 0.5], [3.0, 0.0, -1.0]]},
    "vectoradd": {"a": [0.5, 0.0, -1.0], "b": [1.0, 2.0, 3.0], "s": 0.25},
    "rosenbrock": {"x": 0.5, "y": -2.0},
    "nested": {
        "params.gain": 0.5,
        "params.offset": [1.0, 0.0, -1.0],
        "fields.{u}": [1.0, 2.0, 3.0],
        r"fields.{a \{strange\} key.}": [-1.0],
        "layers.[1]": [0.1, 0.2, 0.3],
    },
}
COTANGENT = {
    "meshstats": {
        "statistics.barycenter": [1.0, -2.0, 0.5],
        "statistics.first_point_coordinates": [0.0, 1.0, 3.0],
    },
    "vectoradd": {"result": [1.0, -2.0, 0.5]},
    "rosenbrock": {"result": 2.0},
    "nested": {
        "summary.total": 2.0,
        "per_key.{u}": [1.0, 0.0, -1.0],
        r"per_key.{a \{strange\} key.}": [0.5],
        "layers_out.[1]": [1.0, 2.0, 3.0],
    },
}
DROP = object()


def changed(tree, changes):
    """A copy of `tree` with other values at some paths, written with slashes; DROP removes one."""
    tree = copy.deepcopy(tree)
    for path, value in changes.items():
        *above, last = [int(name) if name.isdigit() else name for name in path.split("/")]
        node = tree
        for name in above:
            node = node[name]
        if value is DROP:
            del node[last]
        else:
            node[last] = value
    return tree


def payload(model, endpoint, inputs=None, **others):
    """A good body for an endpoint, with some of its members replaced."""
    inputs = INPUTS[model] if inputs is None else inputs
    body = {"inputs": abstract(inputs) if endpoint == "abstract_eval" else inputs}
    if endpoint == "jacobian":
        body |= {"jac_inputs": WRT[model], "jac_outputs": OF[model]}
    elif endpoint == "jacobian_vector_product":
        body |= {"jvp_inputs": WRT[model], "jvp_outputs": OF[model], "tangent_vector": TANGENT[model]}
    elif endpoint == "vector_jacobian_product":
        body |= {"vjp_inputs": WRT[model], "vjp_outputs": OF[model], "cotangent_vector": COTANGENT[model]}
    return {name: value for name, value in (body | others).items() if value is not DROP}


# The inputs that stay values in abstract_eval.
PLAIN = {"n_points", "n_cells", "fd_algorithm", "normalize", "mode"}


def abstract(inputs, name=""):
    """The inputs with {shape, dtype} in place of arrays."""
    if name in PLAIN or inputs is None:
        return inputs
    if isinstance(inputs, dict):
        return {key: abstract(value, key) for key, value in inputs.items()}
    if name == "layers":
        return [abstract(layer) for layer in inputs]
    array = np.asarray(inputs)
    return {"shape": list(array.shape), "dtype": str(array.dtype)}


def rosenbrock(x, y, a=1.0, b=100.0):
    return (a - x) ** 2 + b * (y - x**2) ** 2


def rosenbrock_gradient(x, y, a=1.0, b=100.0):
    return np.array([-2 * (a - x) - 4 * b * x * (y - x**2), 2 * b * (y - x**2)])


def vectoradd_jacobian(a, b, s):
    """By a, b and s, of the result that is not normalized."""
    return {"a": s * np.eye(len(a)), "b": np.eye(len(a)), "s": np.asarray(a)}


def nested(inputs):
    """What the nested model makes of its inputs."""
    gain, offset = inputs["params"]["gain"], np.asarray(inputs["params"]["offset"])
    per_key = {key: gain * np.tanh(field) for key, field in inputs["fields"].items()}
    layers_out = [gain * np.sin(layer) + offset for layer in inputs["layers"]]
    squares = sum((v * v).sum() for v in [*per_key.values(), *layers_out])
    return {
        "summary": {"total": squares / 2 + sum(inputs.get("counts") or []), "n_layers": len(layers_out)},
        "per_key": per_key,
        "layers_out": layers_out,
    }


def nested_total_gradient(inputs):
    """The derivatives of summary.total by path."""
    gain, outputs = inputs["params"]["gain"], nested(inputs)
    p, y = outputs["per_key"], outputs["layers_out"]
    fields = {key: np.tanh(field) for key, field in inputs["fields"].items()}
    layers = [np.asarray(layer) for layer in inputs["layers"]]
    return {
        "params.gain": sum((p[k] * fields[k]).sum() for k in fields)
        + sum((y[j] * np.sin(layers[j])).sum() for j in range(len(layers))),
        "params.offset": sum(y),
        "fields": {k: p[k] * gain * (1 - fields[k] ** 2) for k in fields},
        "layers": [y[j] * gain * np.cos(layers[j]) for j in range(len(layers))],
    }
