"""nested: structs, dictionaries and lists of arrays, in and out.

With gain g, offset o and steps s, fields f and layers l:

    per_key.{k}    p_k  = g sum_i tanh(f_ki) + o^2
    layers_out.[j] y_ji = g sin(s l_ji) + o
    summary.total  T    = sum_k p_k^2 / 2 + sum_ji y_ji^2 / 2

whose derivatives are

    dp_k/dg = sum_i tanh(f_ki)      dp_k/do = 2 o      dp_k/df_ki = g (1 - tanh(f_ki)^2)
    dy_ji/dg = sin(s l_ji)          dy_ji/do = 1       dy_ji/dl_ji = g s cos(s l_ji)
    dT/dw = sum_k p_k dp_k/dw + sum_ji y_ji dy_ji/dw   for any input w

and zero where not listed.
"""

import json
import math
import sys


def apply(inputs):
    gain, offset = inputs["params"]["gain"], inputs["params"]["offset"]
    fields, layers, steps = inputs["fields"], inputs["layers"], inputs["steps"]
    per_key = {key: gain * sum(map(math.tanh, field)) + offset**2 for key, field in fields.items()}
    layers_out = [[gain * math.sin(steps * x) + offset for x in layer] for layer in layers]
    squares = sum(p * p for p in per_key.values()) + sum(y * y for layer in layers_out for y in layer)
    return {
        "summary": {
            "total": squares / 2,
            "count": sum(map(len, fields.values())) + sum(map(len, layers)),
            "name": inputs["name"],
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
