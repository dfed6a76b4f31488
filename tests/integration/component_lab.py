"""Components for tests: sources in a directory of their own, and a client
that sends what a portal's frontend sends, in its own form."""

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from engine_api import Engine, EngineError  # noqa: E402
from fake_github import FakeGithub  # noqa: E402
from hub import Hub, Reply, free_port, wait_for  # noqa: E402

# Quickly built, and quick to end.
WEB = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; mkdir -p /www; echo page > /www/index.html; \\
     echo to stdout; echo to stderr >&2; busybox httpd -f -p 8080 -h /www & wait"]
"""


class Catalog:
    """A directory with one component in each of its directories."""

    def __init__(self, image: str):
        self.image = image
        self.dir = tempfile.mkdtemp(prefix="runnerhub-catalog-")

    def close(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name: str, *rest: str) -> str:
        return os.path.join(self.dir, name.lower(), *rest)

    def write(self, name: str, file: str, text: str) -> None:
        os.makedirs(os.path.dirname(self.path(name, file)), exist_ok=True)
        with open(self.path(name, file), "w", encoding="utf-8") as out:
            out.write(text)

    def add(self, name: str, dockerfile: str | None = WEB, enabled: str = "true",
            config: str | None = None, ports: list[str] | None = None,
            extra: str = "", health: str = "{path: /, interval: 1s, timeout: 5s}",
            kind: str = "Component", source: str | None = None) -> int:
        """Returns the port of the host that its 8080 gets, unless given."""
        port = free_port()
        self.write(name, "catalog-info.yaml", f"""\
apiVersion: backstage.io/v1alpha1
kind: {kind}
metadata:
  name: {name}
  description: about {name}
  annotations:
    runner.backstage.io/enabled: "{enabled}"
{"" if source is None else f"    backstage.io/source-location: {json.dumps(source)}"}
spec:
  type: service
  lifecycle: experimental
  owner: group:default/testers
""")
        if dockerfile is not None:
            self.write(name, "Dockerfile", dockerfile.replace("{image}", self.image))
        if config is None:
            config = f"""\
runner:
  type: docker
  dockerfile: Dockerfile
  ports: {json.dumps(ports or [f"{port}:8080"])}
"""
            if health:
                config += f"  healthCheck: {health}\n"
            config += extra or "  stopGracePeriod: 1s\n"
        self.write(name, ".runner/config.yml", config)
        return port


def app_config(catalog: Catalog, url: str, token: str) -> str:
    """A file with the integration of a GitHub of tests."""
    path = os.path.join(catalog.dir, "app-config.yaml")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"integrations": {"github": [{
            "host": url.removeprefix("http://"), "apiBaseUrl": f"{url}/api/v3",
            "token": token}]}}, out)
    return path


class Portal:
    """The frontend's client: its five requests, as it words them."""

    def __init__(self, hub: Hub):
        self.hub = hub
        self.base = "/api/runner"

    def start(self, ref: str, query: str = "") -> Reply:
        return self.hub.post(f"{self.base}/start{query}", {"entityRef": ref})

    def stop(self, instance: str) -> Reply:
        return self.hub.post(f"{self.base}/stop", {"instanceId": instance})

    def show(self, instance: str) -> dict:
        reply = self.hub.get(f"{self.base}/instances/{instance}")
        assert reply.status == 200, reply.text
        return reply.json

    def instances(self) -> list[dict]:
        return self.hub.get(f"{self.base}/instances").json["items"]

    def logs(self, instance: str, query: str = "") -> str:
        reply = self.hub.get(f"{self.base}/instances/{instance}/logs?{query}")
        assert reply.status == 200, reply.text
        return reply.json["logs"]

    def errors(self, instance: str) -> list[dict]:
        return self.hub.get(f"{self.base}/instances/{instance}/errors").json["errors"]

    def started(self, ref: str) -> str:
        reply = self.start(ref)
        assert reply.status == 201, reply.text
        assert reply.json["status"] == "starting"
        return reply.json["id"]

    def until(self, instance: str, what: Callable[[dict], Any], name: str) -> dict:
        last: dict = {}

        def there() -> bool:
            last.clear()
            last.update(self.show(instance))
            return bool(what(last))
        try:
            wait_for(there, 120, name)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last}\n{self.hub.log_tail()}") from None
        return last

    def settled(self, instance: str, wanted: str) -> dict:
        """Waits until it has the status; another end fails at once."""
        found = self.until(instance, lambda i: i["status"] in (wanted, "stopped", "error"),
                           f"the instance is {wanted}")
        assert found["status"] == wanted, (found, self.logs(instance, "build=true"))
        return found

    def running(self, ref: str) -> dict:
        return self.settled(self.started(ref), "running")

    def stop_all(self) -> None:
        for instance in self.instances():
            if instance["status"] != "stopped":
                assert self.stop(instance["id"]).status == 200


class Follower:
    """GET .../logs?follow=true, read as it comes."""

    def __init__(self, hub: Hub, instance: str, query: str = ""):
        self.answer = urllib.request.urlopen(
            f"{hub.url}/api/runner/instances/{instance}/logs?follow=true{query}", timeout=60)
        self.text = b""

    def until(self, piece: bytes) -> None:
        while piece not in self.text:
            more = self.answer.read1(65536)
            assert more, f"the stream ended without {piece!r}: {self.text!r}"
            self.text += more

    def rest(self) -> bytes:
        self.text += self.answer.read()
        return self.text

    def close(self) -> None:
        self.answer.close()


STEPS = ["downloading_repository", "extracting_files", "building_image",
         "starting_container", "monitoring_container"]


def failed(portal: Portal, ref: str, code: str, step: str | None = None) -> dict:
    """Starts it; it must fail so, tell it everywhere, and stop. What it was."""
    instance = portal.settled(portal.started(ref), "error")
    errors = portal.errors(instance["id"])
    assert [e["code"] for e in errors] == [code], errors
    assert instance["errorCode"] == code and instance["error"] == errors[0]["userMessage"]
    context = errors[0]["context"]
    assert context["instanceId"] == instance["id"]
    assert context["componentRef"] == instance["componentRef"]
    assert errors[0]["originalError"] == {}
    assert portal.hub.get(f"{portal.base}/errors?limit=1").json == {"errors": errors}
    progress = instance["deploymentProgress"]
    if step is not None:
        assert progress["hasError"] and progress["isComplete"]
        bad = [s for s in progress["steps"] if s["status"] == "failed"]
        assert [s["type"] for s in bad] == [step] == [progress["currentStep"]]
        assert bad[0]["error"] and instance["error"].startswith(bad[0]["error"][:50])
        assert progress["overallProgress"] == 20 * STEPS.index(step)
    # R4: the button beside it is Stop.
    assert portal.stop(instance["id"]).status == 200
    assert portal.show(instance["id"])["status"] == "stopped"
    return instance


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        return answer.read().decode()


def containers_of(engine: Engine, hub: Hub) -> list[dict]:
    return engine.containers(f"runnerhub.hub={hub.hub_id}", "runnerhub.type=instance")


def workplaces(hub: Hub) -> list[str]:
    """The directories of sources that are there now."""
    place = os.path.join(hub.state_dir, "components")
    return sorted(os.listdir(place)) if os.path.isdir(place) else []


def remove_images(engine: Engine, hub: Hub) -> None:
    """A hub keeps its components' images as a cache; its tests do not."""
    def remove(name: str, query: dict[str, str]) -> None:
        try:
            engine.call("DELETE", f"/images/{name}", query=query)
        except EngineError as error:
            # The hub tidies up, too; and one that others are made of waits
            # for them: a build that a hub left behind may still be at it.
            if error.status not in (404, 409):
                raise

    def gone() -> bool:
        left = engine.call("GET", "/images/json", query={"filters": json.dumps(
            {"label": [f"runnerhub.hub={hub.hub_id}"]})})
        for image in left:
            remove(image["Id"], {"force": "1"})
        return not left
    wait_for(gone, what="the images of the hub go")
    for tag in image_tags(engine, hub):
        remove(f"runnerhub-{hub.hub_id[:8]}:{tag}", {})


def image_tags(engine: Engine, hub: Hub) -> list[str]:
    """What the hub's images are called, behind its own name."""
    prefix = f"runnerhub-{hub.hub_id[:8]}:"
    return sorted(tag[len(prefix):]
                  for image in engine.call("GET", "/images/json", query={"all": "1"})
                  for tag in image["RepoTags"] or () if tag.startswith(prefix))


# -- fixtures ----------------------------------------------------------------------

@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    made = Catalog(image)
    yield made
    made.close()


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    fake = FakeGithub()
    yield fake
    fake.close()


def component_hub(make_hub: Callable[..., Hub], catalog: Catalog,
                  engine: Engine, **env: str) -> Iterator[Hub]:
    """A hub with that catalog; what its components leave goes with it."""
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, **env}).start()
    yield hub
    Portal(hub).stop_all()
    remove_images(engine, hub)


@pytest.fixture
def portal(live: Hub) -> Iterator[Portal]:
    """Of a file's hub. Nothing runs before, nor after."""
    made = Portal(live)
    yield made
    made.stop_all()
