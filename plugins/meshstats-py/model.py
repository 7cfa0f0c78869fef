"""meshstats as a program that speaks JSON-RPC over stdio, one message a line.

Needs nothing but Python's standard library. Everything below `apply` is the same for any model.
"""

import json
import sys


class Refused(ValueError):
    """The inputs make no sense: the caller's fault."""


def apply(inputs):
    mesh = inputs["mesh"]
    counts, points = mesh["num_points_per_cell"], mesh["points"]
    if len(counts) != mesh["n_cells"]:
        raise Refused(f"Length of num_points_per_cell must be {mesh['n_cells']}")
    if len(mesh["cell_connectivity"]) != sum(counts):
        raise Refused(f"Length of cell_connectivity must be {float(sum(counts))}")
    if not points:
        raise Refused("mesh.points must hold at least one point")
    total = [0.0, 0.0, 0.0]
    for point in points:  # in order, as the C model adds: the same bits
        total = [t + x for t, x in zip(total, point)]
    barycenter = [t / len(points) for t in total]
    return {"statistics": {"first_point_coordinates": points[0], "barycenter": barycenter}}


METHODS = {
    "initialize": lambda params: {"protocol": 1, "encodings": ["json"], "methods": ["apply"]},
    "apply": lambda params: apply(params["inputs"]),
    "shutdown": lambda params: None,
}


def error(code, message):
    return {"error": {"code": code, "message": str(message)}}


def answer(call):
    method = METHODS.get(call["method"])
    if method is None:
        return error(-32601, f"there is no method {call['method']!r}")
    try:
        return {"result": method(call.get("params", {}))}
    except Refused as reason:
        return error(-32602, reason)
    except Exception as reason:  # this point failed; the next one may not
        return error(-32000, f"{type(reason).__name__}: {reason}")


def main():
    wire, sys.stdout = sys.stdout, sys.stderr  # a stray print() must not end up among the messages
    for line in sys.stdin.buffer:
        call = json.loads(line)
        if "id" not in call:
            continue  # a notification wants no answer
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], **answer(call)}), file=wire, flush=True)
        if call["method"] == "shutdown":
            break


if __name__ == "__main__":
    main()
