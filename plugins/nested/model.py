"""nested: structs, dictionaries and lists of arrays, in and out.

With gain g, offset o, fields f, layers l and counts c:

    per_key.{k}    p_ki = g tanh(f_ki)
    layers_out.[j] y_ji = g sin(l_ji) + o_i
    summary.total  T    = sum_ki p_ki^2 / 2 + sum_ji y_ji^2 / 2 + sum_i c_i

whose derivatives are

    dp_ki/dg = tanh(f_ki)    dp_ki/df_ki = g (1 - tanh(f_ki)^2)
    dy_ji/dg = sin(l_ji)     dy_ji/do_i = 1     dy_ji/dl_ji = g cos(l_ji)
    dT/dw = sum_ki p_ki dp_ki/dw + sum_ji y_ji dy_ji/dw   for any input w

and zero where not listed.
"""

import json
import math
import sys


def apply(inputs):
    gain, offset = inputs["params"]["gain"], inputs["params"]["offset"]
    per_key = {key: [gain * math.tanh(x) for x in field] for key, field in inputs["fields"].items()}
    layers_out = [[gain * math.sin(x) + o for x, o in zip(layer, offset)] for layer in inputs["layers"]]
    squares = sum(v * v for vector in (*per_key.values(), *layers_out) for v in vector)
    return {
        "summary": {
            "total": squares / 2 + sum(inputs["counts"] or []),
            "n_layers": len(layers_out),
        },
        "per_key": per_key,
        "layers_out": layers_out,
    }


def answer(call):
    if call["method"] == "initialize":
        return {"result": {"protocol": 1, "encodings": ["json"], "methods": ["apply"]}}
    if call["method"] == "shutdown":
        return {"result": None}
    if call["method"] != "apply":
        return {"error": {"code": -32601, "message": f"there is no method {call['method']!r}"}}
    try:
        return {"result": apply(call["params"]["inputs"])}
    except (ArithmeticError, ValueError) as reason:  # beyond all numbers: this point failed
        return {"error": {"code": -32000, "message": str(reason)}}


for line in sys.stdin.buffer:
    call = json.loads(line)
    if "id" in call:  # else it is a notification, which wants no answer
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], **answer(call)}), flush=True)
        if call["method"] == "shutdown":
            break
