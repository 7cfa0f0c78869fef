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
    """The kinds and places of the errors; each of them is fit for the SDK to be shown."""
    detail = response.json()["detail"]
    assert isinstance(detail, list) and detail, detail
    for error in detail:
        assert isinstance(error["type"], str) and isinstance(error["msg"], str), error
        assert all(isinstance(part, str | int) for part in error["loc"]), error
    return {(error["type"], *error["loc"]) for error in detail}


@pytest.mark.parametrize("ask", ASKS, ids=str)
def test_the_same(secant, reference, ask):
    expected = send(reference[ask.model], ask)
    if ask.hole and secant is reference:
        assert not 400 <= expected.status_code < 500, "this is no hole"
        pytest.skip("the reference has a hole here")
    found = send(secant[ask.model], ask)
    if ask.hole:
        assert found.status_code == 422, found.text
        violations(found)
        return
    assert found.status_code == expected.status_code, (found.text, expected.text)
    if expected.status_code == 500:
        # The reference has nothing more to say.
        assert found.text
        return
    kinds = [answer.headers.get("Content-Type") for answer in (found, expected)]
    assert kinds[0] == kinds[1]
    if expected.is_redirect:
        places = [urlsplit(answer.headers["Location"]).path for answer in (found, expected)]
        assert places[0].removeprefix(f"/{ask.model}") == places[1]
    elif expected.status_code == 422:
        if ask.differs:
            violations(found)
        else:
            assert violations(found) == violations(expected), (found.text, expected.text)
    elif expected.status_code == 406:
        assert found.json()["detail"].keys() == expected.json()["detail"].keys()
    elif ask.method != "HEAD":
        compare(decoded(json.loads(found.content)), decoded(json.loads(expected.content)), ask)
    else:
        assert found.content == expected.content == b""
