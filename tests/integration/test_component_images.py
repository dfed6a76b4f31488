"""Images of components on a real engine: built once, found again, collected."""

import json
import os
import sys
import uuid
from typing import Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from build_lab import (LASTING, NOT_AGAIN, build_log, made_with, mark,  # noqa: E402
                       run_once, simple)
from component_lab import (Catalog, Portal, catalog, component_hub,  # noqa: E402, F401
                           github, image_tags, portal, remove_images)
from engine_api import Engine  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub, wait_for  # noqa: E402


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog, github: FakeGithub,
         engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    settings = str(tmp_path_factory.mktemp("portal") / "app-config.yaml")
    with open(settings, "w", encoding="utf-8") as out:
        json.dump({"integrations": {"github": [{
            "host": github.url.removeprefix("http://"),
            "apiBaseUrl": f"{github.url}/api/v3", "token": TOKEN}]}}, out)
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_APP_CONFIG=settings,
        RUNNERHUB_SHUTDOWN_MODE="handover")


# -- the same is not built twice ----------------------------------------------------

def test_an_unchanged_directory_is_not_built_again(portal: Portal, catalog: Catalog) -> None:
    """Nor by the next hub, nor when it is as it was before."""
    catalog.add("same", health="", dockerfile=simple("COPY . /src"))
    catalog.write("same", "file", "one")
    catalog.write("same", ".dockerignore", "notes\n")
    first, image = run_once(portal, "component:same")
    assert "Step 1/" in build_log(portal, first)
    assert NOT_AGAIN not in build_log(portal, first)

    os.utime(catalog.path("same", "file"), (1, 1))
    catalog.write("same", "notes", "what is not sent does not count")
    again, same_image = run_once(portal, "component:same")
    assert same_image == image
    assert NOT_AGAIN in build_log(portal, again) and "Step 1/" not in build_log(portal, again)
    step = again["deploymentProgress"]["steps"][2]
    assert step["type"] == "building_image" and step["status"] == "completed"
    assert "built before" in step["description"]
    assert again["deploymentProgress"]["overallProgress"] == 100

    assert portal.start("component:same", "?rebuild=true&wait=true").json["status"] == "running"
    fresh = portal.instances()[-1]
    assert "Step 1/" in build_log(portal, fresh) and "Using cache" not in build_log(portal, fresh)
    portal.stop(fresh["id"])

    catalog.write("same", "file", "two")
    changed, other_image = run_once(portal, "component:same")
    assert other_image != image and "Step 1/" in build_log(portal, changed)

    catalog.write("same", "file", "one")
    portal.hub.restart()
    back, first_image = run_once(portal, "component:same")
    assert first_image not in (image, other_image) and NOT_AGAIN in build_log(portal, back)


def test_a_commit_whose_image_is_there_is_not_fetched(portal: Portal, catalog: Catalog,
                                                      github: FakeGithub) -> None:
    port = catalog.add("committed", source=f"url:{github.url}/acme/committed")
    files = {"Dockerfile": simple("COPY file /").replace("{image}", catalog.image).encode(),
             ".runner/config.yml": config(port, "{}").encode(), "file": b"one"}
    repository = github.repositories.add("acme/committed")
    repository.commit("main", files)
    first, image = run_once(portal, "component:committed")
    assert "Step 1/" in build_log(portal, first)

    repository.archive = b"whoever fetches it fails"
    again, same_image = run_once(portal, "component:committed")
    assert same_image == image and NOT_AGAIN in build_log(portal, again)
    assert [s["status"] for s in again["deploymentProgress"]["steps"]] == ["completed"] * 5
    # The descriptor is of the commit: one that does not parse is told as ever.
    repository.commit("main", files | {".runner/config.yml": b"runner: {type: docker}\n"})
    repository.archive = None
    broken = portal.settled(portal.started("component:committed"), "error")
    assert "runner.dockerfile" in broken["error"]

    repository.commit("main", files | {"file": b"two"})
    other, other_image = run_once(portal, "component:committed")
    assert other_image != image and NOT_AGAIN not in build_log(portal, other)


def config(port: int, build: str) -> str:
    return ("runner:\n  type: docker\n  dockerfile: Dockerfile\n"
            f"  ports: ['{port}:80']\n  stopGracePeriod: 1s\n  build: {build}\n")


def test_arguments_and_target_are_part_of_it(portal: Portal, catalog: Catalog) -> None:
    dockerfile = ("FROM {image} AS one\nARG WORD=none\nRUN echo $WORD > /word\n" + LASTING +
                  "FROM one AS two\nENV STAGE=two\n")
    port = catalog.add("argued", health="", dockerfile=dockerfile)
    catalog.write("argued", ".dockerignore", ".runner\n")
    images = {}
    for name, build in (("plain", "{args: {}}"), ("a", "{args: {WORD: a}}"),
                        ("one", "{target: one, args: {WORD: a}}")):
        catalog.write("argued", ".runner/config.yml", config(port, build))
        instance, images[name] = run_once(portal, "component:argued")
        assert NOT_AGAIN not in build_log(portal, instance), name
    assert len(set(images.values())) == 3
    catalog.write("argued", ".runner/config.yml", config(port, "{args: {WORD: a}}"))
    instance, image = run_once(portal, "component:argued")
    assert image == images["a"] and NOT_AGAIN in build_log(portal, instance)


def test_a_label_of_a_dockerfile_deceives_nobody(portal: Portal, catalog: Catalog,
                                                 engine: Engine) -> None:
    """Whoever knows the sum of another component's source could call an image
    of his own the other's."""
    catalog.add("honest", health="", dockerfile=simple("RUN echo honest > /who"))
    _, honest = run_once(portal, "component:honest")
    labels = engine.call("GET", f"/images/{honest}/json")["Config"]["Labels"]
    assert labels["runnerhub.component"] == "Component:default/honest"
    words = " ".join(f"{k}={v}" for k, v in labels.items() if k.startswith("runnerhub."))
    remove_images(engine, portal.hub)
    catalog.add("liar", health="", dockerfile="FROM {image}\nRUN echo liar > /who\n"
                f"LABEL {words}\n" + LASTING)
    run_once(portal, "component:liar")
    instance, image = run_once(portal, "component:honest")
    assert NOT_AGAIN not in build_log(portal, instance)
    assert "honest" in json.dumps(engine.call("GET", f"/images/{image}/history"))


# -- stages -----------------------------------------------------------------------------

def test_the_stages_of_a_build_are_kept_for_the_next(portal: Portal, catalog: Catalog,
                                                     engine: Engine) -> None:
    marker = mark()
    catalog.add("staged", health="", dockerfile=(
        f"FROM {{image}} AS tools\nRUN echo {marker} > /tool\n"
        "FROM {image}\nCOPY --from=tools /tool /tool\nCOPY file /file\n" + LASTING))
    catalog.write("staged", "file", "one")
    run_once(portal, "component:staged")
    wait_for(lambda: not any(t.startswith("building-") for t in image_tags(engine, portal.hub)),
             what="the names of the build are gone")
    assert [t for t in image_tags(engine, portal.hub)
            if "staged" in t and t.endswith(".s1")]
    catalog.write("staged", "file", "two")
    instance, _ = run_once(portal, "component:staged")
    assert "Using cache" in build_log(portal, instance)
    assert len(made_with(engine, marker)) == 1


def test_layers_of_nobody_are_removed_at_the_start(portal: Portal, catalog: Catalog,
                                                   engine: Engine) -> None:
    """As when the hub died, and the instance was stopped by another."""
    marker, hub = mark(), portal.hub
    catalog.add("forgotten", health="", dockerfile=simple(f"RUN echo {marker}"))
    _, image = run_once(portal, "component:forgotten")
    whole = [t for t in image_tags(engine, hub) if "forgotten" in t]
    assert len(whole) == 1
    engine.call("POST", f"/images/{image}/tag", query={
        "repo": f"runnerhub-{hub.hub_id[:8]}", "tag": f"building-{uuid.uuid4()}.0"})
    engine.call("DELETE", f"/images/runnerhub-{hub.hub_id[:8]}:{whole[0]}")
    assert made_with(engine, marker)
    hub.restart()
    wait_for(lambda: not made_with(engine, marker), what="they are gone")


# -- what may stay ------------------------------------------------------------------------

def test_the_least_recently_used_go_beyond_the_budget(make_hub: Callable[..., Hub],
                                                      catalog: Catalog,
                                                      engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_SHUTDOWN_MODE": "handover",
                    "RUNNERHUB_COMPONENTS_IMAGES": "5m"}).start()
    portal = Portal(hub)

    def whole() -> list[str]:
        return [t for t in image_tags(engine, hub) if not t.startswith("building-")]

    names = ("first", "second", "third")
    try:
        for name in names:  # 2 MB each
            catalog.add(name, health="", dockerfile=simple(
                f"RUN echo {mark()} && head -c 2000000 /dev/urandom > /ballast"))
        for name in ("first", "second", "first"):
            run_once(portal, f"component:{name}")
        assert len(whole()) == 2
        third = portal.running("component:third")
        wait_for(lambda: len(whole()) == 2, what="one is removed")
        assert [n for n in names if any(n in t for t in whole())] == ["first", "third"]
        # What runs stays, whatever the budget.
        hub.restart({"RUNNERHUB_COMPONENTS_IMAGES": "0"})
        wait_for(lambda: len(whole()) == 1, what="only what is used may stay")
        assert "third" in whole()[0] and portal.show(third["id"])["status"] == "running"
    finally:
        portal.stop_all()
        remove_images(engine, hub)
