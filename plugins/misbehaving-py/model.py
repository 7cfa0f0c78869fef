"""misbehaving-py: y = [sum of x_i^2, x_0] over JSON-RPC, and everything a program should not do.

The words are listed in ../misbehaving/README.md. Not an example to follow.
"""

import json
import os
import signal
import subprocess
import sys
import time

WORDS = """crash exit hang stdout flood-stderr wrong-shape wrong-length wrong-type missing-output nan inf
null enormous error refuse dead wrong-id not-json half-line half-line-hang close-stdout grandchild
slow exit-early wrong-version ignore-shutdown""".split()


def wishes():
    """The words asked for and their values: "" for a word alone."""
    items = filter(None, os.environ.get("SECANT_MISBEHAVE", "").split(","))
    asked = {word: value for word, _, value in (item.partition("=") for item in items)}
    unknown = sorted(set(asked) - set(WORDS))
    if unknown:
        sys.exit(f"misbehaving: SECANT_MISBEHAVE has an unknown word: {unknown[0]}")
    return asked


ASKED = wishes()
AT = int(os.environ.get("SECANT_MISBEHAVE_AT", "1"))
ABOVE = os.environ.get("SECANT_MISBEHAVE_WHEN_ABOVE")


def say(words):
    print(f"misbehaving: {words}", file=sys.stderr, flush=True)


def send(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def hang():
    while True:
        time.sleep(3600)


def megabytes(word, otherwise):
    return float(ASKED[word] or otherwise)


def refuse(code, message):
    return {"error": {"code": code, "message": message}}


class Model:
    def __init__(self):
        self.evaluations = 0
        self.dead = False

    def is_time(self, x):
        self.evaluations += 1
        return x[0] > float(ABOVE) if ABOVE else self.evaluations == AT

    def apply(self, inputs):
        """The body of the answer, and the words that are still to be acted on when it is sent."""
        x = inputs["x"]
        if self.dead:
            say("called again after it said it was dead")
            os._exit(70)
        wrong = ASKED if self.is_time(x) else {}
        if "slow" in ASKED:
            time.sleep(float(ASKED["slow"] or 1))
        before(wrong)
        if "dead" in wrong:
            self.dead = True
        for word, error in ERRORS.items():
            if word in wrong:
                return error, wrong
        y = [sum(v * v for v in x), x[0]]
        for word, instead in INSTEAD.items():
            if word in wrong:
                y = instead(y)
        return {"result": {} if "missing-output" in wrong else {"y": y}}, wrong


ERRORS = {
    "error": refuse(-32000, "solver did not converge"),
    "refuse": refuse(-32602, "x makes no sense"),
    "dead": refuse(-32001, "lost the licence"),
}

INSTEAD = {
    "nan": lambda y: [float("nan"), y[1]],
    "inf": lambda y: [float("inf"), y[1]],
    "null": lambda y: [None, y[1]],
    "wrong-length": lambda y: [*y, 0.0],
    "wrong-shape": lambda y: [y, y],
    "wrong-type": lambda y: "a number or two",
}


def before(wrong):
    """What is done before there is an answer."""
    if "flood-stderr" in wrong:
        for line in range(int(megabytes("flood-stderr", 4) * 1e6 / 64)):
            sys.stderr.write(f"misbehaving: line {line:8} of a flood of words on stderr ......\n")
    if "grandchild" in wrong:
        subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)
    if "crash" in wrong:
        os.kill(os.getpid(), signal.SIGABRT if wrong["crash"] == "abort" else signal.SIGSEGV)
    if "exit" in wrong:
        say("these are my last words")
        sys.exit(3)
    if "hang" in wrong:
        hang()
    if "close-stdout" in wrong:
        os.close(1)
        hang()


def enormous(identifier):
    """An answer of hundreds of megabytes, without ever holding it."""
    send(f'{{"jsonrpc": "2.0", "id": {json.dumps(identifier)}, "result": {{"y": [0.5')
    for _ in range(int(megabytes("enormous", 400))):
        send(", 0.5" * 200_000)
    send("]}}\n")


def reply(identifier, body, wrong):
    if "stdout" in wrong:
        send("misbehaving: this does not belong on stdout\n")
    if "not-json" in wrong:
        return send("The answer is as one would expect.\n")
    if "enormous" in wrong:
        return enormous(identifier)
    if "wrong-id" in wrong:
        identifier = f"not {identifier}"
    text = json.dumps({"jsonrpc": "2.0", "id": identifier, **body})
    if "half-line" in wrong or "half-line-hang" in wrong:
        send(text[: len(text) // 2])
        if "half-line-hang" in wrong:
            hang()
        sys.exit(0)
    send(text + "\n")


def main():
    model = Model()
    if "exit-early" in ASKED:
        say("gone before anything was asked")
        sys.exit(3)
    if "ignore-shutdown" in ASKED:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        call = json.loads(line)
        method = call["method"]
        if "id" not in call:
            continue
        if method == "apply":
            reply(call["id"], *model.apply(call["params"]["inputs"]))
        elif method == "initialize":
            version = 99 if "wrong-version" in ASKED else 1
            reply(call["id"], {"result": {"protocol": version, "encodings": ["json"], "methods": ["apply"]}}, {})
        elif method == "shutdown":
            reply(call["id"], {"result": None}, {})
            if "ignore-shutdown" not in ASKED:
                return
        else:
            reply(call["id"], refuse(-32601, f"there is no method {method!r}"), {})
    if "ignore-shutdown" in ASKED:
        hang()


if __name__ == "__main__":
    main()
