"""What happens to a component that runs: it is watched, started again,
stopped when its time is over or nobody uses it; and a hub that comes back
goes on with all of that."""

import socket
import time
from typing import Callable, Iterator

import pytest

from component_lab import (WEB, Catalog, Follower, Portal, catalog, component_hub,  # noqa: F401
                           containers_of, page)
from engine_api import Engine
from hub import Hub, wait_for

# Says how often it was started, and ends when /tmp/end is there.
COUNTING = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; echo x >> /n; echo run $(wc -l < /n) >&2; \\
     mkdir -p /www; echo page > /www/index.html; \\
     busybox httpd -p 8080 -h /www; \\
     while [ ! -e /www/end ]; do sleep 0.05; done; exit $(cat /www/end)"]
"""
CHECKED = "{path: /, interval: 1s, timeout: 5s}"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], catalog: Catalog,
        engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine, RUNNERHUB_COMPONENTS_MAX="4")


@pytest.fixture
def portal(hub: Hub, engine: Engine) -> Iterator[Portal]:
    portal = Portal(hub)
    yield portal
    portal.stop_all()
    assert containers_of(engine, hub) == []


def health(portal: Portal, instance: str) -> dict:
    """Nothing while a hub that came back has not taken it in hand."""
    found = portal.hub.get(f"{portal.base}/instances/{instance}/health").json["health"]
    return found or {"restartCount": None, "status": None}


def runs_again(portal: Portal, instance: str, times: int) -> None:
    wait_for(lambda: health(portal, instance)["restartCount"] == times and
             portal.show(instance)["status"] == "running", 120, f"it runs again, {times}")


def end_with(engine: Engine, instance: dict, code: int) -> None:
    """Lets a counting one end by itself."""
    made = engine.call("POST", f"/containers/{instance['containerId']}/exec",
                       {"Cmd": ["sh", "-c", f"echo {code} > /end.tmp; mv /end.tmp /www/end"]})
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})


# -- restarts -------------------------------------------------------------------

# It fails in its first run, and stays in its second.
ONCE = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; echo x >> /n; n=$(wc -l < /n); echo run $n; \\
     mkdir -p /www; echo page > /www/index.html; busybox httpd -p 8080 -h /www; \\
     while [ ! -e /go$n ]; do sleep 0.05; done; exit 3"]
"""


def go(engine: Engine, container: str, run: int) -> None:
    made = engine.call("POST", f"/containers/{container}/exec", {"Cmd": ["touch", f"/go{run}"]})
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})


def test_one_that_fails_is_started_again(portal: Portal, catalog: Catalog,
                                         engine: Engine) -> None:
    port = catalog.add("again", dockerfile=ONCE, health=CHECKED,
                       extra="  restart: on-failure\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:again")
    assert health(portal, instance["id"])["restartCount"] == 0
    for run in (1, 2):
        go(engine, instance["containerId"], run)
        runs_again(portal, instance["id"], run)
    assert page(port) == "page\n"
    after = portal.show(instance["id"])
    assert after["containerId"] == instance["containerId"]
    # Each end is told, and all runs are in one log.
    faults = portal.errors(instance["id"])
    assert [f["code"] for f in faults] == ["CONTAINER_EXITED"] * 2
    assert "exited with code 3" in faults[0]["message"]
    log = portal.logs(instance["id"])
    assert [line for line in log.splitlines() if line.startswith("run ")] == \
        ["run 1", "run 2", "run 3"]
    assert "Start 1 again in 250 ms." in log and "Start 2 again in 500 ms." in log
    assert health(portal, instance["id"])["status"] == "healthy"


def test_one_that_ends_well_is_only_started_again_always(portal: Portal, catalog: Catalog,
                                                         engine: Engine) -> None:
    catalog.add("ends-well", dockerfile=COUNTING, health="",
                extra="  restart: on-failure\n")
    instance = portal.running("component:ends-well")
    end_with(engine, instance, 0)
    ended = portal.settled(instance["id"], "stopped")
    assert ended["exitCode"] == 0 and not {"error", "signal"} & set(ended)

    catalog.add("always", dockerfile=COUNTING, health="", extra="  restart: always\n")
    instance = portal.running("component:always")
    end_with(engine, instance, 0)
    portal.until(instance["id"], lambda i: (health(portal, i["id"])["restartCount"] or 0) >= 1,
                 "it is started again")


def test_a_stop_ends_the_restarts(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    catalog.add("stubborn", dockerfile=COUNTING, health="", extra="  restart: always\n")
    instance = portal.running("component:stubborn")
    end_with(engine, instance, 7)  # and each later run at once
    portal.until(instance["id"], lambda i: (health(portal, i["id"])["restartCount"] or 0) >= 3,
                 "it is in the midst of its restarts")
    assert portal.stop(instance["id"]).status == 200
    assert portal.show(instance["id"])["status"] == "stopped"
    assert containers_of(engine, portal.hub) == []
    assert "Start 3 again in 1000 ms." in portal.logs(instance["id"])
    # What the hub says of a restart is none of its own last words.
    assert "again in" not in portal.errors(instance["id"])[-1]["message"]


def test_a_start_that_fails_is_told_at_once(portal: Portal, catalog: Catalog) -> None:
    catalog.add("never", dockerfile='FROM {image}\nENTRYPOINT []\nCMD ["sh", "-c", "exit 5"]\n',
                health="", extra="  restart: always\n")
    ended = portal.settled(portal.started("component:never"), "error")
    assert ended["exitCode"] == 5


def test_restarts_go_on_across_a_crash_of_the_hub(portal: Portal, catalog: Catalog,
                                                  engine: Engine) -> None:
    port = catalog.add("survivor", dockerfile=ONCE, health=CHECKED,
                       extra="  restart: on-failure\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:survivor")
    portal.hub.kill9()
    go(engine, instance["containerId"], 1)
    wait_for(lambda: not engine.inspect(instance["containerId"])["State"]["Running"],
             30, "it has ended while nobody looked")
    portal.hub.start()
    runs_again(portal, instance["id"], 1)
    assert page(port) == "page\n"
    assert portal.show(instance["id"])["containerId"] == instance["containerId"]


@pytest.mark.parametrize("point", ["component_restart_counted", "component_restart"])
def test_a_hub_that_dies_over_a_restart(portal: Portal, catalog: Catalog,
                                        engine: Engine, point: str) -> None:
    """Between counting and telling it, between that and doing it: the next hub
    does what is missing, once."""
    port = catalog.add("twice-unlucky", dockerfile=ONCE, health=CHECKED,
                       extra="  restart: on-failure\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:twice-unlucky")
    hub = portal.hub
    hub.kill9()
    hub.env["RUNNERHUB_FAULT"] = f"{point}:1"
    hub.start()
    go(engine, instance["containerId"], 1)
    assert hub.process is not None
    hub.process.wait(120)
    hub.kill9()
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    wait_for(lambda: portal.show(instance["id"])["status"] == "running", 120, "it runs again")
    assert health(portal, instance["id"])["restartCount"] == 1
    assert portal.errors(instance["id"]) == []  # told by a hub that is dead
    assert page(port) == "page\n"
    lines = portal.logs(instance["id"]).splitlines()
    assert [line for line in lines if line.startswith("run ")] == ["run 1", "run 2"]
    told = [line for line in lines if line.startswith("runnerhub: ")]
    assert len(told) == 1 and "exited with code 3" in told[0]
    assert told[0].endswith(" Start 1 again in 250 ms.")

    # The next end is another.
    go(engine, instance["containerId"], 2)
    runs_again(portal, instance["id"], 2)
    assert portal.logs(instance["id"]).count("runnerhub: ") == 2


# -- its end, seen and told ---------------------------------------------------------

def test_killed_from_outside_is_seen_at_once(portal: Portal, catalog: Catalog,
                                             engine: Engine) -> None:
    catalog.add("killed")
    instance = portal.running("component:killed")
    follower = Follower(portal.hub, instance["id"])
    follower.until(b"to stdout")
    engine.kill(instance["containerId"])
    follower.rest()  # the log ends with it; nobody asked for the instance
    ended = portal.show(instance["id"])
    assert ended["status"] == "error"
    assert ended["exitCode"] == 137 and ended["signal"] == "SIGKILL"
    assert "exited with code 137, signal SIGKILL" in ended["error"]
    assert "to stderr" in portal.logs(instance["id"])


def test_out_of_memory_is_told(portal: Portal, catalog: Catalog) -> None:
    hog = ('FROM {image}\nENTRYPOINT []\nCMD ["sh", "-c", "sleep 1; '
           'exec busybox awk \'BEGIN { while (1) s = s s \\"xxxxxxxxxxxxxxxx\\" }\'"]\n')
    catalog.add("hungry", dockerfile=hog, health="", extra="  resources: {memory: 8m}\n")
    ended = portal.until(portal.started("component:hungry"),
                         lambda i: i["status"] in ("error", "stopped"), "it has ended")
    assert ended["status"] == "error" and ended["outOfMemory"] is True
    assert "ran out of memory" in ended["error"]


# -- its time -----------------------------------------------------------------------

def test_its_time_to_live_outlives_the_hub(portal: Portal, catalog: Catalog,
                                           engine: Engine) -> None:
    catalog.add("mortal", extra="  ttl: 5s\n  stopGracePeriod: 1s\n")
    begun = time.monotonic()
    instance = portal.running("component:mortal")
    portal.hub.kill9()
    portal.hub.start()
    ended = portal.settled(instance["id"], "stopped")
    assert time.monotonic() - begun >= 5
    assert "its time to live is over (ttl)" in portal.logs(instance["id"])
    assert "error" not in ended


def test_one_that_was_adopted_is_probed(portal: Portal, catalog: Catalog,
                                        engine: Engine) -> None:
    catalog.add("probed", dockerfile=WEB, health="{path: /, interval: 1s, timeout: 500ms, retries: 2}")
    instance = portal.running("component:probed")
    portal.hub.kill9()
    portal.hub.start()
    portal.until(instance["id"], lambda i: health(portal, i["id"])["status"] == "healthy", "it was asked")
    engine.call("POST", f"/containers/{instance['containerId']}/pause")
    portal.until(instance["id"], lambda i: health(portal, i["id"])["status"] == "unhealthy",
                 "it does not answer")
    engine.call("POST", f"/containers/{instance['containerId']}/unpause")
    portal.until(instance["id"], lambda i: health(portal, i["id"])["status"] == "healthy",
                 "it answers again")


# -- nobody uses it ------------------------------------------------------------------

def test_one_that_nobody_uses_is_stopped(portal: Portal, catalog: Catalog) -> None:
    """Its health check is no use of it."""
    catalog.add("lonely", health="{path: /, interval: 1s, timeout: 5s}",
                extra="  idleStop: 2s\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:lonely")
    portal.settled(instance["id"], "stopped")
    assert "nobody has used it for long (idleStop)" in portal.logs(instance["id"])


def test_one_that_is_used_is_not(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("popular", health="", extra="  idleStop: 1s\n  stopGracePeriod: 1s\n")
    instance = portal.running("component:popular")
    wait_for(lambda: page(port) == "page\n", 30, "its page")
    # Visits that are short, then one that lasts.
    began = time.monotonic()
    while time.monotonic() - began < 2:
        assert page(port) == "page\n"
        time.sleep(0.1)
    with socket.create_connection(("127.0.0.1", port)):
        began = time.monotonic()
        while time.monotonic() - began < 2:
            assert portal.show(instance["id"])["status"] == "running"
            time.sleep(0.2)
    portal.settled(instance["id"], "stopped")
