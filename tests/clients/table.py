"""The requests that are sent to both servers, good ones and bad ones."""

import base64
import json
from dataclasses import dataclass, field

import lz4.frame
import numpy as np
from models import COTANGENT, DROP, INPUTS, OF, TANGENT, WRT, changed, payload
from servers import MODELS

JSON = {"Content-Type": "application/json"}
APPLY, ABSTRACT = "apply", "abstract_eval"
JACOBIAN, JVP, VJP = "jacobian", "jacobian_vector_product", "vector_jacobian_product"


@dataclass
class Ask:
    """One request, and how far the answers may differ."""

    name: str
    model: str
    path: str
    body: bytes = b""
    method: str = "POST"
    headers: dict = field(default_factory=lambda: dict(JSON))
    rtol: float = 1e-4
    # The reference fails at what the caller got wrong: ours must refuse.
    hole: bool = False
    # Ours answers with another status on purpose, and why.
    instead: tuple[int, str] | None = None
    # The model's own check of its inputs, which may be told at another place.
    own_check: bool = False
    # Numbers are drawn at random.
    random: bool = False

    def __str__(self):
        return f"{self.model}-{self.path}-{self.name}"


ASKS = []


def ask(name, model, endpoint, body=None, **how):
    """`body` is bytes as they are, or JSON; without one it is the model's good payload."""
    if body is None:
        body = payload(model, endpoint)
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    ASKS.append(Ask(name, model, endpoint, body, **how))


def inputs(name, model, changes, endpoint=APPLY, **how):
    """The good payload with other inputs, here and there."""
    ask(name, model, endpoint, payload(model, endpoint, changed(INPUTS[model], changes)), **how)


def others(name, model, endpoint, members, **how):
    """The good payload with other members beside the inputs."""
    ask(name, model, endpoint, payload(model, endpoint, **members), **how)


def encoded(values, dtype="float64", encoding="json", shape=None, **more):
    array = np.asarray(values, dtype=dtype)
    if encoding == "json":
        data = {"buffer": array.tolist(), "encoding": "json"}
    else:
        content = array.tobytes()
        if more.get("compression") == "lz4":
            content = lz4.frame.compress(content)
        data = {"buffer": base64.b64encode(content).decode(), "encoding": "base64"}
    return {
        "object_type": "array",
        "shape": list(array.shape) if shape is None else shape,
        "dtype": dtype,
        "data": data | more,
    }


# Every endpoint of every model, as it should be asked, in every encoding.
for model in MODELS:
    for endpoint in [APPLY, JACOBIAN, JVP, VJP, ABSTRACT]:
        ask("good", model, endpoint)
        ask("wrong method", model, endpoint, method="GET")
        ask("trailing slash", model, endpoint + "/")
    for accept in ["application/json", "application/json+base64", "application/json+base64; compression=lz4"]:
        ask(accept, model, APPLY, headers=JSON | {"Accept": accept})
        ask(accept, model, JACOBIAN, headers=JSON | {"Accept": accept})
    ask("health", model, "health", b"null", method="GET")
    ask("health by post", model, "health", b"null")
    ask("health by head", model, "health", method="HEAD")
    ask("nowhere", model, "integrate")
    ask("no test endpoint", model, "test", {"endpoint": "apply"})
    ask("empty inputs", model, APPLY, {"inputs": {}})
    ask("unknown key", model, APPLY, payload(model, APPLY, changed(INPUTS[model], {"surplus": 1})))
    others("unknown member", model, APPLY, {"surplus": 1})

# Bodies, whatever the model.
ROSENBROCK = "rosenbrock"
for name, body in {
    "no body": b"",
    "a body of null": b"null",
    "a body of one number": b"1",
    "a body of text": b'"inputs"',
    "a body that is a list": b"[1]",
    "a body without inputs": b"{}",
    "inputs null": b'{"inputs": null}',
    "inputs a list": b'{"inputs": [1]}',
    "inputs a string": b'{"inputs": "x"}',
    "broken": b'{"inputs": {"x": 1,}}',
    "cut short": b'{"inputs": {"x": 1',
    "no JSON": b"x = 1",
    "two values": b"{} {}",
    "a key twice": b'{"inputs": {"x": 1, "x": 2}}',
    "blanks around": b' \n{"inputs": {}}\n ',
}.items():
    ask(name, ROSENBROCK, APPLY, body)
ask("not UTF-8", ROSENBROCK, APPLY, b'{"inputs": {"x": "\xff"}}', instead=(422, "no JSON, like any other"))
for name, headers in {
    "text/plain": {"Content-Type": "text/plain"},
    "no content type": {},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "a charset": {"Content-Type": "application/json; charset=utf-8"},
    "a kind of JSON": {"Content-Type": "application/geo+json"},
}.items():
    ask(name, ROSENBROCK, APPLY, headers=headers)
ask("no body", ROSENBROCK, JACOBIAN, b"")
ask("no body", ROSENBROCK, ABSTRACT, b"")
ask("a run id", ROSENBROCK, APPLY + "?run_id=abc")

# What may be answered.
for accept in [
    "*/*",
    "application/*",
    "application/*; gpu_transport=none",
    "garbage/json",
    "APPLICATION/JSON+BASE64",
    "application/json;q=0.1, application/json+base64;q=0.9",
    "application/json+base64;q=0.1, application/json",
    "text/html, application/json+base64;q=0.5",
    "application/json+base64; q=nonsense, application/json",
    'application/json+base64; compression="lz4"',
    "application/json; compression=none",
    "text/html",
    "application/xml;q=0.9, text/plain",
    "application/json+hdf5",
    "application/json; compression=zstd",
    "application/json; gpu_transport=cuda_ipc",
    "application/json;;;",
    "json",
    ",",
    "",
]:
    ask(f"accept {accept}", ROSENBROCK, APPLY, headers=JSON | {"Accept": accept})
ask("accept is not for shapes", ROSENBROCK, ABSTRACT, headers=JSON | {"Accept": "text/html"})
ask(
    "bad inputs, and nothing fits",
    ROSENBROCK,
    APPLY,
    {"inputs": {"q": 1}},
    headers=JSON | {"Accept": "text/html"},
    instead=(406, "seen before the body is read"),
)

# Numbers: rosenbrock's are float64 and have no dimensions.
for name, value in {
    "an integer": 2,
    "true": True,
    "a list of one": [1.5],
    "an empty list": [],
    "a string": "text",
    "a string of digits": "1.5",
    "null": None,
    "an object": {"x": 1},
    "an empty object": {},
    "an array": encoded(1.5),
    "an array without its type": {k: v for k, v in encoded(1.5).items() if k != "object_type"},
    "an array of float32": encoded(1.5, "float32"),
    "an array of int64": encoded(2, "int64"),
    "an array of bool": encoded(True, "bool"),
    "an array of complex128": encoded([0], "complex128", "base64", shape=[]),
    "an array of unknown dtype": encoded(1.5) | {"dtype": "float128"},
    "an array of unknown type": encoded(1.5) | {"object_type": "tensor"},
    "an array of shape [1]": encoded([1.5]),
    "an array with surplus": encoded(1.5) | {"surplus": 1},
    "an array without data": {k: v for k, v in encoded(1.5).items() if k != "data"},
    "an array without encoding": encoded(1.5) | {"data": {"buffer": 1.5}},
    "an array in raw": encoded(1.5) | {"data": {"buffer": 1.5, "encoding": "raw"}},
    "an array that is null": encoded(1.5) | {"data": {"buffer": None, "encoding": "json"}},
    "an array with data surplus": encoded(1.5, surplus=1),
    "an array in base64": encoded(1.5, encoding="base64"),
    "an array in lz4": encoded(1.5, encoding="base64", compression="lz4"),
    "an array with compression null": encoded(1.5, encoding="base64", compression=None),
    "an array in zstd": encoded(1.5, encoding="base64", compression="zstd"),
    "an array in bad base64": encoded(1.5) | {"data": {"buffer": "%%%", "encoding": "base64"}},
    "an array in unpadded base64": encoded(1.5) | {"data": {"buffer": "AAAAAAAA+D8", "encoding": "base64"}},
    "an array too short": encoded(1.5) | {"data": {"buffer": "AAAA", "encoding": "base64"}},
    "an array in bad lz4": encoded(1.5, encoding="base64") | {
        "data": {"buffer": "AAAAAAAA+D8=", "encoding": "base64", "compression": "lz4"}
    },
}.items():
    inputs(name, ROSENBROCK, {"x": value})
    if name in ("a list of one", "null", "an array in base64"):
        inputs(name, ROSENBROCK, {"x": value}, JACOBIAN)
inputs("a large integer", ROSENBROCK, {"x": 2**70}, instead=(200, "it is a number, and float64 holds its like"))
inputs("two mistakes", ROSENBROCK, {"x": "text", "y": [1.0]})
inputs("no differentiable inputs given", ROSENBROCK, {"x": DROP, "y": DROP}, JACOBIAN)
inputs("an algorithm", ROSENBROCK, {"fd_algorithm": "forward"}, VJP)
inputs("an unknown algorithm", ROSENBROCK, {"fd_algorithm": "exact"})
inputs("an algorithm by number", ROSENBROCK, {"fd_algorithm": 1})
for literal in [b"NaN", b"Infinity", b"-Infinity"]:
    ask(literal.decode(), ROSENBROCK, APPLY, b'{"inputs": {"x": %s}}' % literal)
ask("1e400", ROSENBROCK, APPLY, b'{"inputs": {"x": 1e400}}', instead=(422, "it was not meant to be infinite"))
ask("outputs beyond all numbers", ROSENBROCK, APPLY, {"inputs": {"y": 1e200}})
ask("a zero", ROSENBROCK, APPLY, b'{"inputs": {"x": -0.0, "y": 1E-3}}')

# Vectors: vectoradd's are float32, of any length.
VECTORADD = "vectoradd"
for name, value in {
    "a number": 1.0,
    "two dimensions": [[1.0, 2.0, 3.0]],
    "integers": [1, 2, 3],
    "booleans": [True, False, True],
    "mixed": [1, 2.5, True],
    "strings": ["1", "2", "3"],
    "a string among numbers": [1.0, "x", 2.0],
    "null among numbers": [1.0, None, 2.0],
    "an object among numbers": [1.0, {}, 2.0],
    "a string": "abc",
    "ragged": [[1.0], [1.0, 2.0], [3.0]],
    "half ragged": [1.0, [2.0], 3.0],
    "too large for float32": [1.0, 1e300, 2.0],
    "too small for float32": [1.0, 1e-300, 2.0],
    "rounded": [0.1, 16777217.0, 1e-40],
    "float64": encoded([1.0, 2.0, 3.0]),
    "float16": encoded([1.0, 2.0, 3.0], "float16", "base64"),
    "int8": encoded([1, 2, 3], "int8", "base64"),
    "uint64": encoded([1, 2, 3], "uint64"),
    "complex": encoded([1, 2, 3], "complex64", "base64"),
    "float64 too large": encoded([1.0, 1e300, 2.0], encoding="base64"),
    "null in a buffer": encoded([1.0, 2.0, 3.0]) | {"data": {"buffer": [1.0, None, 3.0], "encoding": "json"}},
    "fractions for int64": encoded([1, 2, 3], "int64") | {"data": {"buffer": [1.5, 2, 3], "encoding": "json"}},
    "a buffer of another nesting": encoded([1.0, 2.0, 3.0]) | {
        "data": {"buffer": [[1.0], [2.0], [3.0]], "encoding": "json"}
    },
    "a buffer of another size": encoded([1.0, 2.0, 3.0], shape=[4]),
    "base64 of another size": encoded([1.0, 2.0, 3.0], encoding="base64", shape=[4]),
    "a negative length": encoded([1.0, 2.0, 3.0], shape=[-1]),
    "a length in words": encoded([1.0, 2.0, 3.0], shape=["three"]),
    "null": None,
}.items():
    inputs(name, VECTORADD, {"a": value})
inputs("nothing", VECTORADD, {"a": [], "b": []})
inputs("nothing", VECTORADD, {"a": [], "b": []}, ABSTRACT)
inputs("missing", VECTORADD, {"a": DROP})
inputs("both missing", VECTORADD, {"a": DROP, "b": DROP})
inputs("unequal lengths", VECTORADD, {"b": [1.0, 2.0]}, own_check=True)
inputs("unequal lengths", VECTORADD, {"b": [1.0, 2.0]}, JACOBIAN, own_check=True)
inputs("one for all", VECTORADD, {"b": [1.0]}, own_check=True)
inputs("normalized", VECTORADD, {"normalize": True})
for endpoint in [JACOBIAN, JVP, VJP]:
    inputs("normalized", VECTORADD, {"normalize": True}, endpoint, rtol=2e-3)
    inputs("forward", VECTORADD, {"fd_algorithm": "forward"}, endpoint, rtol=2e-3)
    inputs("stochastic", VECTORADD, {"fd_algorithm": "stochastic"}, endpoint, random=True)
for name, value in {"another word": "maybe", "two": 2, "one half": 0.5, "null": None}.items():
    inputs(f"normalize by {name}", VECTORADD, {"normalize": value})
for name, value in {"a word": "yes", "one": 1}.items():
    inputs(f"normalize by {name}", VECTORADD, {"normalize": value}, instead=(422, "the schema says true or false"))
inputs("a model that fails", VECTORADD, {"a": [1.0], "b": [-1.0], "s": 1.0, "normalize": True})

# A mesh: integers, fixed lengths, tables by name.
MESH = "meshstats"
for name, changes in {
    "points in single precision": {"mesh/points": encoded(np.ones((4, 3)), "float32", "base64")},
    "points of one coordinate": {"mesh/points": [[1.0], [2.0], [3.0], [4.0]]},
    "points of two coordinates": {"mesh/points": [[1.0, 2.0]] * 4},
    "points in a row": {"mesh/points": [1.0, 2.0, 3.0]},
    "no points": {"mesh/points": []},
    "ragged points": {"mesh/points": [[1.0, 2.0, 3.0], [1.0]]},
    "connectivity in floats": {"mesh/cell_connectivity": [0.0, 1.0, 2.0, 3.0]},
    "connectivity in float objects": {"mesh/cell_connectivity": encoded([0.0, 1.0, 2.0, 3.0])},
    "connectivity in booleans": {"mesh/cell_connectivity": [True, False, True, True]},
    "connectivity in int64": {"mesh/cell_connectivity": encoded([0, 1, 2, 3], "int64", "base64")},
    "connectivity in uint64": {"mesh/cell_connectivity": encoded([0, 1, 2, 3], "uint64", "base64")},
    "connectivity beyond int32": {"mesh/cell_connectivity": [0, 1, 2, 3000000000]},
    "connectivity beyond int32 in objects": {"mesh/cell_connectivity": encoded([0, 1, 2, -(2**40)], "int64")},
    "connectivity beyond int64": {"mesh/cell_connectivity": [0, 1, 2, 2**64]},
    "a count in words": {"mesh/n_cells": "one"},
    "a count as a float": {"mesh/n_cells": 1.0},
    "a count as a fraction": {"mesh/n_cells": 1.5},
    "a count as a list": {"mesh/n_cells": [1]},
    "a count as true": {"mesh/n_cells": True},
    "no count": {"mesh/n_cells": DROP},
    "a null count": {"mesh/n_cells": None},
    "a surplus key in the mesh": {"mesh/surplus": 1},
    "no mesh": {"mesh": DROP},
    "a mesh that is a list": {"mesh": [1]},
    "a mesh that is null": {"mesh": None},
    "no tables": {"mesh/cell_data": {}, "mesh/point_data": {}},
    "a table that is a list": {"mesh/cell_data": [[1.0]]},
    "a table of vectors": {"mesh/cell_data": {"volume": [1.0]}},
    "tables with strange names": {"mesh/cell_data": {"": [[1.0]], "a {b}. c": [[2.0]], "ä": [[3.0]]}},
    "a table of text": {"mesh/cell_data": {"volume": "1"}},
}.items():
    inputs(name, MESH, changes)
inputs("no points in two dimensions", MESH, {"mesh/points": encoded(np.zeros((0, 3)), encoding="base64")}, own_check=True)
inputs("connectivity too short", MESH, {"mesh/cell_connectivity": [0, 1, 2]}, own_check=True)
inputs("a count too many", MESH, {"mesh/n_cells": 2}, own_check=True)
inputs("a count too many", MESH, {"mesh/n_cells": 2}, JACOBIAN, own_check=True)
inputs("a count in digits", MESH, {"mesh/n_cells": "1"}, instead=(422, "the schema says a number"))
inputs("forward", MESH, {"fd_algorithm": "forward"}, JACOBIAN)
inputs("stochastic", MESH, {"fd_algorithm": "stochastic"}, JACOBIAN, random=True)
inputs("stochastic", MESH, {"fd_algorithm": "stochastic"}, JVP)

# Structs, dictionaries, lists.
NESTED = "nested"
for name, changes in {
    "nothing in them": {"fields": {}, "layers": []},
    "one length for all three": {"params/offset": [2.0]},
    "one length for all three in a layer": {"layers/0": [2.0]},
    "two of three": {"layers/1": [1.0, 2.0]},
    "four of three": {"params/offset": [1.0, 2.0, 3.0, 4.0]},
    "a scalar for three": {"params/offset": 1.0},
    "no gain": {"params/gain": DROP},
    "a list for a dictionary": {"fields": [[1.0]]},
    "a dictionary for a list": {"layers": {"0": [1.0, 2.0, 3.0]}},
    "null in a list": {"layers/1": None},
    "null in a dictionary": {"fields/u": None},
    "text in a dictionary": {"fields/u": "x"},
    "a number for a text": {"params/mode": 1},
    "null for a text": {"params/mode": None},
    "a list for a text": {"params/mode": ["plain"]},
    "counts null": {"counts": None},
    "counts left out": {"counts": DROP},
    "counts in floats": {"counts": [1.5]},
    "counts in words": {"counts": "many"},
    "counts of two dimensions": {"counts": [[1]]},
    "counts as an array": {"counts": encoded([1, 2], "uint8", "base64")},
    "an empty name": {"fields/": [1.0]},
    "a name of dots": {"fields/a.b": [1.0]},
}.items():
    inputs(name, NESTED, changes)
inputs("one length for all three", NESTED, {"params/offset": [2.0]}, JACOBIAN)
inputs("one length for all three", NESTED, {"layers/1": [2.0]}, VJP)
inputs("counts null", NESTED, {"counts": None}, ABSTRACT)
inputs("counts left out", NESTED, {"counts": DROP}, ABSTRACT)
inputs("nothing in them", NESTED, {"fields": {}, "layers": []}, ABSTRACT)

# Paths.
for model in MODELS:
    names = {JACOBIAN: ("jac_inputs", "jac_outputs"), JVP: ("jvp_inputs", "jvp_outputs")}
    names |= {VJP: ("vjp_inputs", "vjp_outputs")}
    for endpoint, (wrt, of) in names.items():
        vector = {JVP: {"tangent_vector": {}}, VJP: {"cotangent_vector": {}}}.get(endpoint, {})
        given = {wrt: WRT[model], of: OF[model]}
        for list_ in (wrt, of):
            others(f"{list_} missing", model, endpoint, {list_: DROP})
            others(f"{list_} unknown", model, endpoint, {list_: ["nobody"]})
            if model in (ROSENBROCK, NESTED):
                others(f"{list_} empty", model, endpoint, {list_: []})
                others(f"{list_} a string", model, endpoint, {list_: given[list_][0]})
                others(f"{list_} null", model, endpoint, {list_: None})
                others(f"{list_} an object", model, endpoint, {list_: {given[list_][0]: 1}})
                others(f"{list_} of numbers", model, endpoint, {list_: [1]})
                others(f"{list_} twice the same", model, endpoint, {list_: given[list_] * 2})
                others(f"{list_} one wrong", model, endpoint, {list_: [*given[list_], "nobody"]})
                others(f"{list_} no path", model, endpoint, {list_: ["a..b"]})
        others("no inputs", model, endpoint, {"inputs": DROP})
        others("unknown member", model, endpoint, {"surplus": 1})
ask("a path that is not differentiable", ROSENBROCK, JACOBIAN, payload(ROSENBROCK, JACOBIAN, jac_inputs=["a"]))
ask("a path that is not differentiable", MESH, JACOBIAN, payload(MESH, JACOBIAN, jac_inputs=["mesh.cell_data.{volume}"]))
for path in ["fields.{zz}", "layers.[9]", "layers.[-1]", "layers.[x]", "fields.u", "fields", "fields.{u}.x"]:
    others(f"input {path}", NESTED, JACOBIAN, {"jac_inputs": [path]})
    others(f"input {path}", NESTED, VJP, {"vjp_inputs": [path]})
everything = (200, "a pattern means all that it fits")
others("input fields.{}", NESTED, JACOBIAN, {"jac_inputs": ["fields.{}"]}, instead=everything)
others("input fields.{}", NESTED, VJP, {"vjp_inputs": ["fields.{}"]}, instead=everything)
for path in ["layers_out.[-1]", "per_key.u", "per_key", "summary.n_layers", "summary"]:
    others(f"output {path}", NESTED, JACOBIAN, {"jac_outputs": [path]})
for path in ["per_key.{zz}", "layers_out.[9]"]:
    others(f"output {path}", NESTED, JACOBIAN, {"jac_outputs": [path]}, hole=True)
    others(f"output {path}", NESTED, VJP, {"vjp_outputs": [path], "cotangent_vector": {path: [1.0] * 3}}, hole=True)
    others(f"output {path}", NESTED, JVP, {"jvp_outputs": [path]}, hole=True)
others("a key with braces", NESTED, JACOBIAN, {"jac_inputs": [r"fields.{a \{strange\} key.}"]})
others("a key with bare braces", NESTED, JACOBIAN, {"jac_inputs": ["fields.{a {strange} key.}"]})

# Tangents and cotangents.
for model, endpoint, name, vectors in [
    (model, endpoint, name, vectors)
    for model in MODELS
    for endpoint, name, vectors in [(JVP, "tangent_vector", TANGENT), (VJP, "cotangent_vector", COTANGENT)]
]:
    good = vectors[model]
    first = next(iter(good))
    rest = {path: value for path, value in good.items() if path != first}
    others("missing", model, endpoint, {name: DROP})
    others("empty", model, endpoint, {name: {}})
    others("one key too few", model, endpoint, {name: rest})
    others("one key too many", model, endpoint, {name: good | {"nobody": 1.0}})
    others("null", model, endpoint, {name: None})
    others("a list", model, endpoint, {name: [1.0]})
    others("a string in it", model, endpoint, {name: good | {first: "x"}})
    others("null in it", model, endpoint, {name: good | {first: None}})
    others("three dimensions", model, endpoint, {name: good | {first: [[[1.0]]]}})
    others("ragged", model, endpoint, {name: good | {first: [[1.0], [1.0, 2.0]]}})
    others("as arrays", model, endpoint, {name: {path: encoded(value) for path, value in good.items()}})
    others(
        "as arrays in base64", model, endpoint, {name: {p: encoded(v, "float32", "base64") for p, v in good.items()}},
        rtol=1e-3,
    )
others("too long", VECTORADD, JVP, {"tangent_vector": TANGENT[VECTORADD] | {"a": [1.0] * 4}})
others("one for all", VECTORADD, JVP, {"tangent_vector": TANGENT[VECTORADD] | {"a": [1.0]}})
others("integers", VECTORADD, JVP, {"tangent_vector": TANGENT[VECTORADD] | {"a": [1, 0, 0]}})
others("too large", VECTORADD, JVP, {"tangent_vector": TANGENT[VECTORADD] | {"a": [1e300, 0.0, 0.0]}})
others("too long", VECTORADD, VJP, {"cotangent_vector": {"result": [1.0] * 4}}, hole=True)
others("too short", VECTORADD, VJP, {"cotangent_vector": {"result": [1.0] * 2}}, hole=True)
others("one for all", VECTORADD, VJP, {"cotangent_vector": {"result": [1.0]}}, hole=True)
others("too long", MESH, JVP, {"tangent_vector": {"mesh.points": [[1.0] * 3] * 5}})
others("one for all", MESH, JVP, {"tangent_vector": {"mesh.points": [[1.0, 2.0, 3.0]]}})
others("too long", MESH, VJP, {"cotangent_vector": COTANGENT[MESH] | {"statistics.barycenter": [1.0] * 4}})
others("one for all", MESH, VJP, {"cotangent_vector": COTANGENT[MESH] | {"statistics.barycenter": [1.0]}})
others("complex", MESH, VJP, {
    "cotangent_vector": COTANGENT[MESH] | {"statistics.barycenter": encoded([1, 2, 3], "complex128", "base64")}
})

# Shapes.
SHAPE = {"shape": [3], "dtype": "float32"}
SHAPES = {"a": dict(SHAPE), "b": dict(SHAPE), "s": {"shape": [], "dtype": "float32"}}
for name, changes in {
    "int64 for a float": {"a": {"shape": [3], "dtype": "int64"}},
    "complex for a float": {"a": {"shape": [3], "dtype": "complex64"}},
    "an unknown dtype": {"a": {"shape": [3], "dtype": "float128"}},
    "no dtype": {"a": {"shape": [3]}},
    "no shape": {"a": {"dtype": "float32"}},
    "another rank": {"a": {"shape": [3, 1], "dtype": "float32"}},
    "a length in words": {"a": {"shape": ["n"], "dtype": "float32"}},
    "surplus": {"a": SHAPE | {"surplus": 1}},
    "a whole array": {"a": encoded([1.0, 2.0, 3.0])},
    "missing": {"a": DROP},
    "a default": {"s": DROP},
    "a flag": {"normalize": True},
    "an unknown key": {"surplus": SHAPE},
}.items():
    ask(name, VECTORADD, ABSTRACT, {"inputs": changed(SHAPES, changes)})
for name, length in {"unequal lengths": 4, "a negative length": -1}.items():
    body = {"inputs": changed(SHAPES, {"a/shape": [length]})}
    ask(name, VECTORADD, ABSTRACT, body, own_check=True)
for name, changes in {"a list": {"a": [1.0, 2.0, 3.0]}, "a number": {"s": 2.0}}.items():
    body = {"inputs": changed(SHAPES, changes)}
    ask(name, VECTORADD, ABSTRACT, body, instead=(200, "values have shapes as well"))
for name, changes in {
    "one for three": {"params/offset": {"shape": [1], "dtype": "float64"}},
    "float32": {"params/offset": {"shape": [3], "dtype": "float32"}},
    "a scalar for three": {"layers/0": {"shape": [], "dtype": "float64"}},
    "a list of a list": {"layers": [[{"shape": [3], "dtype": "float64"}]]},
}.items():
    body = payload(NESTED, ABSTRACT)
    ask(name, NESTED, ABSTRACT, {"inputs": changed(body["inputs"], changes)})
ask("points of one coordinate", MESH, ABSTRACT, {
    "inputs": changed(payload(MESH, ABSTRACT)["inputs"], {"mesh/points": {"shape": [4, 1], "dtype": "float64"}})
})
