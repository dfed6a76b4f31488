"""Images of components on a real engine: built once, found again, collected,
and nothing left of a build that came to nothing."""

import json
import os
import sys
import uuid
from typing import Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import (Catalog, Portal, containers_of, image_tags,  # noqa: E402
                           remove_images, workplaces)
from engine_api import Engine, EngineError  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub, wait_for  # noqa: E402
from test_isolation import Listener, dial_all, host_addresses  # noqa: E402

LASTING = """\
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""
NOT_AGAIN = "Not built again"


@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    catalog = Catalog(image)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    fake = FakeGithub()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog, github: FakeGithub,
         engine: Engine) -> Iterator[Hub]:
    settings = os.path.join(catalog.dir, "app-config.yaml")
    with open(settings, "w", encoding="utf-8") as out:
        json.dump({"integrations": {"github": [{
            "host": github.url.removeprefix("http://"),
            "apiBaseUrl": f"{github.url}/api/v3", "token": TOKEN}]}}, out)
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir,
                           "RUNNERHUB_APP_CONFIG": settings,
                           "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    yield hub
    Portal(hub).stop_all()
    remove_images(engine, hub)


@pytest.fixture
def portal(live: Hub) -> Iterator[Portal]:
    portal = Portal(live)
    yield portal
    portal.stop_all()


def build_log(portal: Portal, instance: dict) -> str:
    return portal.logs(instance["id"], "build=true")


def run_once(portal: Portal, ref: str) -> tuple[dict, str]:
    """Started and stopped again; the instance as it ran, and its image."""
    instance = portal.running(ref)
    image = Engine().inspect(instance["containerId"])["Image"]
    assert portal.stop(instance["id"]).status == 200
    return instance, image


def made_with(engine: Engine, marker: str) -> list[str]:
    """Images, intermediate ones too, of a step that has the marker."""
    found = []
    for image in engine.call("GET", "/images/json", query={"all": "1"}):
        try:
            about = engine.call("GET", f"/images/{image['Id']}/json")
        except EngineError:
            continue  # others remove theirs meanwhile
        if marker in json.dumps(about.get("ContainerConfig")):
            found.append(image["Id"])
    return found


def running_with(engine: Engine, marker: str) -> list[dict]:
    return [c for c in engine.containers() if marker in c["Command"]]


def mark() -> str:
    return f"marker-{uuid.uuid4().hex[:12]}"


def simple(*steps: str) -> str:
    return "".join(line + "\n" for line in ("FROM {image}", *steps)) + LASTING


# -- the same is not built twice ----------------------------------------------------

def test_an_unchanged_directory_is_not_built_again(portal: Portal, catalog: Catalog) -> None:
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

    catalog.write("same", "file", "two")
    changed, other_image = run_once(portal, "component:same")
    assert other_image != image and "Step 1/" in build_log(portal, changed)
    os.chmod(catalog.path("same", "file"), 0o755)
    _, executable = run_once(portal, "component:same")
    assert executable not in (image, other_image)

    os.chmod(catalog.path("same", "file"), 0o644)
    catalog.write("same", "file", "one")
    back, first_image = run_once(portal, "component:same")
    assert first_image == image and NOT_AGAIN in build_log(portal, back)


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
                        ("b", "{args: {WORD: b}}"), ("one", "{target: one, args: {WORD: b}}")):
        catalog.write("argued", ".runner/config.yml", config(port, build))
        instance, images[name] = run_once(portal, "component:argued")
        assert NOT_AGAIN not in build_log(portal, instance), name
    assert len(set(images.values())) == 4
    catalog.write("argued", ".runner/config.yml", config(port, "{args: {WORD: a}}"))
    instance, image = run_once(portal, "component:argued")
    assert image == images["a"] and NOT_AGAIN in build_log(portal, instance)


def test_it_outlives_the_hub(portal: Portal, catalog: Catalog) -> None:
    catalog.add("kept", health="", dockerfile=simple("RUN echo kept"))
    _, image = run_once(portal, "component:kept")
    portal.hub.restart()
    instance, again = run_once(portal, "component:kept")
    assert again == image and NOT_AGAIN in build_log(portal, instance)


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


# -- stages, percents -------------------------------------------------------------------

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

def nothing_is_left(engine: Engine, hub: Hub, marker: str) -> None:
    """At once for what the hub does; the engine may take its time to end."""
    wait_for(lambda: not running_with(engine, marker), what="the build has ended")
    assert made_with(engine, marker) == []
    assert not [t for t in image_tags(engine, hub) if t.startswith("building-")]


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
                    "RUNNERHUB_COMPONENTS_BUILD_TIMEOUT": "1s"}).start()
    portal = Portal(hub)
    instance = portal.settled(portal.started("component:endless"), "error")
    assert "longer than 1 s" in instance["error"] and marker in instance["error"]
    assert portal.errors(instance["id"])[-1]["code"] == "DOCKER_OPERATION_TIMEOUT"
    nothing_is_left(engine, hub, marker)


# -- what may stay ------------------------------------------------------------------------

def test_the_least_recently_used_go_beyond_the_budget(make_hub: Callable[..., Hub],
                                                      catalog: Catalog,
                                                      engine: Engine) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
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
        portal.stop(third["id"])
        hub.terminate()
        # What runs stays, whatever the budget.
        hub.env["RUNNERHUB_COMPONENTS_IMAGES"] = "0"
        hub.start()
        wait_for(lambda: not whole(), what="none may stay")
        first = portal.running("component:first")
        wait_for(lambda: not any(t.startswith("building-") for t in image_tags(engine, hub)),
                 what="the hub has looked after its images")
        assert len(whole()) == 1 and containers_of(engine, hub)
        portal.stop(first["id"])
    finally:
        portal.stop_all()
        remove_images(engine, hub)
