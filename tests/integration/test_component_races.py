"""Components when two things happen at once: a stop in the middle of a start,
starts side by side, a start during a stop, a hub that dies."""

import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import (STEPS, Catalog, Follower, Portal, app_config,  # noqa: E402, F401
                           catalog, component_hub, containers_of, github, page, portal,
                           remove_images, workplaces)
from engine_api import Engine  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub, Reply, wait_for  # noqa: E402

NEVER_READY = "{path: /missing, interval: 1s, timeout: 1s, startPeriod: 1h}"


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog, github: FakeGithub,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_APP_CONFIG=app_config(catalog, github.url, TOKEN))


class Gate:
    """Holds the flow of an instance at a fault point, until it is opened."""

    def __init__(self, path: Path, point: str):
        self.path = path
        path.touch()
        self.env = {"RUNNERHUB_FAULT": f"{point}@{path}"}

    def reached(self, hub: Hub) -> None:
        wait_for(lambda: ": waiting" in hub.log(), what="the gate is reached")

    def open(self) -> None:
        self.path.unlink()


def images_of(engine: Engine, hub: Hub, component: str) -> list[str]:
    """The tags of its images."""
    return [tag for image in engine.call("GET", "/images/json", query={
                "filters": f'{{"label": ["runnerhub.hub={hub.hub_id}"]}}'})
            if image["Labels"]["runnerhub.component"].lower() == component
            for tag in image["RepoTags"] or []]


def traces(engine: Engine, hub: Hub, instance: str) -> list[str]:
    """What is there because of it, but for its log and what is a cache."""
    found = [c["Id"] for c in containers_of(engine, hub)]
    found += [n["Name"] for n in engine.networks(f"runnerhub.hub={hub.hub_id}")
              if instance in str(n)]
    return found + workplaces(hub)


def nothing_left(engine: Engine, portal: Portal, instance: str, port: int) -> None:
    """It is stopped, its traces are gone, and another can have its place."""
    assert portal.show(instance)["status"] == "stopped"
    assert containers_of(engine, portal.hub) == [] == workplaces(portal.hub)
    with socket.create_server(("0.0.0.0", port)):
        pass
    # The engine takes its time over networks; nobody waits for that.
    wait_for(lambda: not traces(engine, portal.hub, instance), what="all of it is gone")


# -- a stop in each step -----------------------------------------------------------

@pytest.mark.parametrize("step", STEPS)
def test_a_stop_at_the_begin_of_a_step(make_hub: Callable[..., Hub], catalog: Catalog,
                                       engine: Engine, tmp_path: Path, step: str) -> None:
    number = STEPS.index(step) + 1
    port = catalog.add("halted")
    catalog.add("other")
    gate = Gate(tmp_path / "gate", f"component_step:{number}")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, **gate.env}).start()
    portal = Portal(hub)
    instance = portal.started("component:halted")
    gate.reached(hub)
    found = portal.show(instance)
    assert (found["status"], found["deploymentProgress"]["currentStep"]) == ("starting", step)
    with ThreadPoolExecutor() as pool:
        stop = pool.submit(portal.stop, instance)
        portal.until(instance, lambda i: i["status"] == "stopping", "it is stopping")
        # Its place is not free before it is empty.
        busy = portal.start("component:other")
        assert busy.status == 409 and "Component:default/halted" in busy.text
        gate.open()
        assert stop.result().json == {"message": "Component stopped successfully"}
    nothing_left(engine, portal, instance, port)
    built = images_of(engine, hub, "component:default/halted")
    assert bool(built) == (number > 3), built
    assert portal.errors(instance) == [] and "error" not in portal.show(instance)
    catalog.write("other", ".runner/config.yml",
                  "runner:\n  type: docker\n  dockerfile: Dockerfile\n"
                  f'  ports: ["{port}:8080"]\n  stopGracePeriod: 1s\n')
    portal.running("component:other")
    portal.stop_all()
    remove_images(engine, hub)


def stuck_in_a_download(portal: Portal, catalog: Catalog, github: FakeGithub,
                        name: str) -> tuple[str, int]:
    """Half of its archive has come; with the next request all of it does."""
    port = catalog.add(name, source=f"url:{github.url}/acme/{name}/")
    files = {file: open(catalog.path(name, file), "rb").read()
             for file in (".runner/config.yml", "Dockerfile")}
    github.repositories.add(f"acme/{name}").commit("main", files | {"x": os.urandom(1 << 20)})
    github.repositories.archives_seen.clear()
    github.fail(path="archive:", status=200, seconds=600)
    instance = portal.started(f"component:{name}")
    wait_for(lambda: github.repositories.archives_seen, what="the archive is asked for")
    return instance, port


def test_a_stop_in_the_middle_of_a_download(portal: Portal, catalog: Catalog,
                                            github: FakeGithub, engine: Engine) -> None:
    instance, port = stuck_in_a_download(portal, catalog, github, "fetched")
    assert workplaces(portal.hub) == [instance]
    assert portal.show(instance)["deploymentProgress"]["currentStep"] == STEPS[0]
    assert portal.stop(instance).status == 200
    nothing_left(engine, portal, instance, port)
    portal.running("component:fetched")


def test_a_stop_in_the_middle_of_a_build(portal: Portal, catalog: Catalog,
                                         engine: Engine) -> None:
    """The engine's work ends as well, and the tag of a build before stays."""
    port = catalog.add("slow")
    portal.stop(portal.running("component:slow")["id"])
    before = images_of(engine, portal.hub, "component:default/slow")
    catalog.write("slow", "Dockerfile", f"FROM {catalog.image}\nRUN sleep 3753\n")

    def builds() -> list[dict]:
        return [c for c in engine.containers() if "sleep 3753" in c["Command"]]

    instance = portal.started("component:slow")
    follower = Follower(portal.hub, instance, "&build=true")
    wait_for(builds, what="the build runs")
    assert portal.stop(instance).status == 200
    nothing_left(engine, portal, instance, port)
    assert b"sleep 3753" in follower.rest()  # which has an end
    wait_for(lambda: not builds(), what="the build has ended")
    assert images_of(engine, portal.hub, "component:default/slow") == before


def test_a_stop_of_one_that_never_gets_ready(portal: Portal, catalog: Catalog,
                                             engine: Engine) -> None:
    port = catalog.add("unready", health=NEVER_READY)
    instance = portal.started("component:unready")
    wait_for(lambda: (portal.hub.get(f"/api/runner/instances/{instance}/health")
                      .json["health"] or {}).get("checks"), what="it was probed")
    assert portal.show(instance)["status"] == "starting" and page(port) == "page\n"
    assert portal.stop(instance).status == 200
    nothing_left(engine, portal, instance, port)


def test_many_stops_of_one(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    port = catalog.add("doomed")
    instance = portal.started("component:doomed")
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda _: portal.stop(instance), range(8)))
    assert [r.status for r in replies] == [200] * 8
    nothing_left(engine, portal, instance, port)


def test_stops_at_any_moment(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    """Each a little later than the one before, through the whole start."""
    port = catalog.add("random")
    seen: set[str] = set()
    for moment in range(10):
        instance = portal.started("component:random")
        now = portal.until(instance, lambda i: reached(i) >= moment // 2
                           and count(portal, instance) >= moment % 2, "the moment has come")
        seen.add(now["deploymentProgress"]["currentStep"])
        assert portal.stop(instance).status == 200
        assert portal.show(instance)["status"] == "stopped"
        assert containers_of(engine, portal.hub) == [] == workplaces(portal.hub)
    nothing_left(engine, portal, instance, port)
    assert len(seen) > 1, seen


def reached(instance: dict) -> int:
    return STEPS.index(instance["deploymentProgress"]["currentStep"])


def count(portal: Portal, instance: str) -> int:
    """Lines of the build and of the component."""
    return len(portal.logs(instance, "build=true").splitlines())


# -- starts side by side -----------------------------------------------------------

def together(portal: Portal, refs: list[str]) -> list[Reply]:
    barrier = threading.Barrier(len(refs))

    def start(ref: str) -> Reply:
        barrier.wait()
        return portal.start(ref)

    with ThreadPoolExecutor(len(refs)) as pool:
        return list(pool.map(start, refs))


@pytest.mark.parametrize("refs", [["component:left"] * 6,
                                  ["component:left", "component:right"] * 3])
def test_one_of_many_starts_wins(portal: Portal, catalog: Catalog, engine: Engine,
                                 refs: list[str]) -> None:
    catalog.add("left")
    catalog.add("right")
    known = len(portal.instances())
    replies = together(portal, refs)
    assert sorted(r.status for r in replies) == [201] + [409] * (len(refs) - 1)
    winner = next(r.json for r in replies if r.status == 201)
    for loser in (r for r in replies if r.status == 409):
        assert loser.json["error"]["name"] == "ConflictError"
        assert winner["componentRef"] in loser.json["error"]["message"]
    assert len(portal.instances()) == known + 1
    portal.settled(winner["id"], "running")
    assert len(containers_of(engine, portal.hub)) == 1


def test_places_are_counted(make_hub: Callable[..., Hub], catalog: Catalog,
                            engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_COMPONENTS_MAX": "2"}).start()
    portal = Portal(hub)
    ports = {f"component:part-{n}": catalog.add(f"part-{n}") for n in range(4)}
    replies = together(portal, list(ports) * 2)
    won = [r.json for r in replies if r.status == 201]
    assert len(won) == 2 and {r.status for r in replies} == {201, 409}
    for instance in won:
        portal.settled(instance["id"], "running")
    assert len(containers_of(engine, hub)) == 2
    portal.stop_all()
    remove_images(engine, hub)


def test_a_start_during_a_stop(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    catalog.add("leaving", health="", extra="  stopGracePeriod: 1h\n", dockerfile="""\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'echo asked' TERM; echo up; until [ -e /go ]; do sleep 0.05; done"]
""")
    catalog.add("coming")
    instance = portal.running("component:leaving")
    wait_for(lambda: "up" in portal.logs(instance["id"]), what="it is up")
    with ThreadPoolExecutor() as pool:
        stop = pool.submit(portal.stop, instance["id"])
        wait_for(lambda: "asked" in portal.logs(instance["id"]), what="it was asked")
        assert portal.show(instance["id"])["status"] == "stopping"
        for ref in ("component:coming", "component:leaving"):
            busy = portal.start(ref)
            assert busy.status == 409 and "Component:default/leaving" in busy.text
        made = engine.call("POST", f"/containers/{instance['containerId']}/exec",
                           {"Cmd": ["touch", "/go"]})
        engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
        assert stop.result().status == 200
    assert portal.show(instance["id"])["status"] == "stopped"
    portal.running("component:coming")


# -- an end that nobody asked for --------------------------------------------------

def test_a_kill_from_outside_is_told_at_once(portal: Portal, catalog: Catalog,
                                             engine: Engine) -> None:
    """To the list, to those who follow, and the place is free."""
    port = catalog.add("killed")
    instance = portal.running("component:killed")
    follower = Follower(portal.hub, instance["id"])
    follower.until(b"to stdout\n")
    engine.kill(instance["containerId"])
    follower.rest()  # ends
    portal.until(instance["id"], lambda i: i["status"] == "error", "it is told")
    found = next(i for i in portal.instances() if i["id"] == instance["id"])
    assert found["status"] == "error" and found["exitCode"] == 137
    assert "signal SIGKILL" in found["error"] and "stoppedAt" in found
    portal.running("component:killed")
    assert page(port) == "page\n"


# -- a hub that dies ---------------------------------------------------------------

def test_a_hub_that_dies_in_a_download(make_hub: Callable[..., Hub], catalog: Catalog,
                                       github: FakeGithub, engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_APP_CONFIG": app_config(catalog, github.url, TOKEN)}).start()
    portal = Portal(hub)
    instance, port = stuck_in_a_download(portal, catalog, github, "refetched")
    hub.kill9()
    hub.start()
    assert portal.settled(instance, "running")["ports"] == [port]
    assert page(port) == "page\n" and workplaces(hub) == []
    portal.stop_all()
    remove_images(engine, hub)


def test_a_hub_that_dies_in_a_build(make_hub: Callable[..., Hub], catalog: Catalog,
                                    engine: Engine, tmp_path: Path) -> None:
    """The next one starts it again from the top; then a stop leaves nothing."""
    port = catalog.add("cut", dockerfile="FROM {image}\nRUN sleep 3754\n")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    portal = Portal(hub)
    instance = portal.started("component:cut")

    def builds() -> list[dict]:
        return [c for c in engine.containers() if "sleep 3754" in c["Command"]]

    wait_for(builds, what="the build runs")
    assert workplaces(hub) == [instance]
    hub.kill9()
    hub.start()
    wait_for(lambda: "sleep 3754" in portal.logs(instance, "build=true") and builds(),
             what="it is built again")
    assert portal.show(instance)["status"] == "starting"
    assert portal.stop(instance).status == 200
    nothing_left(engine, portal, instance, port)
    wait_for(lambda: not builds(), what="the builds have ended")
    remove_images(engine, hub)


def test_a_hub_that_dies_while_one_gets_ready(make_hub: Callable[..., Hub],
                                              catalog: Catalog, engine: Engine) -> None:
    port = catalog.add("unlucky", health=NEVER_READY)
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    portal = Portal(hub)
    instance = portal.started("component:unlucky")
    portal.until(instance, lambda i: "containerId" in i, "it has a container")
    hub.kill9()
    catalog.write("unlucky", ".runner/config.yml", "runner:\n  type: docker\n"
                  f'  dockerfile: Dockerfile\n  ports: ["{port}:8080"]\n'
                  "  healthCheck: {path: /}\n  stopGracePeriod: 1s\n")
    hub.start()
    assert portal.settled(instance, "running")["ports"] == [port]
    assert len(containers_of(engine, hub)) == 1
    portal.stop_all()
    nothing_left(engine, portal, instance, port)
    remove_images(engine, hub)


def test_what_the_engine_made_for_a_dead_hub(portal: Portal, catalog: Catalog,
                                             engine: Engine) -> None:
    """It may finish a call when the next hub has looked and seen nothing."""
    catalog.add("past")
    instance = portal.running("component:past")["id"]
    portal.stop(instance)
    labels = {"runnerhub.managed": "true", "runnerhub.hub": portal.hub.hub_id}
    engine.call("POST", "/networks/create", {
        "Name": f"runnerhub-s-{instance.replace('-', '')[16:]}",
        "Labels": {**labels, "runnerhub.instance": instance}})
    engine.call("POST", f"/containers/create?name=runnerhub-instance-{instance}", {
        "Image": catalog.image, "Cmd": ["true"],
        "Labels": {**labels, "runnerhub.type": "instance", "runnerhub.instance.id": instance}})
    assert len(traces(engine, portal.hub, instance)) == 2
    running = portal.running("component:past")
    wait_for(lambda: traces(engine, portal.hub, instance) == [running["containerId"]],
             what="it is found")


def test_what_comes_true_in_the_middle_of_a_start(make_hub: Callable[..., Hub],
                                                  catalog: Catalog, engine: Engine,
                                                  tmp_path: Path) -> None:
    """The container that a hub before had asked for is there all of a sudden,
    behind the look for leftovers: it makes way."""
    port = catalog.add("sudden")
    gate = Gate(tmp_path / "gate", "component_step:4")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, **gate.env}).start()
    portal = Portal(hub)
    instance = portal.started("component:sudden")
    gate.reached(hub)
    late = engine.call("POST", f"/containers/create?name=runnerhub-instance-{instance}", {
        "Image": catalog.image, "Cmd": ["true"], "Labels": {
            "runnerhub.managed": "true", "runnerhub.hub": hub.hub_id,
            "runnerhub.type": "instance", "runnerhub.instance.id": instance}})["Id"]
    gate.open()
    assert portal.settled(instance, "running")["containerId"] != late
    assert page(port) == "page\n"
    portal.stop_all()
    nothing_left(engine, portal, instance, port)
    remove_images(engine, hub)


def test_a_hub_that_dies_in_a_stop(make_hub: Callable[..., Hub], catalog: Catalog,
                                   engine: Engine) -> None:
    """The stop was promised: the next hub finishes it."""
    port = catalog.add("stubborn", health="", extra="  stopGracePeriod: 2s\n", dockerfile="""\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"]
""")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    portal = Portal(hub)
    instance = portal.running("component:stubborn")["id"]
    wait_for(lambda: "up" in portal.logs(instance), what="it is up")
    asking = threading.Thread(target=lambda: pytest.raises(OSError, portal.stop, instance))
    asking.start()
    wait_for(lambda: "asked" in portal.logs(instance), what="it was asked")
    hub.kill9()
    asking.join()
    hub.start()
    portal.until(instance, lambda i: i["status"] == "stopped", "it is stopped")
    nothing_left(engine, portal, instance, port)
    assert "asked" in portal.logs(instance)
    remove_images(engine, hub)
