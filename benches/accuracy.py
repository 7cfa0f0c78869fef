"""How good derivatives are: secant beside other tools, on the same functions, with the same noise, in the same run.

    cargo build --release --bin secant
    target/clients/bin/pip install -r benches/requirements.txt
    target/clients/bin/python benches/accuracy.py [--methods auto,central] [--json FILE]

prints a table for every class of noise: first of the functions of one variable, then of those of several.
`tests/clients/README.md` says how that environment is made. `SECANT` names another program. Nothing is timed, nothing
is asserted on; the last table says what is aimed at.

Errors are told in units of e* = 1.04 (e² |f'''|)^(1/3), the least that a central difference of second order can
promise where values have an error of at most e. Of the 16 functions of one variable it is 0 for log and Oliver3, whose
value is 0 and so has no noise, and for square, which has no third derivative; the other 13 are counted. Likewise of
the others those entries count whose e* is not 0. Where a tool gives nothing its error is infinite.

secant is asked over HTTP for the Jacobians of a model in Python; the other tools call the same function.
"""

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
import requests

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "clients"))
os.environ.setdefault("SECANT", str(ROOT / "target" / "release" / "secant"))

import servers  # noqa: E402
from problems import EDGE, NOISES, SCALARS, VECTORS, level  # noqa: E402

OURS = ["auto", "auto-forward", "central", "central4", "richardson"]

MODEL = """
import json, math, sys

sys.path.insert(0, sys.argv[1])
from problems import BY_NAME

for line in sys.stdin:
    call = json.loads(line)
    reply = {"jsonrpc": "2.0", "id": call.get("id")}
    if call["method"] != "apply":
        reply["error"] = {"code": -32601, "message": "there is only apply"}
    else:
        inputs = call["params"]["inputs"]
        y = BY_NAME[inputs["problem"]].values(inputs["x"], inputs["noise"])
        if all(map(math.isfinite, y)):
            reply["result"] = {"y": y}
        else:
            reply["error"] = {"code": -32000, "message": "no value here"}
    print(json.dumps(reply), flush=True)
"""
MANIFEST = """
input = "input.json"
output = "output.json"
[executable]
command = ["{python}", "model.py", "{here}"]
"""


@dataclass
class Found:
    """A Jacobian, what it cost, and bounds of its errors where the tool gives any."""

    jacobian: np.ndarray
    evaluations: int
    bounds: np.ndarray | None = None
    # Evaluations outside the domain.
    outside: int = 0


class Counted:
    """The function as the other tools call it."""

    def __init__(self, problem, noise):
        self.problem, self.noise = problem, noise
        self.evaluations = self.outside = 0

    def __call__(self, x):
        x = [float(number) for number in np.atleast_1d(x)]
        self.evaluations += 1
        self.outside += any(number < self.problem.lower for number in x)
        return np.array(self.problem.values(x, self.noise))

    def scalar(self, x):
        """Of one number, or of many at once."""
        return np.vectorize(lambda number: float(self(number)[0]), otypes=[float])(x)[()]

    def points(self, x):
        """Of many points at once, along the axes behind the first."""
        return np.apply_along_axis(self, 0, x)


def scipy_difference(method):
    def take(f, problem):
        from scipy.optimize._numdiff import approx_derivative

        bounds = (problem.lower, math.inf)
        return approx_derivative(f, np.array(problem.x), method=method, bounds=bounds)

    return take


def scipy_differentiate(f, problem):
    from scipy import differentiate

    if len(problem.x) == 1:
        return differentiate.derivative(f.scalar, problem.x[0]).df
    return differentiate.jacobian(f.points, np.array(problem.x)).df


def numdifftools(f, problem):
    import numdifftools

    if len(problem.x) == 1:
        return numdifftools.Derivative(f.scalar)(problem.x[0])
    return numdifftools.Jacobian(f)(np.array(problem.x))


def stepleman_winarsky(f, problem):
    """As its documentation does it: bisection for a first step, told how precise the values are."""
    import numericalderivative

    [x] = problem.x
    value = problem.values(problem.x, f.noise)[0]
    precision = level(value, f.noise) / abs(value) if value else 1e-16
    search = numericalderivative.SteplemanWinarsky(f.scalar, x)
    first = numericalderivative.SteplemanWinarskyInitialize(search, relative_precision=precision)
    step, _ = first.find_initial_step(1e-10 * max(1.0, abs(x)), 1e4 * max(1.0, abs(x)))
    step, _ = search.find_step(step)
    return search.compute_first_derivative(step)


def shi_xie_xuan_nocedal(f, problem):
    """Central differences of second order, told how precise the values are."""
    import numericalderivative

    [x] = problem.x
    precision = level(problem.values(problem.x, f.noise)[0], f.noise) or 1e-16
    formula = numericalderivative.GeneralFiniteDifference(f.scalar, x, 1, 2, "central")
    search = numericalderivative.ShiXieXuanNocedalGeneral(formula, absolute_precision=precision)
    step, _ = search.find_step()
    return search.compute_derivative(step)


def tesseract():
    """The reference's own differences, as an endpoint of a Tesseract calls them, with what they take by default."""
    from pydantic import BaseModel
    from tesseract_core.runtime import Array, Differentiable, Float64
    from tesseract_core.runtime.experimental import finite_difference_jacobian

    class Inputs(BaseModel):
        x: Differentiable[Array[(None,), Float64]]

    class Outputs(BaseModel):
        y: Differentiable[Array[(None,), Float64]]

    def take(f, problem):
        inputs = Inputs(x=np.array(problem.x))
        apply = lambda inputs: Outputs(y=f(inputs.x))  # noqa: E731
        return finite_difference_jacobian(apply, inputs, {"x"}, {"y"})["y"]["x"]

    return take


# By name, and whether they take functions of several variables.
PEERS = {
    "scipy 2-point": (lambda: scipy_difference("2-point"), True),
    "scipy 3-point": (lambda: scipy_difference("3-point"), True),
    "scipy.differentiate": (lambda: scipy_differentiate, True),
    "numdifftools": (lambda: numdifftools, True),
    "Stepleman-Winarsky": (lambda: stepleman_winarsky, False),
    "Shi-Xie-Xuan-Nocedal": (lambda: shi_xie_xuan_nocedal, False),
    "tesseract-core": (tesseract, True),
}


def ask_peer(take, problem, noise):
    f = Counted(problem, noise)
    shape = (problem.outputs, len(problem.x))
    try:
        jacobian = np.reshape(np.asarray(take(f, problem), dtype=float), shape)
    except (ArithmeticError, ValueError):
        jacobian = np.full(shape, math.nan)
    return Found(jacobian, f.evaluations, outside=f.outside)


def write_plugins(folder):
    """The model twice: once without bounds, once with those of the functions that have an edge."""
    for name, bound in (("free", {}), ("edge", {"minimum": EDGE})):
        plugin = folder / name
        plugin.mkdir()
        vector = {"dtype": "float64", "shape": [None], "differentiable": True}
        text = {"type": "string"}
        properties = {"problem": text, "noise": text, "x": vector | bound}
        schemas = {"input": properties, "output": {"y": vector}}
        for file, properties in schemas.items():
            schema = {"type": "object", "properties": properties, "required": list(properties)}
            (plugin / f"{file}.json").write_text(json.dumps(schema))
        (plugin / "model.py").write_text(MODEL)
        (plugin / "model.toml").write_text(MANIFEST.format(python=sys.executable, here=HERE.resolve()))


def ask_secant(session, server, algorithm, problem, noise):
    name = "free" if problem.lower == -math.inf else "edge"
    body = {
        "inputs": {"problem": problem.name, "noise": noise, "x": problem.x},
        "jac_inputs": ["x"],
        "jac_outputs": ["y"],
        "fd": {"algorithm": algorithm},
        "report": True,
    }
    answer = session.post(f"{server.urls[name]}/jacobian", json=body)
    if not answer.ok:
        raise RuntimeError(f"{algorithm}, {problem.name}, {noise}: {answer.text}")
    answer = answer.json()
    report = answer["$report"]
    bounds = report["bounds"]["y"]["x"]["data"]["buffer"]
    # JSON has no infinity.
    bounds = np.array([[math.inf if bound is None else float(bound) for bound in row] for row in bounds])
    return Found(np.array(answer["y"]["x"]["data"]["buffer"], dtype=float), report["evaluations"], bounds)


class Truth:
    """First and third derivatives along each variable, by differences of numbers with a hundred digits."""

    def __init__(self, problem):
        x = [mpmath.mpf(number) for number in problem.x]
        shape = (problem.outputs, len(x))
        # A number is the sum of two floats, so that an error may be smaller than its rounding.
        self.first, self.rest, self.third = np.empty(shape), np.empty(shape), np.empty(shape)
        for j, base in enumerate(x):
            h = mpmath.mpf(10) ** -20 * (abs(base) or 1)

            def at(times):
                return problem.f([*x[:j], base + times * h, *x[j + 1 :]], mpmath.mp)

            ahead, behind, farther, back = at(1), at(-1), at(2), at(-2)
            for i in range(shape[0]):
                first = (ahead[i] - behind[i]) / (2 * h)
                third = (farther[i] - 2 * ahead[i] + 2 * behind[i] - back[i]) / (2 * h**3)
                self.first[i, j] = float(first)
                self.rest[i, j] = float(first - self.first[i, j])
                # What is left of derivatives that are 0 after so many digits.
                negligible = abs(third) * base**2 < 1e-25 * abs(first) or abs(third) < 1e-30
                self.third[i, j] = 0.0 if negligible else float(third)
        self.first[abs(self.first) < 1e-30] = 0.0
        # A difference of a hundred digits errs in the fortieth.
        self.rest[abs(self.rest) < 1e-30 * abs(self.first)] = 0.0
        self.rest[self.first == 0.0] = 0.0

    def errors(self, found):
        errors = abs((found.jacobian - self.first) - self.rest)
        return np.where(np.isfinite(errors), errors, math.inf)


@dataclass
class Score:
    """What one tool made of one function in one class of noise; arrays are by entry."""

    problem: str
    variables: int
    evaluations: int
    outside: int
    # In units of e*, of the entries that have one.
    over_optimum: np.ndarray
    # Of the entries that are not 0.
    relative: np.ndarray
    # Where there are bounds: which hold; by how much they are too large, where there is an error at all.
    holds: np.ndarray
    slack: np.ndarray


def score(problem, noise, truth, found):
    errors = truth.errors(found)
    levels = np.array([level(value, noise) for value in problem.f(problem.x, math)])
    optima = 1.04 * np.cbrt(levels[:, None] ** 2 * abs(truth.third))
    counted, nonzero = optima > 0.0, truth.first != 0.0
    holds = slack = np.array([])
    if found.bounds is not None:
        holds = (errors <= found.bounds).ravel()
        slack = (found.bounds[errors > 0.0] / errors[errors > 0.0]).ravel()
    return Score(
        problem.name,
        len(problem.x),
        found.evaluations,
        found.outside,
        errors[counted] / optima[counted],
        errors[nonzero] / abs(truth.first[nonzero]),
        holds,
        slack,
    )


def joined(scores, what):
    return np.concatenate([getattr(score, what) for score in scores])


def median(values):
    return float(np.median(values)) if len(values) else math.nan


def summary(scores):
    """The figures of a row."""
    over, holds = joined(scores, "over_optimum"), joined(scores, "holds")
    evaluations = [score.evaluations / score.variables for score in scores]
    return {
        "median_over_optimum": median(over),
        "within_ten": int((over <= 10.0).sum()),
        "counted": len(over),
        "median_relative_error": median(joined(scores, "relative")),
        "median_evaluations": median(evaluations),
        "most_evaluations": max(evaluations),
        "bounds_that_hold": float(holds.mean()) if len(holds) else math.nan,
        "median_bound_over_error": median(joined(scores, "slack")),
        "outside": sum(score.outside for score in scores),
    }


HEADS = ["error/e*", "within 10", "relative", "evals", "most", "bounds hold", "bound/error", "outside"]


def line(name, cells, width=12):
    print((f"{name:<24}" + "".join(f"{cell:>{width}}" for cell in cells)).rstrip(), flush=True)


def brief(value, form=".2g"):
    return "" if math.isnan(value) else format(value, form)


def table(title, rows):
    """A row for every tool: medians, and counts."""
    print(f"\n{title}")
    line("", HEADS)
    for name, row in rows.items():
        cells = [
            brief(row["median_over_optimum"]),
            f"{row['within_ten']} of {row['counted']}",
            brief(row["median_relative_error"]),
            brief(row["median_evaluations"], ".3g"),
            brief(row["most_evaluations"], ".3g"),
            brief(100 * row["bounds_that_hold"], ".1f") + ("" if math.isnan(row["bounds_that_hold"]) else " %"),
            brief(row["median_bound_over_error"]),
            str(row["outside"] or ""),
        ]
        line(name, cells)


def by_problem(method, scores):
    """Where one tool is good and where it is not."""
    print(f"\n{method}, function by function: greatest error/e*; bounds that hold; evaluations a variable")
    line("", NOISES, 20)
    for problem in VECTORS:
        cells = []
        for noise in NOISES:
            [found] = [score for score in scores[noise][method] if score.problem == problem.name]
            over = brief(found.over_optimum.max()) if len(found.over_optimum) else "-"
            cells.append(f"{over}; {100 * found.holds.mean():.0f} %; {found.evaluations / found.variables:.1f}")
        line(problem.name, cells, 20)


def aims(scalars, vectors):
    """What is aimed at for `auto`, and what is."""
    print("\nauto, what is and what is aimed at")
    ones = [score for noise in NOISES for score in scalars[noise]["auto"]]
    many = [score for noise in NOISES for score in vectors[noise]["auto"]]
    large = [score for score in many if score.variables >= 50]
    near = min(summary(scalars[noise]["auto"])["within_ten"] for noise in NOISES)
    rows = [
        ("fewest within 10 e*, of 13", f"{near}", ">= 12"),
        ("most evaluations, n = 1", f"{max(score.evaluations for score in ones)}", "<= 25"),
        ("most a variable, n >= 50", f"{summary(large)['most_evaluations']:.2f}", "<= 10"),
    ]
    for name, scores in (("one variable", ones), ("several", many)):
        of = summary(scores)
        rows.append((f"bounds that hold, {name}", f"{100 * of['bounds_that_hold']:.1f} %", ">= 95 %"))
        rows.append((f"bound/error, {name}", f"{of['median_bound_over_error']:.1f}", "<= 100"))
    for name, figure, aim in rows:
        print(f"{name:<36}{figure:>10}   {aim}")


def scored(problems, ask, truths, several):
    """By class of noise and tool, the scores of all functions."""
    return {
        noise: {
            method: [score(problem, noise, truths[problem.name], take(problem, noise)) for problem in problems]
            for method, (take, takes_several) in ask.items()
            if takes_several or not several
        }
        for noise in NOISES
    }


def record(scores):
    """All of it as JSON; what is not finite as null."""

    def plain(value):
        if isinstance(value, np.ndarray):
            return [plain(float(number)) for number in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    def described(score):
        return {name: plain(value) for name, value in vars(score).items() if name != "holds"} | {
            "holding": int(score.holds.sum()),
            "bounds": len(score.holds),
        }

    return {
        noise: {
            method: {
                "summary": {name: plain(value) for name, value in summary(found).items()},
                "problems": [described(score) for score in found],
            }
            for method, found in methods.items()
        }
        for noise, methods in scores.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--methods", default=",".join([*OURS, *PEERS]), help="names of tools, with commas between")
    parser.add_argument("--scalar", action="store_true", help="functions of one variable alone")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write every figure there")
    options = parser.parse_args()
    methods = options.methods.split(",")
    if unknown := [method for method in methods if method not in [*OURS, *PEERS]]:
        parser.error(f"there is no {', '.join(unknown)}: there are {', '.join([*OURS, *PEERS])}")
    mpmath.mp.dps = 100
    # The other tools divide by 0 and say so.
    warnings.simplefilter("ignore")
    vectors = [] if options.scalar else VECTORS
    truths = {problem.name: Truth(problem) for problem in SCALARS + vectors}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_plugins(folder)
        server = servers.serve_secant(folder, models=["free", "edge"], plugins=folder)
        stack.callback(server.stop)
        session = stack.enter_context(requests.Session())
        ask = {}
        for method in methods:
            if method in OURS:
                ask[method] = (lambda *of, method=method: ask_secant(session, server, method, *of)), True
            else:
                make, several = PEERS[method]
                ask[method] = (lambda *of, take=make(): ask_peer(take, *of)), several
        scores = {"one variable": scored(SCALARS, ask, truths, False)}
        if vectors:
            scores["several variables"] = scored(vectors, ask, truths, True)
    for kind, found in scores.items():
        for noise in NOISES:
            table(f"{kind}, {noise}", {method: summary(of) for method, of in found[noise].items()})
    if vectors and "auto" in methods:
        by_problem("auto", scores["several variables"])
        aims(*scores.values())
    if options.json:
        options.json.write_text(json.dumps({kind: record(found) for kind, found in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
