"""Schemathesis against /openapi.json: whatever it thinks of asking, the answers are those that the document promises.

It asks with what the document describes, and with what it forbids. Three things are added to the document before:

- the requests that the other tests send, as examples, for no chance would find vectors that belong to the inputs;
- the shorter forms of arrays, plain numbers and nested lists, which the server takes and the document does not show,
  since Tesseract clients tell an array by the encoded form alone;
- bounds for numbers, within which no model fails: a model that cannot say is a 500, and documented.

Two of its checks are left out. `positive_data_acceptance`: that two arrays are equally long is not in a JSON Schema.
`negative_data_rejection`: the server takes more than it describes, plain numbers where shapes are asked for and all
numbers beyond the bounds.
"""

import json
import re
import subprocess
import sys

import pytest
import requests
from models import COTANGENT, INPUTS, OF, TANGENT, WRT
from servers import MODELS

NUMBER = {"type": "number", "minimum": -1000, "maximum": 1000}
LONGEST = 4
COMMAND = [sys.executable, "-m", "schemathesis.cli", "run"]
OPTIONS = ["--generation-deterministic", "--no-color", "--checks=all"]
OPTIONS += ["--exclude-checks=positive_data_acceptance,negative_data_rejection"]
# Every way to break each rule is tried on one model: there are thousands.
THOROUGH = "rosenbrock"
ACCEPTED = ["application/json+base64", "text/html"]



def example(name, path):
    """A request that is answered."""
    inputs, wrt, of = INPUTS[name], WRT[name], OF[name]
    return {
        "/apply": {"inputs": inputs},
        "/jacobian": {"inputs": inputs, "jac_inputs": wrt, "jac_outputs": of},
        "/jacobian_vector_product": {
            "inputs": inputs,
            "jvp_inputs": wrt,
            "jvp_outputs": of,
            "tangent_vector": TANGENT[name],
        },
        "/vector_jacobian_product": {
            "inputs": inputs,
            "vjp_inputs": wrt,
            "vjp_outputs": of,
            "cotangent_vector": COTANGENT[name],
        },
    }.get(path)


def shorter(array):
    """The array without its envelope."""
    shape = array["properties"]["shape"]
    if "maxItems" not in shape:
        # Of any rank: these are enough.
        vector = {"type": "array", "items": NUMBER, "maxItems": LONGEST}
        return {"anyOf": [NUMBER, vector, {"type": "array", "items": vector, "maxItems": LONGEST}]}
    lengths = shape.get("prefixItems", [])
    short = NUMBER
    if "float64" not in array["properties"]["dtype"]["enum"]:
        short = NUMBER | {"type": "integer"}
    for length in reversed(lengths):
        least = most = max(length["enum"]) if "enum" in length else length.get("const")
        if least is None:
            least, most = length["minimum"], length.get("maximum", LONGEST)
        short = {"type": "array", "items": short, "minItems": least, "maxItems": most}
    return short


def widened(node):
    """The schema with the shorter forms of its arrays."""
    if isinstance(node, list):
        return [widened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "array_flags" in node:
        return {"anyOf": [sent(node), shorter(node)]}
    return {key: widened(child) for key, child in node.items()}


def sent(array):
    return json.loads(json.dumps(array).replace("/JsonArrayData", "/SentArrayData"))


def reached(schemas, titles):
    """The schemas of these titles, and those that they refer to."""
    found = set()
    while titles:
        title = titles.pop()
        if title not in found:
            found.add(title)
            titles += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas[title]))
    return found


def asked_with(document, name):
    """The document with what is added to it."""
    schemas = document["components"]["schemas"]
    # What comes back is described as it is.
    for title in reached(schemas, [title for title in schemas if title.endswith("InputSchema")]):
        schemas[title] = widened(schemas[title])
    numbers = [NUMBER, {"type": "array", "items": NUMBER, "maxItems": LONGEST}]
    json_data = schemas["JsonArrayData"]
    schemas["SentArrayData"] = json_data | {"properties": json_data["properties"] | {"buffer": {"anyOf": numbers}}}
    for path, operation in document["paths"].items():
        if request := example(name, path):
            operation["post"]["requestBody"]["content"]["application/json"]["example"] = request
    return document


def ask(document, url, folder, *options):
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    command = [*COMMAND, str(file), "--url", url, *OPTIONS, *options]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def statuses(url, name):
    """How many requests were answered with each status, by endpoint."""
    base = url.removesuffix(f"/{name}")
    lines = re.findall(r'requests_total{(.*)} (\d+)', requests.get(f"{base}/metrics", timeout=30).text)
    found = {}
    for labels, count in lines:
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if labels["model"] == name:
            found.setdefault(labels["endpoint"], {})[int(labels["status"])] = int(count)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_as_documented(name, tmp_path, secant_server):
    url = secant_server.urls[name]
    document = asked_with(requests.get(f"{url}/openapi.json", timeout=30).json(), name)
    before = statuses(url, name)
    phases = "examples,coverage,fuzzing" if name == THOROUGH else "examples,fuzzing"
    ask(document, url, tmp_path, "--max-examples=12", f"--phases={phases}")
    after = statuses(url, name)
    for endpoint, counts in after.items():
        # Some got through, where there is an example, and others did not.
        for status in (200, 422) if example(name, f"/{endpoint}") else (422,):
            assert counts.get(status, 0) > before.get(endpoint, {}).get(status, 0), (endpoint, counts)


@pytest.mark.parametrize("accepted", ACCEPTED)
def test_other_formats_are_documented(accepted, tmp_path, secant_server):
    url = secant_server.urls[THOROUGH]
    document = asked_with(requests.get(f"{url}/openapi.json", timeout=30).json(), THOROUGH)
    ask(document, url, tmp_path, "--max-examples=3", "--phases=examples,fuzzing", "-H", f"Accept: {accepted}")
