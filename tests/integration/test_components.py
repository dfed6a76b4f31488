"""Components on a real engine, asked for as a portal's frontend does."""

import json
import os
import re
import socket
import threading
from datetime import datetime
from typing import Callable, Iterator

import pytest

from component_lab import (Catalog, Follower, Portal, containers_of, page,
                           remove_images)
from engine_api import Engine
from hub import Hub, Reply, wait_for

STEPS = ["downloading_repository", "extracting_files", "building_image",
         "starting_container", "monitoring_container"]
TITLES = ["Downloading Repository", "Extracting Files", "Building Docker Image",
          "Starting Container", "Monitoring Container"]


@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    catalog = Catalog(image)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    yield hub
    Portal(hub).stop_all()
    remove_images(engine, hub)


@pytest.fixture
def portal(live: Hub) -> Iterator[Portal]:
    """Nothing runs before, nor after."""
    portal = Portal(live)
    yield portal
    portal.stop_all()


def envelope(reply: Reply, status: int, name: str) -> dict:
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"].startswith("application/json")
    body = reply.json
    assert body["error"]["name"] == name
    assert body["response"] == {"statusCode": status}
    return body


# -- from start to stop ------------------------------------------------------------

def no_nulls(value: object) -> bool:
    if isinstance(value, dict):
        return all(no_nulls(v) for v in value.values())
    if isinstance(value, list):
        return all(no_nulls(v) for v in value)
    return value is not None


def check_shape(instance: dict) -> None:
    """R1, R3, R6, R7, R8, R10, R11."""
    assert no_nulls(instance)
    assert instance["status"] in ("starting", "running", "stopping", "stopped", "error")
    assert isinstance(instance["ports"], list)
    assert len(set(instance["ports"])) == len(instance["ports"])
    datetime.fromisoformat(instance["startedAt"].replace("Z", "+00:00"))
    progress = instance["deploymentProgress"]
    assert [step["type"] for step in progress["steps"]] == STEPS
    assert [step["title"] for step in progress["steps"]] == TITLES
    assert progress["overallProgress"] in (0, 20, 40, 60, 80, 100)
    for step in progress["steps"]:
        assert step["status"] in ("pending", "in_progress", "completed", "failed")
        if "progress" in step:
            assert step["status"] == "in_progress" and 0 <= step["progress"] <= 100


def test_from_start_to_stop(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    port = catalog.add("Happy-Web")
    reply = portal.start("component:default/happy-web")
    assert reply.status == 201
    first = reply.json
    assert first["componentRef"] == "Component:default/Happy-Web"
    assert first["status"] == "starting" and first["ports"] == []
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        first["id"])
    seen: list[int] = []

    def look(instance: dict) -> bool:
        check_shape(instance)
        seen.append(instance["deploymentProgress"]["overallProgress"])
        return instance["status"] != "starting"

    instance = portal.until(first["id"], look, "it is started")
    assert instance["status"] == "running", instance
    assert seen == sorted(seen) and seen[-1] == 100
    assert instance["deploymentProgress"]["isComplete"]
    assert not instance["deploymentProgress"]["hasError"]
    assert instance["ports"] == [port] and page(port) == "page\n"
    assert [i["id"] for i in portal.instances()][-1] == first["id"]
    container = engine.inspect(instance["containerId"])
    host = container["HostConfig"]
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}]}
    assert host["SecurityOpt"] == ["no-new-privileges"] and host["PidsLimit"] > 0
    assert host["Memory"] == host["MemorySwap"] > 0 and host["NanoCpus"] > 0
    assert not host["Privileged"] and host["RestartPolicy"]["Name"] == "no"

    lines = sorted(wait_for(lambda: len(portal.logs(first["id"]).splitlines()) >= 2
                            and portal.logs(first["id"]).splitlines(), what="both streams"))
    assert lines == ["to stderr", "to stdout"]
    assert len(portal.logs(first["id"], "tail=1").splitlines()) == 1
    assert "Step 1/" in portal.logs(first["id"], "build=true")

    assert portal.stop(first["id"]).json == {"message": "Component stopped successfully"}
    stopped = portal.show(first["id"])
    assert stopped["status"] == "stopped" and "stoppedAt" in stopped
    assert "containerId" not in stopped and "error" not in stopped
    assert containers_of(engine, portal.hub) == []
    assert sorted(portal.logs(first["id"]).splitlines()) == lines
    assert portal.stop(first["id"]).status == 200


def test_a_start_can_be_waited_for(portal: Portal, catalog: Catalog) -> None:
    catalog.add("awaited")
    reply = portal.start("component:awaited", "?wait=true")
    assert reply.status == 201 and reply.json["status"] == "running"


def test_the_list_is_in_the_order_of_creation(portal: Portal, catalog: Catalog) -> None:
    catalog.add("again")
    for _ in range(2):
        portal.stop(portal.running("component:again")["id"])
    starts = [i["startedAt"] for i in portal.instances()]
    assert starts == sorted(starts)


def test_the_log_is_followed_to_its_end(portal: Portal, catalog: Catalog) -> None:
    catalog.add("talker", health="", dockerfile="""\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo one; echo two >&2; while :; do sleep 0.1; done"]
""")
    instance = portal.running("component:talker")
    follower = Follower(portal.hub, instance["id"])
    headers = follower.answer.headers
    assert headers["Content-Type"] == "text/plain"
    assert headers["Transfer-Encoding"] == "chunked"
    assert "no-transform" in ", ".join(headers.get_all("Cache-Control"))
    assert headers["X-Accel-Buffering"] == "no" and "Content-Encoding" not in headers
    follower.until(b"one\n")
    follower.until(b"two\n")
    assert portal.stop(instance["id"]).status == 200
    assert follower.rest().endswith(b"bye\n")


def test_a_follower_of_the_start_sees_build_and_component(portal: Portal,
                                                          catalog: Catalog) -> None:
    catalog.add("watched")
    instance = portal.started("component:watched")
    follower = Follower(portal.hub, instance, "&build=true")
    follower.until(b"Step 1/")
    follower.until(b"to stdout\n")
    follower.close()


# -- one at a time -------------------------------------------------------------------

def test_of_two_simultaneous_starts_one_wins(portal: Portal, catalog: Catalog) -> None:
    catalog.add("left")
    catalog.add("right")
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda ref=ref: replies.append(portal.start(ref)))
               for ref in ("component:left", "component:right") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.status for r in replies) == [201, 409, 409, 409]
    winner = next(r.json for r in replies if r.status == 201)
    for loser in (r for r in replies if r.status == 409):
        message = envelope(loser, 409, "ConflictError")["error"]["message"]
        assert winner["componentRef"] in message and "already" in message


# -- stops -----------------------------------------------------------------------------

def test_a_stop_cancels_the_build(portal: Portal, catalog: Catalog, engine: Engine) -> None:
    catalog.add("slow", dockerfile="FROM {image}\nRUN echo marker-3751 && sleep 3751\n")

    def builds() -> list[dict]:
        return [c for c in engine.containers() if "sleep 3751" in c["Command"]]

    instance = portal.started("component:slow")
    wait_for(builds, what="the build runs")
    building = portal.show(instance)
    assert building["status"] == "starting"
    assert building["deploymentProgress"]["currentStep"] == "building_image"
    assert portal.stop(instance).status == 200
    assert portal.show(instance)["status"] == "stopped"
    wait_for(lambda: not builds(), what="the build has ended")
    catalog.add("next-one")
    assert portal.running("component:next-one")["status"] == "running"
    assert portal.show(instance)["status"] == "stopped"


def test_one_that_takes_no_hint_is_killed_after_its_grace(portal: Portal,
                                                          catalog: Catalog) -> None:
    catalog.add("deaf", health="", extra="  stopGracePeriod: 1s\n", dockerfile="""\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
""")
    instance = portal.running("component:deaf")["id"]
    wait_for(lambda: "deaf" in portal.logs(instance), what="it is deaf")
    assert portal.stop(instance).status == 200
    assert portal.show(instance)["status"] == "stopped"


def test_a_container_that_was_taken_away(portal: Portal, catalog: Catalog,
                                         engine: Engine) -> None:
    catalog.add("stolen")
    instance = portal.running("component:stolen")
    engine.remove(instance["containerId"])
    found = portal.until(instance["id"], lambda i: i["status"] != "running", "it is told")
    # The engine kills before it removes: the hub may see either first.
    assert found["status"] == "error"
    assert "gone" in found["error"] or "signal Killed" in found["error"]
    assert portal.stop(instance["id"]).status == 200
    assert portal.show(instance["id"])["status"] == "stopped"


# -- faults, each with its own code ------------------------------------------------------

def failed(portal: Portal, ref: str, code: str, step: str | None = None) -> dict:
    instance = portal.settled(portal.started(ref), "error")
    errors = portal.errors(instance["id"])
    assert [e["code"] for e in errors] == [code], errors
    assert instance["errorCode"] == code
    assert errors[0]["context"]["instanceId"] == instance["id"]
    assert errors[0]["originalError"] == {}
    progress = instance["deploymentProgress"]
    if step is not None:
        assert progress["hasError"] and progress["isComplete"]
        bad = [s for s in progress["steps"] if s["status"] == "failed"]
        assert [s["type"] for s in bad] == [step]
        assert bad[0]["error"] and instance["error"].startswith(bad[0]["error"][:50])
    # R4: the button beside it is Stop.
    assert portal.stop(instance["id"]).status == 200
    assert portal.show(instance["id"])["status"] == "stopped"
    return instance


def test_a_crash_at_once_tells_its_last_lines(portal: Portal, catalog: Catalog,
                                              engine: Engine) -> None:
    catalog.add("crash", health="", dockerfile="""\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "echo begin; echo no such table: users >&2; exit 3"]
""")
    # It may have been called running for a moment: then no step has failed.
    instance = failed(portal, "component:crash", "CONTAINER_EXITED")
    assert "exited with code 3" in instance["error"]
    assert "no such table: users" in instance["error"]
    assert instance["exitCode"] == 3
    assert "begin\n" in portal.logs(instance["id"])
    assert containers_of(engine, portal.hub) == []


def test_a_build_that_fails_keeps_its_output(portal: Portal, catalog: Catalog) -> None:
    catalog.add("broken", dockerfile="FROM {image}\nRUN echo about to fail; exit 7\n")
    instance = failed(portal, "component:broken", "DOCKER_BUILD_FAILED", STEPS[2])
    assert "returned a non-zero code: 7" in instance["error"]
    assert "about to fail" in portal.logs(instance["id"])


@pytest.mark.parametrize("name,config,words", [
    ("bad-type", "runner:\n  type: podman\n  dockerfile: Dockerfile\n  ports: [80]\n", "docker"),
    ("no-ports", "runner:\n  type: docker\n  dockerfile: Dockerfile\n", "ports"),
    ("bad-port", "runner:\n  type: docker\n  dockerfile: Dockerfile\n  ports: [\"x\"]\n", ":4"),
    ("bad-yaml", "runner: [\n", ".runner/config.yml"),
    ("empty", "", ".runner/config.yml"),
])
def test_a_wrong_configuration(portal: Portal, catalog: Catalog, name: str, config: str,
                               words: str) -> None:
    catalog.add(name, config=config)
    instance = failed(portal, f"component:{name}", "INVALID_CONFIGURATION", STEPS[1])
    assert words in instance["error"]


def test_a_dockerfile_that_is_not_there(portal: Portal, catalog: Catalog) -> None:
    catalog.add("bare", dockerfile=None)
    failed(portal, "component:bare", "DOCKERFILE_NOT_FOUND", STEPS[1])


def test_a_configuration_that_is_not_there(portal: Portal, catalog: Catalog) -> None:
    catalog.add("plain", config="")
    os.unlink(catalog.path("plain", ".runner/config.yml"))
    failed(portal, "component:plain", "CONFIG_NOT_FOUND", STEPS[0])


def test_a_command_that_cannot_be_run(portal: Portal, catalog: Catalog) -> None:
    catalog.add("noexec", health="",
                dockerfile='FROM {image}\nENTRYPOINT []\nCMD ["/no/such/program"]\n')
    failed(portal, "component:noexec", "CONTAINER_START_FAILED", STEPS[3])


def test_one_that_never_gets_ready(portal: Portal, catalog: Catalog) -> None:
    catalog.add("sick", health="{path: /missing, interval: 1s, timeout: 1s, retries: 1, startPeriod: 1s}")
    instance = failed(portal, "component:sick", "HEALTH_CHECK_FAILED", STEPS[4])
    assert "404" in instance["error"]


def test_a_port_that_another_process_has(portal: Portal, catalog: Catalog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        catalog.add("squatted", ports=[f"{port}:8080"])
        instance = failed(portal, "component:squatted", "PORT_ALREADY_IN_USE", STEPS[1])
    assert str(port) in instance["error"] and "another process" in instance["error"]


def test_the_port_of_the_hub_itself(portal: Portal, catalog: Catalog) -> None:
    catalog.add("collide", ports=[f"{portal.hub.port}:8080"])
    instance = failed(portal, "component:collide", "PORT_ALREADY_IN_USE", STEPS[1])
    assert "PORT=" in instance["error"] and "HOST:8080" in instance["error"]


# -- requests that are wrong ---------------------------------------------------------------

def test_requests_that_are_refused(portal: Portal, catalog: Catalog) -> None:
    hub = portal.hub
    catalog.add("disabled", enabled="yes")
    body = envelope(portal.start("component:disabled"), 400, "InputError")
    assert body["error"]["message"] == "Component is not enabled for runner"
    assert body["request"] == {"method": "POST", "url": "/start"}
    body = envelope(portal.start("component:default/nobody"), 404, "NotFoundError")
    assert body["error"]["message"] == "Entity not found: component:default/nobody"
    for ref in ("", "no-kind"):
        envelope(portal.start(ref), 400, "InputError")
    for sent, received in (({}, "undefined"), ({"entityRef": 7}, "number")):
        body = envelope(hub.post("/api/runner/start", sent), 400, "InputError")
        issue = json.loads(body["error"]["message"])[0]
        assert issue["path"] == ["entityRef"] and issue["received"] == received
    envelope(hub.post("/api/runner/start", b"{", headers={"Content-Type": "application/json"}),
             400, "SyntaxError")
    envelope(hub.post("/api/runner/start", b"{}", headers={"Content-Type": "text/plain"}),
             400, "InputError")
    envelope(hub.post("/api/runner/start", {"entityRef": "x" * 200000}),
             413, "PayloadTooLargeError")


def test_what_is_not_there(portal: Portal) -> None:
    hub, nobody = portal.hub, "11111111-2222-4333-8444-555555555555"
    body = envelope(hub.get(f"/api/runner/instances/{nobody}?a=1"), 404, "NotFoundError")
    assert body["request"]["url"] == f"/instances/{nobody}?a=1"
    envelope(hub.get(f"/api/runner/instances/{nobody}/logs?"), 404, "NotFoundError")
    envelope(portal.stop(nobody), 404, "NotFoundError")
    envelope(portal.stop("no uuid"), 404, "NotFoundError")
    reply = hub.get(f"/api/runner/instances/{nobody}/health")
    assert reply.status == 404 and isinstance(reply.json["error"], str)
    assert hub.get(f"/api/runner/instances/{nobody}/errors").json == {"errors": []}
    for method, path in (("GET", "/api/runner"), ("GET", "/api/runner/nothing"),
                         ("GET", "/api/runner/start"), ("DELETE", "/api/runner/instances")):
        reply = hub.request(method, path)
        assert (reply.status, reply.body) == (404, b"")
    assert "success" in hub.get("/api/runners").json
    assert hub.get("/API/Runner/Instances/").status == 200


def test_the_catalog_is_listed(portal: Portal, catalog: Catalog) -> None:
    catalog.add("listed")
    catalog.add("unlisted", enabled="false")
    items = {i["name"]: i for i in portal.hub.get("/api/runner/components").json["items"]}
    assert items["listed"]["componentRef"] == "Component:default/listed"
    assert items["listed"]["description"] == "about listed"
    assert items["listed"]["owner"] == "group:default/testers"
    assert "unlisted" not in items


def test_health_is_really_probed(portal: Portal, catalog: Catalog) -> None:
    catalog.add("probed")
    instance = portal.running("component:probed")
    health = portal.hub.get(f"/api/runner/instances/{instance['id']}/health").json["health"]
    assert health["status"] == "healthy" and health["containerId"] == instance["containerId"]
    assert health["checks"][-1]["success"] and health["checks"][-1]["responseTime"] >= 0
    portal.stop(instance["id"])
    assert portal.hub.get(
        f"/api/runner/instances/{instance['id']}/health").json == {"health": None}


def test_with_an_api_key(make_hub: Callable[..., Hub], catalog: Catalog) -> None:
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_API_KEY": "a-key-for-tests-1"}).start()
    body = envelope(hub.get("/api/runner/instances"), 401, "AuthenticationError")
    assert body["error"]["message"] == "Missing credentials"
    body = envelope(hub.get("/api/runner/instances", headers={"Authorization": "Bearer wrong"}),
                    401, "AuthenticationError")
    assert body["error"]["message"] == "Illegal token"
    assert hub.get("/api/runner/instances",
                   headers={"Authorization": "Bearer a-key-for-tests-1"}).json == {"items": []}
