"""Starting and ending the servers under test: secant, and the Tesseract runtime as the reference."""

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import requests

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MODELS = ["meshstats", "vectoradd", "rosenbrock", "nested"]
START_LIMIT = 60.0


class Server:
    """A process that serves, and what it has said on stderr so far."""

    running = []
    # Between two looks at whether it is ready, in seconds.
    pause = 0.05

    def __init__(self, name, command, log, **popen):
        self.name, self.log, self.before = name, log, 0
        with open(log, "wb") as said:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, **popen
            )
        Server.running.append(self)

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, found):
        """What `found()` answers once it answers something. Ends when the server ends, or takes too long."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if answer := found():
                return answer
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.said()}")
            time.sleep(self.pause)
        raise RuntimeError(f"{self.name} was not ready within {START_LIMIT} s:\n{self.said()}")

    def stop(self):
        Server.running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def secant():
    """The program under test."""
    if "SECANT" in os.environ:
        return Path(os.environ["SECANT"]).resolve()
    built = [ROOT / "target" / profile / "secant" for profile in ("debug", "release")]
    for program in built:
        if program.exists():
            return program
    raise RuntimeError(f"build secant first, or say where it is with SECANT: there is no {built[0]} and no {built[1]}")


def serve_secant(folder, *options, models=MODELS, plugins=ROOT / "plugins"):
    """Models in one server. With their base URLs, and that of UM-Bridge where it was asked for."""
    command = [str(secant()), "serve", *models, "--plugins", str(plugins), "--port", "0", *options]
    server = Server("secant", command, folder / "stderr.txt", cwd=folder)

    def address(before):
        def found():
            # Of whole lines only.
            heard = re.search(before + r"(http://127\.0\.0\.1:\d+)[^\n]*\n", server.said())
            return heard and heard[1]

        return found

    try:
        server.url = server.wait_for(address(r"listening on "))
        server.urls = {name: f"{server.url}/{name}" for name in models}
        if "--umbridge-port" in options:
            server.umbridge = server.wait_for(address(r"umbridge on "))
    except BaseException:
        server.stop()
        raise
    return server


def serve_reference(name, folder, debug=False):
    """One model, served by the Tesseract runtime."""
    manifest = tomllib.loads((ROOT / "plugins" / name / "model.toml").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "TESSERACT_API_PATH": str(HERE / "reference" / name / "tesseract_api.py"),
        "TESSERACT_NAME": name,
        "TESSERACT_VERSION": manifest["version"],
        "TESSERACT_DESCRIPTION": manifest["description"],
        "TESSERACT_OUTPUT_PATH": str(folder),
        "TESSERACT_DEBUG": str(debug).lower(),
        "TESSERACT_DEBUGPY_PORT": "0",
        "PYTHONPATH": str(HERE / "reference"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "tesseract_core.runtime", "serve", "--port", str(port)]
    server = Server(f"reference {name}", command, folder / "stderr.txt", cwd=folder, env=environment)
    server.url = f"http://127.0.0.1:{port}"
    return server


def wait_for_health(server):
    def healthy():
        try:
            return requests.get(f"{server.url}/health", timeout=5).ok
        except requests.ConnectionError:
            return False

    server.wait_for(healthy)
