"""Builds of components on a real engine: what they tell, what they reach, and
that nothing is left of one that came to nothing."""

import os
import uuid
from typing import Callable, Iterator

import pytest

from build_lab import (LASTING, build_log, mark, nothing_is_left, run_once,
                       running_with, simple)
from component_lab import Catalog, Portal, catalog, component_hub, portal, workplaces  # noqa: F401
from engine_api import Engine
from hub import Hub, wait_for
from test_isolation import Listener, dial_all, host_addresses


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine, RUNNERHUB_SHUTDOWN_MODE="handover")


def test_the_build_tells_how_far_it_is(portal: Portal, catalog: Catalog) -> None:
    steps = [f"RUN echo {mark()} && sleep 0.4" for _ in range(4)]
    catalog.add("steps", health="", dockerfile=simple(*steps))
    instance = portal.started("component:steps")
    seen: list[int] = []

    def look(now: dict) -> bool:
        for step in now["deploymentProgress"]["steps"]:
            if "progress" in step:
                assert step["status"] == "in_progress"
                if step["type"] == "building_image":
                    seen.append(step["progress"])
        return now["status"] != "starting"

    assert portal.until(instance, look, "it is started")["status"] == "running"
    assert seen == sorted(seen) and len(set(seen)) >= 2 and max(seen) < 100


def test_a_dockerfile_may_lie_beside_its_context(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("beside", dockerfile=None, config="")
    catalog.write("beside", ".runner/config.yml", f"""\
runner:
  type: docker
  dockerfile: docker/Dockerfile
  ports: ["{port}:80"]
  build: {{context: app}}
""")
    catalog.write("beside", "docker/Dockerfile",
                  simple("COPY . /app", "RUN ls /app && echo all").replace("{image}", catalog.image))
    catalog.write("beside", "app/inside", "")
    catalog.write("beside", "app/.dockerignore", "*\n!inside\n")
    instance, _ = run_once(portal, "component:beside")
    assert "\ninside\nall\n" in build_log(portal, instance)
    catalog.write("beside", "docker/Dockerfile", "FROM {image}\nRUN exit 3\n".replace(
        "{image}", catalog.image))
    portal.settled(portal.started("component:beside"), "error")


def test_a_build_does_not_reach_this_machine(portal: Portal, catalog: Catalog) -> None:
    listener = Listener()
    try:
        catalog.add("curious", health="", dockerfile=simple(
            f"COPY dial.sh /\nRUN echo {mark()} && sh /dial.sh && echo all were dialled"))
        catalog.write("curious", "dial.sh", dial_all(host_addresses(), listener.port))
        instance, _ = run_once(portal, "component:curious")
    finally:
        listener.server.close()
    log = build_log(portal, instance)
    assert "\nall were dialled\n" in log and "\nreached " not in log
    assert listener.callers == []


# -- what comes to nothing --------------------------------------------------------------

def test_a_failed_build_leaves_nothing(portal: Portal, catalog: Catalog,
                                       engine: Engine) -> None:
    marker = mark()
    catalog.add("failing", health="", dockerfile=(
        f"FROM {{image}} AS one\nRUN echo {marker} > /one\n"
        f"FROM {{image}}\nRUN echo {marker} > /two\nCOPY --from=one /one /three\n"
        f"RUN echo {marker} && exit 7\n" + LASTING))
    instance = portal.settled(portal.started("component:failing"), "error")
    assert "returned a non-zero code: 7" in instance["error"]
    nothing_is_left(engine, portal.hub, marker)
    assert workplaces(portal.hub) == []


def test_a_stopped_build_leaves_nothing(portal: Portal, catalog: Catalog,
                                        engine: Engine) -> None:
    marker = mark()
    catalog.add("stopped", health="", dockerfile=simple(
        f"RUN echo {marker} > /one", f"RUN echo {marker} && sleep 600"))
    instance = portal.started("component:stopped")
    wait_for(lambda: "sleep 600" in str(running_with(engine, marker)), what="it builds")
    assert portal.stop(instance).status == 200
    assert portal.show(instance)["status"] == "stopped"
    nothing_is_left(engine, portal.hub, marker)
    assert workplaces(portal.hub) == []


def test_a_hub_that_dies_leaves_nothing_to_the_next(portal: Portal, catalog: Catalog,
                                                    engine: Engine) -> None:
    marker, hub = mark(), portal.hub
    catalog.add("orphaned", health="", dockerfile=simple(
        f"RUN echo {marker} > /one", f"RUN echo {marker} && sleep 600"))
    instance = portal.started("component:orphaned")
    wait_for(lambda: "sleep 600" in str(running_with(engine, marker)), what="it builds")
    hub.kill9()
    wait_for(lambda: not running_with(engine, marker), what="the engine has ended the build")
    left = os.path.join(hub.state_dir, "components", str(uuid.uuid4()), "source")
    os.makedirs(left)
    hub.start()
    # The next hub goes on with it, from the layer that is there.
    wait_for(lambda: "sleep 600" in str(running_with(engine, marker)), what="it builds again")
    assert "Using cache" in portal.logs(instance, "build=true")
    assert workplaces(hub) == [instance]
    assert portal.stop(instance).status == 200
    nothing_is_left(engine, hub, marker)
    assert workplaces(hub) == []


def test_what_a_build_prints_names_nobody_elses_image(portal: Portal, catalog: Catalog,
                                                      engine: Engine, image: str) -> None:
    """An image without a name, whose id a build prints as its own."""
    made = engine.call("POST", "/containers/create", {"Image": image, "Cmd": ["true"]})["Id"]
    foreign = engine.call("POST", "/commit", {}, query={"container": made})["Id"]
    engine.remove(made)
    short = foreign.removeprefix("sha256:")[:12]
    catalog.add("forger", health="", dockerfile=simple(
        f"RUN echo; sleep 0.2; echo ' ---> {short}'; sleep 0.2; exit 1"))
    try:
        portal.settled(portal.started("component:forger"), "error")
        assert engine.call("GET", f"/images/{foreign}/json")["Id"] == foreign
    finally:
        engine.call("DELETE", f"/images/{foreign}")


def test_a_build_that_takes_too_long(make_hub: Callable[..., Hub], catalog: Catalog,
                                     engine: Engine) -> None:
    marker = mark()
    catalog.add("endless", health="", dockerfile=simple(f"RUN echo {marker} && sleep 600"))
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_COMPONENTS_BUILD_TIMEOUT": "2s"}).start()
    portal = Portal(hub)
    instance = portal.settled(portal.started("component:endless"), "error")
    assert "longer than 2 s" in instance["error"]
    assert portal.errors(instance["id"])[-1]["code"] == "DOCKER_OPERATION_TIMEOUT"
    nothing_is_left(engine, hub, marker)
