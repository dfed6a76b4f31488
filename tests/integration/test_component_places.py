"""Components make room for others: of those that run, one takes the place of
another when it is so configured; of those that ended, the oldest are
forgotten."""

import os
import threading
from typing import Callable, Iterator

import pytest

from component_lab import (Catalog, Portal, catalog, containers_of, page,  # noqa: F401
                           remove_images)
from engine_api import Engine
from hub import Hub, wait_for

# Ends at once when it is asked to.
POLITE = """\
FROM {image}
RUN mkdir -p /www && echo page > /www/index.html
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; echo to stdout; busybox httpd -p 8080 -h /www; \\
     sleep 86400 & wait"]
"""
# Only when it has to.
SLOW = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap '' TERM; exec sleep 86400"]
"""


@pytest.fixture(scope="module")
def replacing(make_module_hub: Callable[..., Hub], catalog: Catalog,
              engine: Engine) -> Iterator[Portal]:
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir, "RUNNERHUB_COMPONENTS_HISTORY": "2",
                           "RUNNERHUB_COMPONENTS_WHEN_BUSY": "replace"}).start()
    portal = Portal(hub)
    yield portal
    portal.stop_all()
    remove_images(engine, hub)


def test_a_new_one_takes_the_place(replacing: Portal, catalog: Catalog, engine: Engine) -> None:
    port = catalog.add("old", dockerfile=POLITE)
    catalog.add("new", dockerfile=POLITE, ports=[f"{port}:8080"])  # even of its port
    old = replacing.running("component:old")
    new = replacing.running("component:new")
    assert replacing.show(old["id"])["status"] == "stopped"
    assert page(port) == "page\n"
    again = replacing.running("component:new")
    assert replacing.show(new["id"])["status"] == "stopped"
    assert [c["Id"] for c in containers_of(engine, replacing.hub)] == [again["containerId"]]


def test_of_two_at_once_one_wins(replacing: Portal, catalog: Catalog, engine: Engine) -> None:
    for name in ("left", "right"):
        catalog.add(name, dockerfile=POLITE)
    starts = [threading.Thread(target=replacing.start, args=(f"component:{name}",))
              for name in ("left", "right")]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    wait_for(lambda: sorted(i["status"] for i in replacing.instances()
                            if i["status"] not in ("stopped", "error")) == ["running"],
             120, "one of them runs")
    (winner,) = [i for i in replacing.instances() if i["status"] == "running"]
    assert winner["componentRef"] in ("Component:default/left", "Component:default/right")
    assert [c["Id"] for c in containers_of(engine, replacing.hub)] == [winner["containerId"]]


def test_a_hub_that_dies_while_one_takes_the_place(replacing: Portal, catalog: Catalog) -> None:
    catalog.add("leaving", dockerfile=SLOW, health="", extra="  stopGracePeriod: 3s\n")
    catalog.add("coming", dockerfile=POLITE, health="")
    leaving = replacing.running("component:leaving")
    coming = replacing.started("component:coming")
    assert replacing.show(leaving["id"])["status"] == "stopping"
    replacing.hub.kill9()
    replacing.hub.start()
    replacing.settled(coming, "running")
    assert replacing.show(leaving["id"])["status"] == "stopped"


# -- what is kept of those that ended ---------------------------------------------------

def test_the_oldest_are_forgotten(replacing: Portal, catalog: Catalog) -> None:
    catalog.add("often", dockerfile=POLITE, health="")
    catalog.add("once", dockerfile=POLITE, health="")
    replacing.stop_all()
    once = replacing.running("component:once")["id"]
    often = [replacing.running("component:often")["id"] for _ in range(4)]
    assert replacing.stop(often[-1]).status == 200

    def kept() -> list[str]:
        return [i["id"] for i in replacing.instances()
                if i["componentRef"].endswith(("/once", "/often"))]
    # Two are kept, and the newest of each component.
    wait_for(lambda: kept() == [once, *often[-2:]], 30, "the others are forgotten")
    gone = replacing.hub.get(f"/api/runner/instances/{often[0]}/logs")
    assert gone.status == 404
    logs = [name for _, _, names in os.walk(replacing.hub.state_dir) for name in names
            if name.startswith(often[0])]
    assert logs == []
    assert "to stdout" in replacing.logs(once)
