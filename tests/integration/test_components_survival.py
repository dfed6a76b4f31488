"""Components and hubs that die: the next hub goes on with each instance from
whatever moment it was in, with one container and its whole log."""

import contextlib
from typing import Callable, Iterator

import pytest

import fault_points
from component_lab import (Catalog, Follower, Portal, catalog, component_hub,  # noqa: F401
                           containers_of, page, remove_images)
from engine_api import Engine
from hub import Hub, wait_for

COUNTER = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"]
"""

POINTS = [(point, n) for point, passages in fault_points.COMPONENT.items()
          if point in ("component_step", "component_started") for n in passages]


@pytest.fixture
def lasting(make_hub: Callable[..., Hub], catalog: Catalog,
            engine: Engine) -> Iterator[Hub]:
    """A hub that leaves what runs to the next one."""
    yield from component_hub(make_hub, catalog, engine, RUNNERHUB_SHUTDOWN_MODE="handover")


def numbers(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines()]


@pytest.mark.parametrize("how", ["terminate", "kill9"])
def test_a_running_one_is_adopted(lasting: Hub, catalog: Catalog, engine: Engine,
                                  how: str) -> None:
    catalog.add("counter", dockerfile=COUNTER, health="")
    portal = Portal(lasting)
    before = portal.running("component:counter")
    wait_for(lambda: "line 3\n" in portal.logs(before["id"]), what="it counts")
    getattr(lasting, how)()
    lasting.start()
    after = portal.show(before["id"])
    assert after["status"] == "running" and after["containerId"] == before["containerId"]
    assert after["ports"] == before["ports"]
    follower = Follower(lasting, before["id"])
    last = numbers(portal.logs(before["id"]))[-1]
    follower.until(b"line %d\n" % (last + 20))
    assert portal.start("component:counter").status == 409
    assert portal.stop(before["id"]).status == 200
    seen = numbers(follower.rest().decode())
    assert seen == list(range(len(seen)))  # each line once
    assert portal.show(before["id"])["status"] == "stopped"
    assert containers_of(engine, lasting) == []


def test_one_that_ended_without_a_hub_is_told(lasting: Hub, catalog: Catalog,
                                              engine: Engine) -> None:
    catalog.add("orphan", dockerfile=COUNTER, health="")
    portal = Portal(lasting)
    instance = portal.running("component:orphan")
    lasting.kill9()
    engine.kill(instance["containerId"])
    lasting.start()
    found = portal.until(instance["id"], lambda i: i["status"] != "running", "it is told")
    assert found["status"] == "error" and found["exitCode"] == 137
    assert "line 0" in portal.logs(instance["id"])


@pytest.mark.parametrize("point,passage", POINTS)
def test_a_start_is_gone_on_with(make_hub: Callable[..., Hub], catalog: Catalog,
                                 engine: Engine, point: str, passage: int) -> None:
    port = catalog.add("restarted")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_FAULT": f"{point}:{passage}"}).start()
    with contextlib.suppress(OSError):  # it may die before its answer is out
        Portal(hub).started("component:restarted")
    assert hub.process is not None
    hub.process.wait(120)
    hub.kill9()
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    portal = Portal(hub)
    instance = portal.instances()[0]["id"]
    assert portal.settled(instance, "running")["ports"] == [port]
    assert page(port) == "page\n"
    assert len(containers_of(engine, hub)) == 1 and len(portal.instances()) == 1
    assert sorted(portal.logs(instance).splitlines()) == ["to stderr", "to stdout"]
    portal.stop_all()
    remove_images(engine, hub)


@pytest.mark.parametrize("point", ["component_recover", "component_ending"])
def test_a_hub_that_dies_again(lasting: Hub, catalog: Catalog, engine: Engine,
                               point: str) -> None:
    catalog.add("unlucky", dockerfile=COUNTER, health="", extra="  stopGracePeriod: 1s\n")
    portal = Portal(lasting)
    instance = portal.running("component:unlucky")["id"]
    lasting.terminate()
    lasting.env["RUNNERHUB_FAULT"] = f"{point}:1"
    lasting.start(wait_healthy=point == "component_ending")
    if point == "component_ending":
        with contextlib.suppress(OSError):  # it dies over the answer
            portal.stop(instance)
    assert lasting.process is not None
    lasting.process.wait(120)
    lasting.kill9()
    lasting.env["RUNNERHUB_FAULT"] = ""
    lasting.start()
    wanted = "running" if point == "component_recover" else "stopped"
    portal.until(instance, lambda i: i["status"] == wanted, f"it is {wanted}")
    assert len(containers_of(engine, lasting)) == (wanted == "running")
