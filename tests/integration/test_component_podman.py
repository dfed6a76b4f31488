"""Components where Podman is the only engine: built, run, reached, collected."""

import subprocess
from typing import Iterator

import pytest

from component_lab import Catalog, Portal, page
from fixtures import IMAGE
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
