"""Components on a real engine, asked for as a portal's frontend does."""

import json
import re
from datetime import datetime
from typing import Callable, Iterator

import pytest

from component_lab import (STEPS, Catalog, Follower, Portal, catalog,  # noqa: F401
                           component_hub, containers_of, page, portal)
from engine_api import Engine
from hub import Hub, Reply, wait_for

TITLES = ["Downloading Repository", "Extracting Files", "Building Docker Image",
          "Starting Container", "Monitoring Container"]


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine)


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


# -- stops -----------------------------------------------------------------------------

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
    assert "gone" in found["error"] or "signal SIGKILL" in found["error"]
    assert portal.stop(instance["id"]).status == 200
    assert portal.show(instance["id"])["status"] == "stopped"


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
