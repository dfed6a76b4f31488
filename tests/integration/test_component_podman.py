"""Components where Podman is the only engine: built, run, reached, collected."""

import json
import subprocess
from typing import Iterator

import pytest

from build_lab import mark, simple
from component_lab import Catalog, Portal, page
from engine_api import EngineError
from fixtures import IMAGE
from hub import wait_for
from podman_machine import Machine, MachineHub, machine  # noqa: F401


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    catalog = Catalog(IMAGE)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def hub(machine: Machine, catalog: Catalog, runnerhub: str) -> Iterator[MachineHub]:  # noqa: F811
    hub = MachineHub(machine, runnerhub, IMAGE, {"RUNNERHUB_CATALOG": catalog.dir})
    with hub.start() as running:
        yield running


def test_a_component_runs_and_its_images_are_looked_after(
        hub: MachineHub, catalog: Catalog, machine: Machine) -> None:  # noqa: F811
    port = catalog.add("Hello")
    portal = Portal(hub)
    first = portal.running("component:hello")
    assert page(port) == "page\n"
    assert {"to stdout", "to stderr"} == set(portal.logs(first["id"]).split("\n")) - {""}
    assert portal.stop(first["id"]).status == 200
    again = portal.running("component:hello")
    assert "Not built again" in portal.logs(again["id"], "build=true")
    assert portal.stop(again["id"]).status == 200
    assert "cannot look after the images" not in hub.log()


def own_images(machine: Machine, hub: MachineHub) -> list[dict]:  # noqa: F811
    """Podman labels each layer of a build. While some go it cannot list."""
    found: list[list[dict]] = []

    def listed() -> bool:
        try:
            found.append(machine.engine.call("GET", "/images/json", query={
                "all": "1", "filters": json.dumps({"label": [f"runnerhub.hub={hub.hub_id}"]})}))
        except EngineError:
            return False
        return True
    wait_for(listed, what="Podman lists its images")
    return found[-1]


def test_a_failed_build_leaves_nothing(machine: Machine, hub: MachineHub,  # noqa: F811
                                       catalog: Catalog) -> None:
    portal = Portal(hub)
    marks = [mark(), mark()]
    catalog.add("failing", health="", dockerfile=simple(
        f"RUN echo {marks[0]} > /one", f"RUN echo {marks[1]} > /two", "RUN exit 7"))
    instance = portal.settled(portal.started("component:failing"), "error")
    assert "STEP 4/" in instance["error"]
    wait_for(lambda: not [i for i in own_images(machine, hub)
                          if i["Labels"]["runnerhub.component"] == "Component:default/failing"],
             what="its layers are gone")


def test_images_go_beyond_the_budget(machine: Machine, hub: MachineHub,  # noqa: F811
                                     catalog: Catalog) -> None:
    portal = Portal(hub)
    hub.restart({"RUNNERHUB_COMPONENTS_IMAGES": "0"})
    wait_for(lambda: not own_images(machine, hub), what="none may stay")
