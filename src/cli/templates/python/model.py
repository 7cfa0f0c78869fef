"""Springs: replace `model` with what your model does. Print to stderr only: stdout is for answers."""
import json
import sys


def model(inputs):
    x, k = inputs["x"], inputs["k"]
    return {"energy": 0.5 * k * sum(s * s for s in x), "force": [-k * s for s in x]}


def answer(call):
    if call["method"] != "apply":
        return {"error": {"code": -32601, "message": "no method " + call["method"]}}
    try:
        return {"result": model(call["params"]["inputs"])}
    except ValueError as error:  # the inputs make no sense
        return {"error": {"code": -32602, "message": str(error)}}
    except ArithmeticError as error:  # this point failed
        return {"error": {"code": -32000, "message": str(error)}}


for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": call["id"], **answer(call)}), flush=True)
