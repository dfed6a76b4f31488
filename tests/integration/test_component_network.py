"""The network of components: each has its own, from which it reaches the
world but neither this machine nor anybody beside it."""

import contextlib
import socket
import subprocess
import sys
from typing import Callable, Iterator

import pytest

from component_lab import (Catalog, Portal, catalog, component_hub, containers_of,  # noqa: F401
                           page, remove_images)
from engine_api import Engine
from hub import Hub, wait_for
from net_lab import METADATA, OUTSIDE, PORT, UPLINK, Lab, Place
from test_isolation import Listener, host_addresses


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], catalog: Catalog,
        engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine, RUNNERHUB_COMPONENTS_MAX="2")


@pytest.fixture(scope="module")
def outside(engine: Engine, image: str) -> Iterator[Lab]:
    lab = Lab(engine, image, "")
    try:
        lab.make_outside()
        yield lab
    finally:
        lab.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.server.shutdown(socket.SHUT_RDWR)
    one.server.close()


def networks_of(engine: Engine, hub: Hub) -> set[str]:
    """The instances that have one."""
    return {network["Labels"]["runnerhub.instance"] for network in
            engine.networks(f"runnerhub.hub={hub.hub_id}", "runnerhub.instance")}


def spare_of(engine: Engine, portal: Portal) -> str:
    """The instance to come, when its network is there."""
    found: set[str] = set()

    def there() -> bool:
        found.clear()
        found.update(networks_of(engine, portal.hub) - {i["id"] for i in portal.instances()})
        return bool(found)
    wait_for(there, 30, "the next one has a network")
    (one,) = found
    return one


def place(lab: Lab, engine: Engine, instance: dict) -> Place:
    state = engine.inspect(instance["containerId"])
    (network,) = state["NetworkSettings"]["Networks"].values()
    return Place(lab, state["State"]["Pid"], network["IPAddress"])


FETCH = """\
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])) as answer:
    sys.stdout.buffer.write(answer.read())
"""


def fetch(place: Place, address: str, port: int, patience: int = 30) -> bool:
    """Does a page come from there?"""
    command = place.command(sys.executable, "-c", FETCH, f"http://{address}:{port}/",
                            str(patience))
    return subprocess.run(command, capture_output=True, check=False).stdout == b"page\n"


def test_each_stands_alone(hub: Hub, catalog: Catalog, engine: Engine, outside: Lab,
                           listener: Listener) -> None:
    portal = Portal(hub)
    ports = [catalog.add("alone-a"), catalog.add("alone-b")]
    first, second = portal.running("component:alone-a"), portal.running("component:alone-b")
    a, b = place(outside, engine, first), place(outside, engine, second)

    # Its page is there for everybody: for this machine, and for others.
    assert page(ports[0]) == "page\n"
    assert fetch(outside.host, host_addresses()[0], ports[0])
    assert fetch(outside.host, b.address, 8080)
    assert fetch(outside.outside, UPLINK, ports[0])

    # It reaches the world.
    assert a.dial(OUTSIDE).startswith("open")
    # No service of this machine, none of its places of credentials, not its
    # neighbour: neither directly nor by its port.
    gateway = a.run("ip", "route").split("via ")[1].split()[0]
    for address in [gateway, *host_addresses()[:2]]:
        assert a.dial(address, listener.port) in ("refused", "unreachable")
    assert listener.callers == []
    assert a.dial(METADATA, PORT) == "refused"
    assert not fetch(a, b.address, 8080, 3)
    for address in [gateway, host_addresses()[0]]:
        assert not fetch(a, address, ports[1], 3)

    for instance in (first, second):
        assert portal.stop(instance["id"]).status == 200
    wait_for(lambda: not networks_of(engine, hub) & {first["id"], second["id"]}, 30,
             "their networks are gone")


def test_a_network_of_an_ended_one_is_collected(hub: Hub, catalog: Catalog,
                                                engine: Engine) -> None:
    portal = Portal(hub)
    catalog.add("collected")
    instance = portal.running("component:collected")
    assert instance["id"] in networks_of(engine, hub)
    hub.kill9()
    engine.remove(instance["containerId"])
    hub.start()
    portal.settled(instance["id"], "error")
    wait_for(lambda: instance["id"] not in networks_of(engine, hub), 30, "its network is gone")
    assert containers_of(engine, hub) == []


# -- the next one's ------------------------------------------------------------------

def test_the_next_one_has_a_network_before_it_starts(hub: Hub, catalog: Catalog,
                                                     engine: Engine) -> None:
    portal = Portal(hub)
    port = catalog.add("first")
    catalog.add("second")
    first = portal.running("component:first")
    spare = spare_of(engine, portal)
    assert portal.start("component:first").status == 409
    assert spare_of(engine, portal) == spare  # a start that is refused takes nothing
    assert portal.running("component:second")["id"] == spare
    assert spare_of(engine, portal) != spare
    assert page(port) == "page\n"

    # Somebody tidies up: then it is made like any other.
    for instance in (first["id"], spare):
        assert portal.stop(instance).status == 200
    spare = spare_of(engine, portal)
    wait_for(lambda: networks_of(engine, hub) == {spare}, 30, "the others are gone")
    for network in engine.networks(f"runnerhub.instance={spare}"):
        engine.remove_network(network["Id"])
    assert portal.running("component:first")["id"] == spare
    assert page(port) == "page\n"
    portal.stop_all()


def test_the_spare_of_a_hub_that_ends_is_gone(make_hub: Callable[..., Hub], catalog: Catalog,
                                              engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    portal = Portal(hub)
    catalog.add("last")
    assert networks_of(engine, hub) == set()  # without components there is none
    portal.running("component:last")
    portal.stop_all()
    spare = spare_of(engine, portal)
    wait_for(lambda: networks_of(engine, hub) == {spare}, 30, "the instance's is gone")
    hub.terminate()
    assert networks_of(engine, hub) == set()
    remove_images(engine, hub)


def test_the_spare_of_a_hub_that_dies_is_collected(make_hub: Callable[..., Hub],
                                                   catalog: Catalog, engine: Engine) -> None:
    """In the moment when it is made."""
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_FAULT": "component_spare:1"}).start()
    portal = Portal(hub)
    catalog.add("last")
    with contextlib.suppress(OSError):  # it may die before its answer is out
        portal.started("component:last")
    assert hub.process is not None
    hub.process.wait(120)
    hub.kill9()
    networks = networks_of(engine, hub)
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    (instance,) = portal.instances()
    portal.settled(instance["id"], "running")
    assert len(networks) == 2 and instance["id"] in networks
    (dead,) = networks - {instance["id"]}
    wait_for(lambda: dead not in networks_of(engine, hub), 30, "what it left is gone")
    portal.stop_all()
    remove_images(engine, hub)


def test_jobs_without_a_network_do_not_concern_components(
        make_hub: Callable[..., Hub], catalog: Catalog, engine: Engine, outside: Lab) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, "RUNNERHUB_NETWORK": "none"}).start()
    portal = Portal(hub)
    port = catalog.add("networked")
    instance = portal.running("component:networked")
    assert page(port) == "page\n"
    assert place(outside, engine, instance).dial(OUTSIDE).startswith("open")
    portal.stop_all()
    remove_images(engine, hub)
