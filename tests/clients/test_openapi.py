"""What clients read in /openapi.json, compared with the document of the reference."""

import pytest
import requests
from servers import MODELS


@pytest.fixture(params=MODELS)
def documents(request, secant, reference):
    name = request.param
    ours, theirs = (requests.get(f"{urls[name]}/openapi.json", timeout=30) for urls in (secant, reference))
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"] == "application/json"
    return ours.json(), theirs.json()


def unnamed(length):
    """A dimension without the name by which secant says that it must agree with others."""
    return {key: value for key, value in length.items() if key != "title"}


def schemas(document):
    return document["components"]["schemas"]


def resolved(node, document):
    """The schema with what it refers to in place of references, as tesseract-streamlit does it."""
    if isinstance(node, list):
        return [resolved(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/components/schemas/")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return resolved(schemas(document)[name] | beside, document)
    return {key: resolved(value, document) for key, value in node.items()}


def is_array(node):
    """Told by the array's own keys, as tesseract-jax does it."""
    kind = node.get("properties", {}).get("object_type", {})
    return isinstance(kind, dict) and kind.get("const") == "array"


def fields(node, path=""):
    """What a form could be made of, by path: kinds, dimensions, defaults, descriptions. No titles of classes."""
    about = {"description": node.get("description"), "default": node.get("default")}
    if is_array(node):
        members = node["properties"]
        return {
            path: about
            | {
                "flags": sorted(node["array_flags"]),
                "required": sorted(node["required"]),
                "members": sorted(members),
                "extra": node["additionalProperties"],
                "rank": (members["shape"].get("minItems"), members["shape"].get("maxItems")),
                "lengths": [unnamed(length) for length in members["shape"].get("prefixItems", [])],
                "dtypes": set(members["dtype"].get("enum", [])),
            }
        }
    about |= {key: node[key] for key in ("type", "enum") if key in node}
    about["required"] = sorted(node.get("required", []))
    found = {path: about}
    for name, child in node.get("properties", {}).items():
        found |= fields(child, f"{path}.{name}")
    for key, name in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), dict):
            found |= fields(node[key], f"{path}.{name}")
        else:
            about[key] = node.get(key)
    for number, child in enumerate(node.get("anyOf", [])):
        found |= fields(child, f"{path}|{number}")
    return found


def test_head(documents):
    ours, theirs = documents
    assert ours["openapi"] == theirs["openapi"]
    for key in ("title", "version", "description"):
        assert ours["info"].get(key) == theirs["info"].get(key)


def test_encodings(documents):
    ours, theirs = documents
    assert {"json", "json+base64"} <= set(ours["x-supported-output-formats"])
    assert set(ours["x-supported-output-formats"]) <= set(theirs["x-supported-output-formats"])
    for key in ("x-supported-gpu-transports", "x-supported-compressions"):
        assert ours[key] == theirs[key]


def test_paths(documents):
    ours, theirs = documents
    own = {"/hessian", "/hessian_vector_product"}
    assert ours["paths"].keys() - own == theirs["paths"].keys()
    for path, methods in theirs["paths"].items():
        assert ours["paths"][path].keys() == methods.keys(), path
        for method, operation in methods.items():
            found = ours["paths"][path][method]
            assert set(operation["responses"]) <= set(found["responses"]), path
            assert body_of(found) == body_of(operation), path
            assert answer_of(found) == answer_of(operation), path
    assert ours["paths"]["/apply"]["post"]["description"]


def body_of(operation):
    """The schema of what is sent."""
    body = operation.get("requestBody")
    return body and (body["required"], body["content"]["application/json"]["schema"]["$ref"])


def answer_of(operation):
    """The schema of what comes back, by its name where it has one."""
    return operation["responses"]["200"]["content"]["application/json"]["schema"].get("$ref")


@pytest.mark.parametrize("schema", ["ApplyInputSchema", "ApplyOutputSchema"])
def test_differentiable_arrays(documents, schema):
    ours, theirs = (schemas(document)[schema] for document in documents)
    assert ours["differentiable_arrays"] == theirs["differentiable_arrays"]
    assert ours["field_order"] == theirs["field_order"]


def test_envelopes(documents):
    ours, theirs = (schemas(document) for document in documents)
    for key in ("type", "required", "additionalProperties"):
        assert ours["ApplyInputSchema"][key] == theirs["ApplyInputSchema"][key]
    assert ours["ApplyInputSchema"]["properties"]["inputs"]["$ref"].endswith("/Apply_InputSchema")
    assert ours["ApplyOutputSchema"]["$ref"].endswith("/Apply_OutputSchema")


# Plain Python numbers in the reference, arrays without dimensions in secant.
PLAIN = {".mesh.n_points", ".mesh.n_cells"}


@pytest.mark.parametrize("schema", ["Apply_InputSchema", "Apply_OutputSchema"])
def test_fields(documents, schema):
    found, expected = (fields(resolved(schemas(document)[schema], document)) for document in documents)
    assert list(found) == list(expected)
    different = {
        (path, key): (found[path].get(key), value)
        for path in expected.keys() - PLAIN
        for key, value in expected[path].items()
        if found[path].get(key) != value
    }
    assert not different


def test_forms_can_be_built(documents):
    """Every property of the inputs has a type; every array of fixed rank says it in two ways."""

    def check(node, path):
        if is_array(node):
            length = node["properties"]["shape"]
            assert length["minItems"] == length["maxItems"], path
            assert {"dtype", "shape", "data"} <= node["properties"].keys()
        for name, child in node.get("properties", {}).items():
            assert "type" in child or "anyOf" in child or is_array(node), f"{path}.{name}"
            if not is_array(child):
                check(child, f"{path}.{name}")

    check(resolved(schemas(documents[0])["Apply_InputSchema"], documents[0]), "inputs")


@pytest.mark.parametrize(
    "schema",
    ["JacobianInputSchema", "JVPInputSchema", "VJPInputSchema", "AbstractInputSchema"],
)
def test_what_derivatives_are_asked_with(documents, schema):
    ours, theirs = (schemas(document)[schema] for document in documents)
    # Ours may be told more, but need not.
    assert ours["properties"].keys() >= theirs["properties"].keys()
    assert sorted(ours["required"]) == sorted(theirs["required"])
    assert ours["additionalProperties"] is theirs["additionalProperties"] is False
    for name, member in theirs["properties"].items():
        if name.endswith(("_inputs", "_outputs")):
            found = ours["properties"][name]
            for key in ("type", "minItems", "uniqueItems"):
                assert found[key] == member[key], name
            assert alternatives(found["items"]) == alternatives(member["items"]), name


def alternatives(item):
    """The paths and patterns of paths that a path may be."""
    found = set()
    for one in item.get("anyOf", [item]):
        found |= set(one.get("enum", [])) | {one[key] for key in ("const", "pattern") if key in one}
    return found


def test_every_reference_leads_somewhere(documents):
    ours = documents[0]

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                kind, name = node["$ref"].removeprefix("#/components/").split("/")
                assert name in ours["components"][kind], node
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(ours)
