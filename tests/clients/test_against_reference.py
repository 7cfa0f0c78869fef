"""The same bytes to both servers, ours and the Tesseract runtime's: the answers must say the same."""

import base64
import json
from urllib.parse import urlsplit

import lz4.frame
import numpy as np
import pytest
import requests
from table import ASKS


def send(base, ask):
    """Exactly the headers that the request names, and no redirect followed."""
    with requests.Session() as session:
        session.headers = {}
        request = requests.Request(ask.method, f"{base}/{ask.path}", headers=ask.headers, data=ask.body)
        return session.send(session.prepare_request(request), allow_redirects=False, timeout=60)


def decoded(node):
    """Arrays in place of array objects."""
    if isinstance(node, list):
        return [decoded(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("object_type") != "array":
        return {key: decoded(value) for key, value in node.items()}
    assert node.keys() == {"object_type", "shape", "dtype", "data"}, node
    data = node["data"]
    if data["encoding"] == "json":
        array = np.array(data["buffer"], dtype=node["dtype"])
    else:
        content = base64.b64decode(data["buffer"], validate=True)
        if data.get("compression") == "lz4":
            content = lz4.frame.decompress(content)
        array = np.frombuffer(content, dtype=node["dtype"]).reshape(node["shape"])
    assert list(array.shape) == node["shape"], node
    return Decoded(array, data["encoding"], data.get("compression"))


class Decoded:
    """An array and how it was written."""

    def __init__(self, array, encoding, compression):
        self.array, self.written = array, (str(array.dtype), array.shape, encoding, compression)


def compare(found, expected, ask, where=""):
    """Both trees have the same keys, lengths, dtypes and shapes, and numbers that are close."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            compare(found[key], expected[key], ask, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for index, pair in enumerate(zip(found, expected)):
            compare(*pair, ask, f"{where}.[{index}]")
    elif isinstance(expected, Decoded):
        assert found.written == expected.written, where
        if not ask.random:
            size = np.abs(expected.array[np.isfinite(expected.array)]).max(initial=1e-6)
            rtol = 1e-12 if ask.path.startswith("apply") else ask.rtol
            np.testing.assert_allclose(found.array, expected.array, rtol=rtol, atol=rtol * size, err_msg=where)
    else:
        assert found == expected, where


def violations(response):
    """The errors of a 422, each of them fit for the SDK to be shown."""
    detail = response.json()["detail"]
    assert isinstance(detail, list) and detail, detail
    for error in detail:
        assert isinstance(error["type"], str) and error["msg"], error
        assert isinstance(error["loc"], list) and error["loc"][0] == "body", error
    return detail


def classes(detail, ask):
    """What is wrong where, as far as both can be expected to say the same.

    The reference lists what a path could have been, one error each; complains about a tangent because the paths
    that it belongs to are wrong, too; and has several words for a value that is no number.
    """
    found = set()
    for error in detail:
        kind, place = error["type"], tuple(error["loc"][1:])
        head = place[0] if place else ""
        if kind == "json_invalid":
            place = ()
        elif head.endswith(("_inputs", "_outputs")) and len(place) > 1:
            kind, place = "path", place[:2]
        elif head.endswith("tangent_vector") and (kind, place) != ("missing", (head,)):
            kind, place = "vector", (head,)
        elif ask.path == "abstract_eval" and kind not in ("extra_forbidden",):
            leaf = next((i for i, part in enumerate(place) if part in ("shape", "dtype")), len(place))
            kind, place = "missing" if kind == "missing" and leaf == len(place) else "shape", place[:leaf]
        elif kind.startswith(("array_", "int_", "bool_")):
            kind = "value"
        found.add((kind, place))
    if any(place and place[0].endswith(("_inputs", "_outputs")) or place == ("inputs",) for _, place in found):
        found = {(kind, place) for kind, place in found if kind != "vector"}
    if ("missing", ("inputs",)) in found:
        found = {(kind, place) for kind, place in found if kind != "path"}
    return found


@pytest.mark.parametrize("ask", ASKS, ids=str)
def test_the_same(secant, reference, ask):
    expected = send(reference[ask.model], ask)
    if secant is reference and (ask.hole or ask.instead):
        # What is said about the reference must be so.
        assert expected.status_code != (ask.instead[0] if ask.instead else 422)
        return
    found = send(secant[ask.model], ask)
    if ask.hole or ask.instead:
        status = ask.instead[0] if ask.instead else 422
        assert found.status_code == status, found.text
        if status == 422:
            violations(found)
        return
    assert found.status_code == expected.status_code, (found.text, expected.text)
    if expected.status_code == 500:
        # The reference has nothing more to say.
        assert found.text
    elif expected.is_redirect:
        places = [urlsplit(answer.headers["Location"]).path for answer in (found, expected)]
        assert places[0].removeprefix(f"/{ask.model}") == places[1]
    else:
        kinds = [answer.headers.get("Content-Type") for answer in (found, expected)]
        assert kinds[0] == kinds[1]
        compare_bodies(found, expected, ask)


def compare_bodies(found, expected, ask):
    if ask.method == "HEAD":
        assert found.content == expected.content == b""
    elif expected.status_code == 422:
        details = violations(found), violations(expected)
        if not ask.own_check:
            assert classes(details[0], ask) == classes(details[1], ask), (found.text, expected.text)
    elif expected.status_code == 406:
        assert found.json()["detail"].keys() == expected.json()["detail"].keys()
    else:
        compare(decoded(json.loads(found.content)), decoded(json.loads(expected.content)), ask)
