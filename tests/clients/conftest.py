"""Servers for the client tests: ours with four models, and a reference server for each of them.

`--against reference` runs what is meant for our server against the reference: so the tests themselves are tested.
"""

import contextlib

import pytest
from servers import MODELS, Server, serve_reference, serve_secant, wait_for_health


def pytest_addoption(parser):
    parser.addoption("--against", choices=["secant", "reference"], default="secant")


@contextlib.contextmanager
def references(tmp_path_factory, debug=False):
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in MODELS:
            servers[name] = serve_reference(name, tmp_path_factory.mktemp(name), debug)
            stack.callback(servers[name].stop)
        for server in servers.values():
            wait_for_health(server)
        yield {name: server.url for name, server in servers.items()}


@contextlib.contextmanager
def ours(tmp_path_factory, *options):
    server = serve_secant(tmp_path_factory.mktemp("secant"), *options)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """The base URL of the reference server by model."""
    with references(tmp_path_factory) as urls:
        yield urls


@pytest.fixture(scope="session")
def secant(request, tmp_path_factory):
    """The base URL of our server by model."""
    if request.config.getoption("against") == "reference":
        return request.getfixturevalue("reference")
    return request.getfixturevalue("secant_server").urls


@pytest.fixture(scope="session")
def secant_server(tmp_path_factory):
    with ours(tmp_path_factory, "--umbridge-port", "0") as server:
        yield server


@pytest.fixture(scope="session")
def debugged(request, tmp_path_factory):
    """The same as `secant`, of a server that offers /test."""
    if request.config.getoption("against") == "reference":
        with references(tmp_path_factory, debug=True) as urls:
            yield urls
    else:
        with ours(tmp_path_factory, "--debug") as server:
            yield server.urls


@pytest.fixture(scope="session")
def umbridge_url(request):
    if request.config.getoption("against") == "reference":
        pytest.skip("the reference does not speak UM-Bridge")
    return request.getfixturevalue("secant_server").umbridge


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for server in Server.running:
        server.before = len(server.said())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the servers said during a test that failed."""
    report = yield
    if report.failed:
        for server in Server.running:
            if said := server.said()[server.before :]:
                report.sections.append((f"stderr of {server.name}", said[-4000:]))
    return report
