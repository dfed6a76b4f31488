"""What a build of a component may take and be made from: processes, disk, base
images; and syntax that the engine's builder does not know."""

import os
from typing import Callable, Iterator

import pytest

from build_lab import build_log, mark, nothing_is_left, run_once, simple
from component_lab import Catalog, Portal, failed, image_tags, remove_images
from engine_api import Engine
from hub import Hub, wait_for

PIDS = 64
# Until the bound is there; on either version of control groups.
BOUNDED = (f"until [ \"$(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max "
           f"2>/dev/null)\" = {PIDS} ]; do sleep 0.02; done")


@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    catalog = Catalog(image)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir,
                           "RUNNER_PIDS_LIMIT": str(PIDS),
                           "RUNNERHUB_COMPONENTS_BUILD_DISK": "48m",
                           "RUNNERHUB_COMPONENTS_BASE_IMAGES":
                               f"{catalog.image.split(':')[0]}*,runnerhub*"}).start()
    yield hub
    Portal(hub).stop_all()
    remove_images(engine, hub)


@pytest.fixture
def portal(live: Hub) -> Iterator[Portal]:
    portal = Portal(live)
    yield portal
    portal.stop_all()


def start_fails(portal: Portal, catalog: Catalog, name: str, dockerfile: str,
                code: str = "INVALID_CONFIGURATION", **more: str) -> str:
    catalog.add(name, health="", dockerfile=dockerfile, **more)
    return failed(portal, f"component:{name}", code, "building_image")["error"]


# -- what it takes ------------------------------------------------------------------------

def test_a_fork_bomb_in_a_dockerfile_is_bounded(portal: Portal, catalog: Catalog,
                                                engine: Engine) -> None:
    marker = mark()
    catalog.add("bomb", health="", dockerfile=simple(
        f"RUN {BOUNDED}; echo {marker}; i=0; while [ $i -lt 500 ]; do sleep 300 & "
        "i=$((i + 1)); echo at $i; done"))
    instance = portal.settled(portal.started("component:bomb"), "error")
    assert instance["errorCode"] == "DOCKER_BUILD_FAILED"
    log = build_log(portal, instance)
    assert "can't fork" in log and f"at {PIDS}\n" not in log and "at 40\n" in log
    nothing_is_left(engine, portal.hub, marker)


def test_a_build_that_fills_the_disk_is_ended(portal: Portal, catalog: Catalog,
                                              engine: Engine) -> None:
    marker = mark()
    error = start_fails(portal, catalog, "filler", simple(
        f"RUN echo {marker}; i=0; while [ $i -lt 200 ]; do "
        "dd if=/dev/zero of=/fill$i bs=1M count=8 2>/dev/null; i=$((i + 1)); done; "
        "sleep 600"), "DOCKER_BUILD_FAILED")
    assert "The build was ended: it has written more than 48 MiB " \
           "(components.buildDisk); it was at Step 2/" in error
    nothing_is_left(engine, portal.hub, marker)


def test_layers_count_together(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    marker = mark()
    error = start_fails(portal, catalog, "layers", simple(
        *[f"RUN echo {marker}; dd if=/dev/zero of=/fill{i} bs=1M count=20" for i in range(3)],
        "RUN dd if=/dev/zero of=/last bs=1M count=20; sleep 600"), "DOCKER_BUILD_FAILED")
    assert "it has written more than 48 MiB" in error
    nothing_is_left(engine, portal.hub, marker)


# -- what it is made from -----------------------------------------------------------------

def test_no_component_is_built_from_another_ones_image(portal: Portal, catalog: Catalog,
                                                       engine: Engine) -> None:
    catalog.add("owner", health="", dockerfile=simple(f"RUN echo {mark()} >/secret"))
    portal.running("component:owner")
    portal.stop_all()
    tag = next(t for t in image_tags(engine, portal.hub) if t.startswith("component.default.owner"))
    name = f"runnerhub-{portal.hub.hub_id[:8]}:{tag}"
    about = engine.call("GET", f"/images/{name}/json")
    short = about["Id"].removeprefix("sha256:")[:12]
    of_hub = "it is an image of a component or of a job, and nothing else may be built from it"
    assert f"Dockerfile:1: FROM {name}: {of_hub}" in start_fails(
        portal, catalog, "thief", f"FROM {name}\n")
    assert f"Dockerfile:2: FROM {name}: {of_hub}" in start_fails(
        portal, catalog, "thief", f"ARG FROM_WHERE={name}\nFROM $FROM_WHERE\n")
    assert f"Dockerfile:3: COPY {name}: {of_hub}" in start_fails(
        portal, catalog, "thief", f"FROM {{image}}\nRUN true\nCOPY --from={name} /secret /\n")
    for ref in (short, about["Id"], about["Parent"]):
        assert f"Dockerfile:1: FROM {ref}: images are built from names, not from ids" in \
            start_fails(portal, catalog, "thief", f"FROM {ref}\n")


def test_only_base_images_that_are_allowed(portal: Portal, catalog: Catalog) -> None:
    assert "Dockerfile:1: FROM example.org/base:1: this hub allows as base images only" in \
        start_fails(portal, catalog, "foreign", "FROM example.org/base:1\n")
    # Stages and what is allowed are fine.
    catalog.add("stages", health="", dockerfile=(
        f"FROM {{image}} AS One\nRUN echo {mark()} >/made\n" + simple(
            "COPY --from=one /made /made", "COPY --from=0 /made /too")))
    portal.running("component:stages")


# -- what the classic builder does not know -----------------------------------------------

def test_what_needs_buildkit_is_said_with_its_line(portal: Portal, catalog: Catalog) -> None:
    assert "Dockerfile:2: RUN --mount: needs BuildKit, and this hub builds with the " \
           "engine's classic builder; write it without" in start_fails(
               portal, catalog, "mount", "FROM {image}\nRUN --mount=type=cache,target=/c true\n")
    assert "Dockerfile:2: COPY <<: needs BuildKit" in start_fails(
        portal, catalog, "heredoc", "FROM {image}\nCOPY <<EOF /page\nhello\nEOF\n")


# -- what nobody can start any more -------------------------------------------------------

@pytest.fixture(scope="module")
def leaving(make_module_hub: Callable[..., Hub], image: str,
            engine: Engine) -> Iterator[tuple[Hub, Catalog]]:
    catalog = Catalog(image)
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir,
                           "RUNNERHUB_COMPONENTS_IMAGE_GRACE": "1s"}).start()
    yield hub, catalog
    Portal(hub).stop_all()
    remove_images(engine, hub)
    catalog.close()


def test_images_of_what_left_the_catalog_go(leaving: tuple[Hub, Catalog],
                                            engine: Engine) -> None:
    hub, catalog = leaving
    portal = Portal(hub)

    def images(name: str) -> list[str]:
        return [t for t in image_tags(engine, hub) if t.startswith(f"component.default.{name}-")]

    for name in ("stays", "goes"):
        catalog.add(name, health="", dockerfile=simple(f"RUN echo {mark()} >/made"))
        run_once(portal, f"component:{name}")
    running = catalog.add("runs", health="", dockerfile=simple(f"RUN echo {mark()} >/made"))
    assert running and portal.running("component:runs")
    # A catalog that cannot be read as a whole says nothing of what is gone.
    catalog.write("broken", "catalog-info.yaml", "a: [")
    os.remove(catalog.path("goes", "catalog-info.yaml"))
    os.remove(catalog.path("runs", "catalog-info.yaml"))
    looked = hub.log().count("GET")
    wait_for(lambda: hub.get("/metrics").status == 200 and hub.log().count("GET") > looked + 15,
             what="it had time to look")
    assert images("goes") and images("stays") and images("runs")
    os.remove(catalog.path("broken", "catalog-info.yaml"))
    wait_for(lambda: not images("goes"), what="its image is gone")
    assert images("stays") and images("runs")
    portal.stop_all()
    wait_for(lambda: not images("runs"), what="as soon as it does not run")
    assert images("stays")
    assert "removed the image of a component" in hub.log()
