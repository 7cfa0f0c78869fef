"""Clients too large for every run: tesseract-torch and tesseract-streamlit. Run by hand:

    python3 -m venv /tmp/large && /tmp/large/bin/pip install -r tests/clients/requirements-large.txt
    /tmp/large/bin/python tests/clients/large.py [--against reference]
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import models
import numpy as np
import torch
import torch.autograd.forward_ad as forward
from models import INPUTS
from servers import MODELS, serve_reference, serve_secant, wait_for_health
from tesseract_core import Tesseract
from tesseract_torch import apply_tesseract

# tesseract-torch cannot name what is in dictionaries and lists, so that nested is not among these.


def double(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def close(found, expected, rtol=1e-6, atol=1e-6):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=atol)


def rosenbrock_backward(urls):
    x, y = double(-1.2), double(1.0)
    height = apply_tesseract(Tesseract.from_url(urls["rosenbrock"]), {"x": x, "y": y})["result"]
    close(height, models.rosenbrock(-1.2, 1.0))
    (3 * height).backward()
    close(torch.stack([x.grad, y.grad]), 3 * models.rosenbrock_gradient(-1.2, 1.0))


def rosenbrock_optimised(urls):
    """LBFGS of torch itself goes down to the bottom."""
    tesseract = Tesseract.from_url(urls["rosenbrock"])
    x, y = double(-1.2), double(1.0)
    optimiser = torch.optim.LBFGS([x, y], max_iter=100, line_search_fn="strong_wolfe")

    def height():
        optimiser.zero_grad()
        value = apply_tesseract(tesseract, {"x": x, "y": y})["result"]
        value.backward()
        return value

    optimiser.step(height)
    close(torch.stack([x, y]), [1.0, 1.0], atol=1e-3)


def rosenbrock_forward_mode(urls):
    tesseract = Tesseract.from_url(urls["rosenbrock"])
    with forward.dual_level():
        x = forward.make_dual(torch.tensor(-1.2, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64))
        y = forward.make_dual(torch.tensor(1.0, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64))
        height = apply_tesseract(tesseract, {"x": x, "y": y})["result"]
        change = forward.unpack_dual(height).tangent
    close(change, models.rosenbrock_gradient(-1.2, 1.0) @ [0.5, -2.0])


def meshstats_backward(urls):
    points = double(INPUTS["meshstats"]["mesh"]["points"])
    inputs = models.changed(INPUTS["meshstats"], {"mesh/points": None})
    inputs["mesh"]["points"] = points
    statistics = apply_tesseract(Tesseract.from_url(urls["meshstats"]), inputs)["statistics"]
    close(statistics["barycenter"], points.detach().numpy().mean(axis=0))
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    ((statistics["barycenter"] * weights).sum() + statistics["first_point_coordinates"][1]).backward()
    expected = np.tile([0.25, -0.5, 0.125], (4, 1))
    expected[0, 1] += 1
    close(points.grad, expected)


def vectoradd_backward(urls):
    a = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
    b, s = torch.tensor([0.5, -1.0, 4.0], requires_grad=True), torch.tensor(2.0, requires_grad=True)
    result = apply_tesseract(Tesseract.from_url(urls["vectoradd"]), {"a": a, "b": b, "s": s})["result"]
    (result * torch.tensor([1.0, -2.0, 0.5], dtype=result.dtype)).sum().backward()
    close(a.grad, [2.0, -4.0, 1.0], rtol=1e-3)
    close(b.grad, [1.0, -2.0, 0.5], rtol=1e-3)
    close(s.grad, 1.0 - 4.0 - 1.5, rtol=1e-3)
    assert a.grad.dtype == torch.float32


# Where the app asks for something. For nested, tesseract-streamlit stops at the array that may be null.
FIELDS = {
    "rosenbrock": {"x", "y", "a", "b", "fd_algorithm"},
    "vectoradd": {"a", "b", "s", "normalize", "fd_algorithm"},
    "meshstats": {"mesh.points", "mesh.num_points_per_cell", "mesh.cell_connectivity", "fd_algorithm"},
}


def app_is_built(model):
    """tesseract-streamlit writes an app from our OpenAPI: it asks for every field, and runs."""

    def check(urls):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "app.py"
            run([Path(sys.executable).parent / "tesseract-streamlit", urls[model], program])
            code = program.read_text()
            asked = {key.partition(".")[2] for key in re.findall(r'key="([^"]+)"', code)}
            assert FIELDS[model] <= asked, f"{FIELDS[model] - asked} is not among {asked}"
            assert urls[model] in code
            # Without a browser: the whole page, as it is before anything is sent.
            run([sys.executable, program])

    check.__name__ = f"app_is_built_for_{model}"
    return check


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


CHECKS = [
    rosenbrock_backward,
    rosenbrock_optimised,
    rosenbrock_forward_mode,
    meshstats_backward,
    vectoradd_backward,
    *map(app_is_built, FIELDS),
]


@contextlib.contextmanager
def served(against, folder):
    """The base URL of every model."""
    with contextlib.ExitStack() as stack:
        if against == "secant":
            server = serve_secant(folder)
            stack.callback(server.stop)
            yield server.urls
            return
        urls = {}
        for name in MODELS:
            (folder / name).mkdir()
            server = serve_reference(name, folder / name)
            stack.callback(server.stop)
            wait_for_health(server)
            urls[name] = server.url
        yield urls


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", choices=["secant", "reference"], default="secant")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder, served(arguments.against, Path(folder)) as urls:
        for check in CHECKS:
            try:
                check(urls)
                print(f"ok      {check.__name__}", flush=True)
            except Exception as error:  # every check is tried, whatever happened to the others
                failed += 1
                print(f"FAILED  {check.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
