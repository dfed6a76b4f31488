"""What a component is given: ports of the host, and secrets."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from typing import Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import (Catalog, Portal, catalog, component_hub, containers_of,  # noqa: F401
                           page, remove_images)
from engine_api import Engine
from fake_vault import TOKEN, FakeVault  # noqa: E402
from hub import Hub, Reply, free_port, wait_for

POOL = 8
SAYS_ENV = """\
FROM {image}
RUN mkdir -p /www && echo page > /www/index.html
ENTRYPOINT []
CMD ["sh", "-c", "echo the token is $TOKEN; echo the key is $FILE_KEY >&2; \\
     exec busybox httpd -f -p 8080 -h /www"]
"""
REPEATS = """\
FROM {image}
RUN mkdir -p /www && echo page > /www/index.html
ENTRYPOINT []
CMD ["sh", "-c", "while :; do echo again $TOKEN; sleep 0.1; done & \\
     exec busybox httpd -f -p 8080 -h /www"]
"""


@pytest.fixture(scope="module")
def pool() -> int:
    """The first of some ports that are free, in a row."""
    while True:
        first = free_port()
        held = []
        try:
            for port in range(first, first + POOL):
                held.append(socket.create_server(("0.0.0.0", port)))
            return first
        except OSError:
            continue
        finally:
            for server in held:
                server.close()


@pytest.fixture(scope="module")
def secrets() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="runnerhub-secrets-") as path:
        with open(os.path.join(path, "FILE_KEY"), "w", encoding="utf-8") as out:
            out.write("key-of-a-file-4711\n")
        yield path


@pytest.fixture(scope="module")
def vault() -> Iterator[FakeVault]:
    fake = FakeVault()
    fake.put("runnerhub/VAULTED", value="value-of-the-vault-1516")
    fake.put("runnerhub/FOR_JOBS", {"use": "jobs"}, value="value-of-the-vault-1516")
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], catalog: Catalog, engine: Engine,
        pool: int, secrets: str, vault: FakeVault) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_COMPONENTS_MAX="3",
        RUNNERHUB_SECRETS_DIR=secrets,
        VAULT_ADDR=vault.url, VAULT_TOKEN=TOKEN, VAULT_CLIENT_TIMEOUT="2s",
        RUNNERHUB_COMPONENTS_PORTS=f"{pool}-{pool + POOL - 1}")


@pytest.fixture
def portal(hub: Hub, engine: Engine) -> Iterator[Portal]:
    portal = Portal(hub)
    yield portal
    portal.stop_all()
    assert containers_of(engine, hub) == []


def busy(portal: Portal, catalog: Catalog, name: str, port: str) -> str:
    catalog.add(name, ports=[port], health="")
    instance = portal.until(portal.started(f"component:{name}"),
                            lambda i: i["status"] in ("running", "error"), "it has ended")
    assert instance["errorCode"] == "PORT_ALREADY_IN_USE", instance
    assert instance["deploymentProgress"]["currentStep"] == "extracting_files"
    return instance["error"]


# -- ports ----------------------------------------------------------------------

def test_a_port_of_another_component(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("has-it")
    portal.running("component:has-it")
    told = busy(portal, catalog, "wants-it", f"{port}:8080")
    assert f"Ports already in use: {port}, by Component:default/has-it" in told


def test_a_port_of_a_foreign_process(portal: Portal, catalog: Catalog) -> None:
    script = ("import socket, sys\ns = socket.create_server(('0.0.0.0', 0))\n"
              "print(s.getsockname()[1], flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as foreign:
        assert foreign.stdout and foreign.stdin
        port = int(foreign.stdout.readline())
        told = busy(portal, catalog, "late", f"{port}:8080")
        foreign.stdin.close()
    assert f"Ports already in use: {port}, by python3" in told
    assert f"(process {foreign.pid})" in told


def test_a_udp_port_of_a_foreign_process(portal: Portal, catalog: Catalog) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("0.0.0.0", 0))
        port = foreign.getsockname()[1]
        told = busy(portal, catalog, "late-udp", f"{port}:8080/udp")
        assert f"(process {os.getpid()})" in told
        # TCP is another matter.
        catalog.add("beside-udp", ports=[f"{port}:8080"])
        portal.running("component:beside-udp")
        assert page(port) == "page\n"


def test_the_port_of_the_hub_itself(portal: Portal, catalog: Catalog) -> None:
    port = int(portal.hub.url.rsplit(":", 1)[1])
    told = busy(portal, catalog, "bold", f"{port}:8080")
    assert "by this hub itself" in told and "PORT=..." in told and '"HOST:8080"' in told


def test_ports_of_the_pool(portal: Portal, catalog: Catalog, pool: int) -> None:
    """Two at once get different ones, of the range, and of no other."""
    for name in ("pooled-a", "pooled-b"):
        catalog.add(name, ports=["0:8080", "0:8081/udp"])
    held = socket.create_server(("0.0.0.0", pool + 3))
    ids = [portal.started(f"component:{name}") for name in ("pooled-a", "pooled-b")]
    found = [portal.settled(i, "running")["ports"] for i in ids]
    held.close()
    tcp = [ports[0] for ports in found]
    assert len(set(tcp)) == 2 and pool + 3 not in tcp
    assert all(pool <= port < pool + POOL for ports in found for port in ports)
    assert [page(port) for port in tcp] == ["page\n", "page\n"]


def test_an_empty_pool(portal: Portal, catalog: Catalog, pool: int) -> None:
    with contextlib.ExitStack() as held:
        for port in range(pool, pool + POOL):
            with contextlib.suppress(OSError):  # somebody else has it: as good
                held.enter_context(socket.create_server(("0.0.0.0", port)))
        told = busy(portal, catalog, "too-late", "0:8080")
    assert f"no port of components.ports {pool}-{pool + POOL - 1} is free" in told


def test_two_starts_for_one_port(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("first-of-two")
    catalog.add("second-of-two", ports=[f"{port}:8080"])
    ids = [portal.started(f"component:{name}") for name in ("first-of-two", "second-of-two")]
    ends = [portal.until(i, lambda i: i["status"] != "starting", "it has come so far")
            for i in ids]
    assert sorted(i["status"] for i in ends) == ["error", "running"]
    (failed,) = [i for i in ends if i["status"] == "error"]
    assert failed["errorCode"] == "PORT_ALREADY_IN_USE"
    assert page(port) == "page\n"


def test_bound_to_one_address(make_hub: Callable[..., Hub], catalog: Catalog,
                              engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_COMPONENTS_BIND": "127.0.0.1"}).start()
    port = catalog.add("modest")
    instance = Portal(hub).running("component:modest")
    assert page(port) == "page\n"
    bindings = engine.inspect(instance["containerId"])["HostConfig"]["PortBindings"]
    assert bindings == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    Portal(hub).stop_all()
    remove_images(engine, hub)


# -- secrets --------------------------------------------------------------------

def everything_kept(hub: Hub, instance: str) -> bytes:
    """All that the hub wrote: its state, its log, what its API tells."""
    kept = [hub.log().encode()]
    for place, _, files in os.walk(hub.state_dir):
        for name in files:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    kept.append(file.read())
    for path in (f"/instances/{instance}", "/instances", "/errors",
                 f"/instances/{instance}/logs?build=true"):
        kept.append(hub.get("/api/runner" + path).text.encode())
    return b"\n".join(kept)


def keep_secret(hub: Hub, name: str, value: str) -> Reply:
    return hub.request("PUT", f"/api/secrets/{name}", {"value": value})


def test_secrets_are_variables_and_nowhere_else(portal: Portal, catalog: Catalog,
                                                engine: Engine) -> None:
    reply = keep_secret(portal.hub, "TOKEN", "value-of-the-hub-0815")
    assert reply.status in (200, 201, 204), reply.text
    catalog.add("secretive", dockerfile=SAYS_ENV,
                extra="  secrets: [TOKEN, FILE_KEY]\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:secretive")
    env = engine.inspect(instance["containerId"])["Config"]["Env"]
    assert "TOKEN=value-of-the-hub-0815" in env and "FILE_KEY=key-of-a-file-4711" in env
    portal.until(instance["id"], lambda i: "the key is" in portal.logs(i["id"]), "it has spoken")
    assert portal.logs(instance["id"]).count("***") == 2
    # Masked as well by a hub that came back.
    portal.hub.restart()
    assert portal.stop(instance["id"]).status == 200
    kept = everything_kept(portal.hub, instance["id"])
    assert b"value-of-the-hub-0815" not in kept and b"key-of-a-file-4711" not in kept
    assert b"the token is ***" in kept


def test_a_value_that_was_changed_since_is_masked_after_a_restart(
        portal: Portal, catalog: Catalog) -> None:
    assert keep_secret(portal.hub, "TOKEN", "first-value-of-it-2342").status == 200
    catalog.add("repeating", dockerfile=REPEATS, extra="  secrets: [TOKEN]\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:repeating")
    assert keep_secret(portal.hub, "TOKEN", "second-value-of-it-2342").status == 200
    portal.hub.kill9()  # the component goes on
    portal.hub.start()
    before = portal.logs(instance["id"]).count("again ***")
    wait_for(lambda: portal.logs(instance["id"]).count("again ***") > before + 2,
             what="it goes on speaking")
    assert portal.stop(instance["id"]).status == 200
    assert b"first-value-of-it-2342" not in everything_kept(portal.hub, instance["id"])


def uses_of(hub: Hub, name: str) -> list[dict]:
    return hub.get(f"/api/audit?action=secret.use&object={name}").data


def test_a_secret_of_the_vault_is_given_and_noted(portal: Portal, catalog: Catalog,
                                                  engine: Engine) -> None:
    catalog.add("vaulted", extra="  secrets: [VAULTED]\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:vaulted")
    env = engine.inspect(instance["containerId"])["Config"]["Env"]
    assert "VAULTED=value-of-the-vault-1516" in env
    row, = uses_of(portal.hub, "VAULTED")
    assert row["result"] == "ok"
    assert row["detail"] == {"source": "vault", "instance": instance["id"]}
    assert portal.stop(instance["id"]).status == 200
    portal.until(instance["id"], lambda i: i["status"] == "stopped", "it has stopped")
    assert b"value-of-the-vault-1516" not in everything_kept(portal.hub, instance["id"])


def test_without_the_vault_a_component_says_so(portal: Portal, catalog: Catalog,
                                               vault: FakeVault) -> None:
    catalog.add("jobs-only", extra="  secrets: [FOR_JOBS]\n")
    ended = portal.settled(portal.started("component:jobs-only"), "error")
    assert ended["errorCode"] == "SECRET_NOT_ALLOWED"
    vault.put("runnerhub/LATER", value="never read")
    catalog.add("sealed-off", extra="  secrets: [LATER]\n")
    vault.status = 503
    try:
        ended = portal.settled(portal.started("component:sealed-off"), "error")
        assert ended["errorCode"] == "VAULT_UNAVAILABLE" and "is sealed" in ended["error"]
    finally:
        vault.status = None
    wait_for(lambda: portal.hub.get("/api/system").data["vault"]["usable"], what="it is back")


def test_a_missing_secret_is_named_before_the_build(portal: Portal, catalog: Catalog) -> None:
    catalog.add("forgetful", extra="  secrets: [NOWHERE]\n")
    ended = portal.settled(portal.started("component:forgetful"), "error")
    assert ended["errorCode"] == "SECRET_NOT_FOUND"
    assert "The secret NOWHERE is not there" in ended["error"]
    assert "runnerhub secret set" in ended["error"]
    assert ended["deploymentProgress"]["currentStep"] == "extracting_files"
