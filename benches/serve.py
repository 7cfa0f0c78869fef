"""`secant serve` beside `tesseract-runtime serve`: the same model, the same bytes, the same machine, the same run.

    cargo build --release --bin secant
    target/clients/bin/python benches/serve.py [--seconds 60]

prints a table of what each takes, as ratios; `.ci/run` makes that environment, tests/clients/README.md says how to
make another. `SECANT` names another program. Nothing is asserted on; the last column says what is aimed at.

Clients here are sockets that send prepared bytes. What they cost themselves is added to both servers, and so favours
the slower.
"""

import argparse
import base64
import contextlib
import json
import os
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "clients"))
os.environ.setdefault("SECANT", str(ROOT / "target" / "release" / "secant"))

import servers  # noqa: E402

CLIENTS = 64
# Of a client's requests under load, one in so many asks for the Jacobian.
JACOBIAN_EVERY = 8
ACCEPT = {"json": "application/json", "base64": "application/json+base64"}

SLOW_SCHEMA = {
    "type": "object",
    "properties": {"x": {"dtype": "float64", "shape": [None], "differentiable": True}},
    "required": ["x"],
}
SLOW_MODEL = """
import json, sys, time

for line in sys.stdin:
    end = time.perf_counter() + 0.02
    if sys.argv[1] == "sleep":
        time.sleep(0.02)
    while time.perf_counter() < end:
        pass
    print(json.dumps({"x": json.loads(line)["x"]}), flush=True)
"""
SLOW_MANIFEST = """
input = "schema.json"
output = "schema.json"
[executable]
command = ["{python}", "model.py", "{how}"]
protocol = "lines"
"""


class Connection:
    """A connection that is kept, and the answers that come back over it."""

    def __init__(self, url):
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        """The status and the body."""
        self.socket.sendall(request)
        got = self.more()
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self.more()
        head = got[:end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        body = bytearray(got[end + 4 :])
        while len(body) < length:
            body += self.more()
        return int(head[9:12]), bytes(body)

    def more(self):
        if received := self.socket.recv(1 << 18):
            return received
        raise ConnectionError("the server hung up")


def get(url):
    address = urlsplit(url)
    return f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode()


def post(url, body, encoding):
    """The bytes of a request."""
    address, body = urlsplit(url), json.dumps(body).encode()
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: {ACCEPT[encoding]}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def hexbeam(encoding):
    """The mesh, with its arrays as nested lists or as base64."""
    inputs = json.loads((ROOT / "plugins" / "meshstats" / "hexbeam.json").read_text())["inputs"]
    if encoding == "base64":
        mesh = inputs["mesh"]
        for name in ("points", "num_points_per_cell"):
            mesh[name] = encoded(mesh[name], "float64", "d")
        mesh["cell_connectivity"] = encoded(mesh["cell_connectivity"], "int32", "i")
        for table in (mesh["cell_data"], mesh["point_data"]):
            for name in table:
                table[name] = encoded(table[name], "float64", "d")
    return inputs


def encoded(nested, dtype, code):
    shape, flat = [], nested
    while isinstance(flat, list):
        shape.append(len(flat))
        flat = flat[0]
    flat = nested
    for _ in shape[1:]:
        flat = [number for row in flat for number in row]
    data = base64.b64encode(struct.pack(f"<{len(flat)}{code}", *flat)).decode()
    return {"object_type": "array", "shape": shape, "dtype": dtype, "data": {"buffer": data, "encoding": "base64"}}


def apply_request(base, encoding="json"):
    return post(f"{base}/apply", {"inputs": hexbeam(encoding)}, encoding)


def jacobian_request(base, encoding="json"):
    outputs = ["statistics.barycenter", "statistics.first_point_coordinates"]
    body = {"inputs": hexbeam(encoding), "jac_inputs": ["mesh.points"], "jac_outputs": outputs}
    return post(f"{base}/jacobian", body, encoding)


def latencies(connection, request, repetitions):
    """Seconds an answer takes, by repetition."""
    taken = []
    for _ in range(repetitions):
        clock = time.perf_counter()
        status, body = connection.ask(request)
        taken.append(time.perf_counter() - clock)
        assert status == 200, body
    return taken


def median_pair(ours, theirs, rounds, repetitions):
    """The medians of two kinds of request, each on its connection, in turns: both meet the same disturbances."""
    for connection, request in (ours, theirs):
        latencies(connection, request, 1)
    taken = ([], [])
    for _ in range(rounds):
        for found, (connection, request), times in zip(taken, (ours, theirs), repetitions):
            found += latencies(connection, request, times)
    return [statistics.median(found) for found in taken]


def processes(pid):
    """A process and all that it has started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += processes(int(child))
    return found


def memory(server, key):
    """A figure of /proc/PID/status for the whole tree, in bytes."""
    total = 0
    for pid in processes(server.process.pid):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.partition(f"{key}:")[2].split()[0]) * 1024
    return total


def started(start, stack):
    """A server, and the seconds from its start to its first 200."""
    clock = time.perf_counter()
    server = start()
    stack.callback(server.stop)
    servers.wait_for_health(server)
    return server, time.perf_counter() - clock


def time_to_start(start, times):
    taken = []
    for _ in range(times):
        with contextlib.ExitStack() as stack:
            taken.append(started(start, stack)[1])
    return statistics.median(taken)


class Load:
    """Many clients at once, each with one request under way, for some time."""

    def __init__(self, server, base, seconds):
        self.server, self.end = server, time.monotonic() + seconds
        self.base, self.seconds, self.lock = base, seconds, threading.Lock()
        self.answered, self.faults, self.slowest = 0, [], 0.0
        asked = Connection(base)
        # Answers are the same bit for bit, however many ask.
        self.questions = [(request, asked.ask(request)) for request in (apply_request(base), jacobian_request(base))]

    def client(self, number):
        answered, faults, slowest = 0, [], 0.0
        try:
            connection = Connection(self.base)
            while (clock := time.monotonic()) < self.end:
                number += 1
                request, expected = self.questions[number % JACOBIAN_EVERY == 0]
                answer = connection.ask(request)
                slowest = max(slowest, time.monotonic() - clock)
                answered += 1
                if answer != expected:
                    faults.append(f"{answer[0]}: {answer[1][:200]}")
        except (OSError, ValueError) as fault:
            faults.append(repr(fault))
        with self.lock:
            self.answered += answered
            self.faults += faults
            self.slowest = max(self.slowest, slowest)

    def run(self):
        """Resident bytes, sampled meanwhile."""
        clients = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        resident = []
        while time.monotonic() < self.end:
            resident.append(memory(self.server, "VmRSS"))
            time.sleep(min(0.25, self.seconds / 40))
        for client in clients:
            client.join()
        return resident


def worst_health(how, folder):
    """The longest that /health takes while as many Jacobians of a slow model are computed as may be."""
    plugin = folder / how
    plugin.mkdir()
    (plugin / "schema.json").write_text(json.dumps(SLOW_SCHEMA))
    (plugin / "model.py").write_text(SLOW_MODEL)
    (plugin / "model.toml").write_text(SLOW_MANIFEST.format(python=sys.executable, how=how))
    server = servers.serve_secant(plugin, models=[how], plugins=folder)
    try:
        servers.wait_for_health(server)
        body = {"inputs": {"x": [1.0] * 100}, "jac_inputs": ["x"], "jac_outputs": ["x"]}
        request = post(f"{server.url}/{how}/jacobian", body, "json")
        statuses = []

        def ask():
            statuses.append(Connection(server.url).ask(request)[0])

        askers = [threading.Thread(target=ask) for _ in range(2 * (os.cpu_count() or 1))]
        for asker in askers:
            asker.start()
        kept, worst, asked = Connection(server.url), 0.0, 0
        while any(asker.is_alive() for asker in askers):
            # Over a connection that is there already, and over one that is not.
            for fresh in (False, True):
                clock = time.perf_counter()
                connection = Connection(server.url) if fresh else kept
                (status, _) = connection.ask(get(f"{server.url}/health"))
                worst = max(worst, time.perf_counter() - clock)
                assert status == 200
                asked += 1
            time.sleep(0.002)
        assert set(statuses) == {200}, statuses
        return worst, asked
    finally:
        server.stop()


def row(name, ours, theirs="", ratio="", aim=""):
    print(f"{name:<60} {ours:>11} {theirs:>11} {ratio:>8}  {aim}", flush=True)


def compared(name, ours, theirs, aim, brief):
    row(name, brief(ours), brief(theirs), f"{ours / theirs:.4f}", aim)


def seconds(time):
    return f"{time * 1e6:.0f} us" if time < 1e-2 else f"{time * 1e3:.0f} ms"


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long many clients ask at once")
    options = parser.parse_args()
    servers.Server.pause = 0.002
    row("", "secant", "reference", "ratio", "aim")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def start_ours():
            return servers.serve_secant(folder, models=["meshstats"])

        def start_theirs():
            return servers.serve_reference("meshstats", folder)

        compared("start to healthy", time_to_start(start_ours, 10), time_to_start(start_theirs, 3), "<= 0.05", seconds)
        ours, _ = started(start_ours, stack)
        theirs, _ = started(start_theirs, stack)
        bases = [ours.urls["meshstats"], theirs.url]
        compare(*bases)
        peaks = [memory(server, "VmHWM") for server in (ours, theirs)]
        compared("peak memory after these", *peaks, "<= 0.25", megabytes)
        load(ours, bases[0], options.seconds, peaks[1])
        plugins = folder / "plugins"
        plugins.mkdir()
        for how in ("sleep", "spin"):
            worst, asked = worst_health(how, plugins)
            row(f"/health, worst of {asked}, while models {how} 20 ms a point", seconds(worst), aim="<= 50 ms")


def compare(ours, theirs):
    """What one client waits for."""
    connections = [Connection(base) for base in (ours, theirs)]
    for encoding in ACCEPT:
        pairs = [(c, apply_request(base, encoding)) for c, base in zip(connections, (ours, theirs))]
        compared(f"apply of hexbeam, {encoding}, median", *median_pair(*pairs, 10, (200, 40)), "<= 0.1", seconds)
    for encoding in ACCEPT:
        pairs = [(c, jacobian_request(base, encoding)) for c, base in zip(connections, (ours, theirs))]
        name = f"central Jacobian of hexbeam, 594 evaluations, {encoding}"
        compared(name, *median_pair(*pairs, 2, (50, 1)), "<= 0.01", seconds)


def load(server, base, length, reference_peak):
    """What many clients do to the server."""
    crowd = Load(server, base, length)
    resident = crowd.run()
    quarter = max(1, len(resident) // 4)
    early, late = max(resident[:quarter]), max(resident[-quarter:])
    row(f"{CLIENTS} clients for {length:g} s: errors of {crowd.answered}", str(len(crowd.faults)), aim="0")
    for fault in sorted(set(crowd.faults))[:5]:
        print(f"    {fault}")
    row("  the slowest answer", seconds(crowd.slowest))
    row("  memory in the last quarter over the first", megabytes(late), megabytes(early), f"{late / early:.4f}", "~ 1")
    compared("  peak memory, over the reference's with one client", memory(server, "VmHWM"), reference_peak, "<= 0.25", megabytes)


if __name__ == "__main__":
    main()
