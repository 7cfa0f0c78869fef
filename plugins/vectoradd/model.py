"""vectoradd: result = a s + b, divided by its length if `normalize` is set.

The simplest way to serve many evaluations from one process: a line of inputs in, a line of outputs
out. The host has checked the inputs against the schema, so that a and b are equally long here.
"""

import json
import math
import sys


def apply(inputs):
    result = [a * inputs["s"] + b for a, b in zip(inputs["a"], inputs["b"])]
    if inputs["normalize"]:
        length = math.sqrt(sum(r * r for r in result))
        result = [r / length for r in result]
    return {"result": result}


for line in sys.stdin.buffer:
    try:
        outputs = apply(json.loads(line))
    except ZeroDivisionError:
        outputs = {"error": {"code": -32000, "message": "a s + b is zero and has no direction"}}
    print(json.dumps(outputs), flush=True)
