"""Functions with known derivatives, and what noise does to their values; `benches/accuracy.py` takes derivatives of them.

A function is written once, over numbers of any kind: over floats it is the model, over mpmath's numbers it is the
truth. Those of one variable are of Gill, Murray, Saunders and Wright (1983), Oliver (1980), and Shi, Xie, Xuan and
Nocedal (2022), as collected by the package numericalderivative; those of several are of Moré, Garbow and Hillstrom
(1981), each at its standard start.
"""

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import Callable

NOISES = ["exact", "float32", "%.6g", "1e-8", "1e-3"]


@dataclass
class Problem:
    name: str
    # Of a list of numbers and a module with exp, log and so on, a list of numbers.
    f: Callable
    x: list
    # No variable may be less.
    lower: float = -math.inf

    def values(self, x, noise):
        """The outputs as their class of noise gives them; NaN where the function has none."""
        try:
            values = self.f(x, math)
        except (ArithmeticError, ValueError):
            return [math.nan] * self.outputs
        if noise in ("1e-8", "1e-3"):
            level, draws = float(noise), scatter(x)
            return [value * (1.0 + level * next(draws)) for value in values]
        return [rounded(value, noise) for value in values]

    @property
    def outputs(self):
        return len(self.f(self.x, math))


def rounded(value, noise):
    if noise == "float32":
        try:
            return struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            return math.inf
    return float(f"{value:.6g}") if noise == "%.6g" else value


def scatter(x):
    """Numbers between -1 and 1 that look random, and are the same at the same point."""
    point, block = struct.pack(f"{len(x)}d", *x), 0
    while True:
        digest = hashlib.blake2b(point, salt=block.to_bytes(8, "little")).digest()
        yield from (number / 2**63 - 1.0 for number in struct.unpack("8Q", digest))
        block += 1


def level(value, noise):
    """The greatest error of a value in its class of noise."""
    if noise == "exact":
        return 2.0**-53 * abs(value)
    if noise == "float32":
        return 2.0**-24 * abs(value)
    if noise == "%.6g":
        return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 5) if value else 0.0
    return float(noise) * abs(value)


def scalar(name, x, f):
    return Problem(name, lambda v, m: [f(v[0], m)], [x])


SCALARS = [
    scalar("exp", 1.0, lambda x, m: m.exp(x)),
    scalar("log", 1.0, lambda x, m: m.log(x)),
    scalar("sqrt", 1.0, lambda x, m: m.sqrt(x)),
    scalar("atan", 0.5, lambda x, m: m.atan(x)),
    scalar("sin", 1.0, lambda x, m: m.sin(x)),
    scalar("inverse", 1.0, lambda x, m: 1 / x),
    scalar("square", 1.0, lambda x, m: x * x),
    scalar("scaled exp", 1.0, lambda x, m: m.exp(-1e-6 * x)),
    scalar("GMSW", 1.0, lambda x, m: (m.exp(x) - 1) ** 2 + (1 / m.sqrt(1 + x * x) - 1) ** 2),
    scalar("SXXN1", -8.0, lambda x, m: (m.exp(x) - 1) ** 2),
    scalar("SXXN2", 0.01, lambda x, m: m.exp(100 * x)),
    scalar("SXXN3", 0.99999, lambda x, m: x**4 + 3 * x * x - 10 * x),
    scalar("SXXN4", 1e-9, lambda x, m: 10000 * x**3 + 0.01 * x * x + 5 * x),
    scalar("Oliver1", 1.0, lambda x, m: m.exp(4 * x)),
    scalar("Oliver2", 1.0, lambda x, m: m.exp(x * x)),
    scalar("Oliver3", 1.0, lambda x, m: x * x * m.log(x)),
]


def rosenbrock(x, m):
    pairs = zip(x[::2], x[1::2])
    return [residual for a, b in pairs for residual in (10 * (b - a * a), 1 - a)]


def powell(x, m):
    return [10000 * x[0] * x[1] - 1, m.exp(-x[0]) + m.exp(-x[1]) - 1.0001]


def brown(x, m):
    return [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]


MEYER = [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]


def meyer(x, m):
    return [x[0] * m.exp(x[1] / (45 + 5 * i + x[2])) - y for i, y in enumerate(MEYER, 1)]


def tridiagonal(x, m):
    wide = [0, *x, 0]
    return [(3 - 2 * b) * b - a - 2 * c + 1 for a, b, c in zip(wide, wide[1:], wide[2:])]


def banded(x, m):
    def near(i):
        return [j for j in range(max(0, i - 5), min(len(x), i + 2)) if j != i]

    return [v * (2 + 5 * v * v) + 1 - sum(x[j] * (1 + x[j]) for j in near(i)) for i, v in enumerate(x)]


EDGE = 0.01
# From the edge itself to far away.
NEAR_THE_EDGE = [EDGE, EDGE + 1e-9, EDGE + 1e-5, 0.011, 0.02, 0.1, 1.0, 100.0]


def elementwise(name, f, x, lower=-math.inf):
    return Problem(name, lambda v, m: [f(value, m) for value in v], x, lower)


VECTORS = [
    Problem("Rosenbrock 50", rosenbrock, [-1.2, 1.0] * 25),
    Problem("Rosenbrock 100", rosenbrock, [-1.2, 1.0] * 50),
    Problem("Powell badly scaled", powell, [0.0, 1.0]),
    Problem("Brown badly scaled", brown, [1.0, 1.0]),
    Problem("Meyer", meyer, [0.02, 4000.0, 250.0]),
    Problem("Broyden tridiagonal 50", tridiagonal, [-1.0] * 50),
    Problem("Broyden tridiagonal 100", tridiagonal, [-1.0] * 100),
    Problem("Broyden banded 50", banded, [-1.0] * 50),
    Problem("Broyden banded 100", banded, [-1.0] * 100),
    elementwise("log at an edge", lambda x, m: m.log(x), NEAR_THE_EDGE, EDGE),
    elementwise("sqrt at an edge", lambda x, m: m.sqrt(x), NEAR_THE_EDGE, EDGE),
    elementwise("inverse at an edge", lambda x, m: 1 / x, NEAR_THE_EDGE, EDGE),
    elementwise("sin far from 0", lambda x, m: m.sin(x), [1e2, 1e4, 1e6, 1e9]),
]

BY_NAME = {problem.name: problem for problem in SCALARS + VECTORS}
