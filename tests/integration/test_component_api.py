"""The component API as a portal's frontend meets it: its requests byte for
byte, what it makes of the answers (R1 to R12), and what else is promised."""

import json
import re
import uuid
from datetime import datetime
from typing import Any, Callable, Iterator

import pytest

from component_api_lab import NOBODY, PORTAL, TALKER, gauge, stop_others, until
from component_lab import Catalog, Portal, catalog, component_hub, remove_images  # noqa: F401
from engine_api import Engine
from hub import Hub, free_port, wait_for
from raw_portal import Answer, Client, ask

SLOW = "FROM {image}\nRUN sleep 3752\n"


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_COMPONENTS_PATH="/api/runner,/previews",
        RUNNERHUB_COMPONENTS_LISTEN=f"127.0.0.1:{free_port()}",
        RUNNERHUB_COMPONENTS_MAX="2",
        RUNNERHUB_PUBLIC_HOST="previews.example",
        CORS_ORIGIN=f"{PORTAL},http://localhost:7777")


@pytest.fixture(scope="module")
def talker(live: Hub, catalog: Catalog) -> dict:
    """One that runs through the whole file, with a log that goes on."""
    catalog.add("Talker", health="", dockerfile=TALKER)
    return Portal(live).running("component:talker")


@pytest.fixture
def client(live: Hub, talker: dict) -> Iterator[Client]:
    """Beside the talker nothing runs, before and after."""
    client = Client(live.port)
    yield client
    stop_others(client, talker["id"])


def extra_port(hub: Hub) -> int:
    return int(hub.env["RUNNERHUB_COMPONENTS_LISTEN"].rsplit(":", 1)[1])


# -- the five requests -------------------------------------------------------------

def test_the_five_requests_byte_for_byte(client: Client, catalog: Catalog) -> None:
    port = catalog.add("Shapes")
    started = client.start("component:default/shapes")
    assert started.line == "HTTP/1.1 201 Created"
    assert started.header("Content-Type") == "application/json; charset=utf-8"
    instance = started.json["id"]
    assert client.status(instance).line == "HTTP/1.1 200 OK"
    assert until(client, instance, "running")["ports"] == [port]
    listed = client.list()
    assert listed.line == "HTTP/1.1 200 OK" and listed.json["items"][-1]["id"] == instance
    for query in ("", "tail=100", "follow=1&tail=12abc"):  # none of them follows
        logs = client.logs(instance, query)
        assert logs.line == "HTTP/1.1 200 OK" and isinstance(logs.json["logs"], str)
    stopped = client.stop(instance)
    assert stopped.line == "HTTP/1.1 200 OK"
    assert stopped.body == b'{"message":"Component stopped successfully"}'


def test_reason_phrases_and_the_url_below_the_mount(client: Client) -> None:
    missing = client.logs(NOBODY)
    assert missing.line == "HTTP/1.1 404 Not Found"
    assert missing.error(404, "NotFoundError")["request"] == {
        "method": "GET", "url": f"/instances/{NOBODY}/logs?"}
    # The id stands in the path as it is.
    odd = client.status("no%20uuid&a=b?x=%41").error(404, "NotFoundError")
    assert odd["request"]["url"] == "/instances/no%20uuid&a=b?x=%41"
    assert client.start(7).line == "HTTP/1.1 400 Bad Request"
    taken = client.start("component:talker")
    assert taken.line == "HTTP/1.1 409 Conflict"
    assert "already" in taken.error(409, "ConflictError")["error"]["message"]


# -- what the frontend makes of it -----------------------------------------------------

def test_r1_the_reference_has_the_case_of_the_catalog(client: Client, talker: dict) -> None:
    assert talker["componentRef"] == "Component:default/Talker"
    assert client.status(talker["id"]).json["componentRef"] == "Component:default/Talker"


def test_r2_the_last_of_a_component_is_its_newest(client: Client, catalog: Catalog) -> None:
    catalog.add("twice", config="runner: {}")
    ids = [client.start("component:twice", "?wait=true").json["id"] for _ in range(2)]
    items = client.list().json["items"]
    assert [i["id"] for i in items if i["componentRef"] == "Component:default/twice"] == ids
    last = {i["componentRef"]: i["id"] for i in items}
    assert last["Component:default/twice"] == ids[-1]


def test_r3_ports_are_always_unique_numbers(client: Client, catalog: Catalog) -> None:
    port = catalog.add("ports")
    started = client.start("component:ports").json
    assert started["ports"] == []
    ports = until(client, started["id"], "running")["ports"]
    assert ports == [port] and all(isinstance(p, int) for p in ports)


def test_r4_stop_frees_one_in_error(client: Client, catalog: Catalog) -> None:
    catalog.add("faulty", config="runner: {}")
    instance = client.start("component:faulty").json["id"]
    assert until(client, instance, "error")["error"]
    for _ in range(2):
        assert client.stop(instance).status == 200
        assert client.status(instance).json["status"] == "stopped"


def test_r5_stop_ends_a_start_for_good(client: Client, catalog: Catalog, engine: Engine) -> None:
    catalog.add("slow", dockerfile=SLOW)
    instance = client.start("component:slow").json["id"]

    def builds() -> list[dict]:
        return [c for c in engine.containers() if "sleep 3752" in c["Command"]]

    wait_for(builds, what="the build runs")
    assert client.status(instance).json["status"] == "starting"
    assert client.stop(instance).status == 200
    assert client.status(instance).json["status"] == "stopped"
    wait_for(lambda: not builds(), what="the build has ended")
    assert client.status(instance).json["status"] == "stopped"


def values(value: Any) -> Iterator[Any]:
    yield value
    for inner in (value.values() if isinstance(value, dict)
                  else value if isinstance(value, list) else []):
        yield from values(inner)


def test_r6_to_r11_of_every_instance_there_is(client: Client, catalog: Catalog) -> None:
    catalog.add("shown")
    started = client.start("component:shown").json
    seen = [started]

    def over() -> bool:
        seen.append(client.status(started["id"]).json)
        return seen[-1]["status"] != "starting"

    wait_for(over, 120, "it is started")
    for instance in seen + client.list().json["items"]:
        # R6
        assert instance["status"] in ("starting", "running", "stopping", "stopped", "error")
        # R7
        steps = instance["deploymentProgress"]["steps"]
        assert len({s["type"] for s in steps}) == len(steps) == 5
        assert all(isinstance(s["status"], str) and isinstance(s["title"], str) for s in steps)
        # R8
        assert None not in list(values(instance))
        for step in steps:
            if "progress" in step:
                assert step["status"] == "in_progress" and 0 <= step["progress"] <= 100
        # R9
        assert uuid.UUID(instance["id"]) and isinstance(instance["componentRef"], str)
        # R10
        progress = instance["deploymentProgress"]
        assert progress["overallProgress"] in (0, 20, 40, 60, 80, 100)
        assert isinstance(progress["isComplete"], bool)
        assert isinstance(progress["hasError"], bool)
        # R11
        for key in ("startedAt", "stoppedAt"):
            if key in instance:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", instance[key])
                datetime.fromisoformat(instance[key].replace("Z", "+00:00"))
        assert instance["publicHost"] == "previews.example"
    assert seen[-1]["deploymentProgress"]["overallProgress"] == 100


def preflight(port: int, origin: str, path: str = "/api/runner/start",
              host: str | None = None) -> Answer:
    return ask(port, "OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Private-Network": "true"}, host=host)


def check_cors(answer: Answer, origin: str = PORTAL) -> None:
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert answer.header("Access-Control-Allow-Credentials") == "true"
    assert answer.header("Vary") == "Origin"


def test_r12_pages_of_configured_origins(client: Client, live: Hub, talker: dict) -> None:
    for origin in (PORTAL, "http://localhost:7777"):
        answer = preflight(live.port, origin)
        assert answer.status == 204
        check_cors(answer, origin)
        assert {"GET", "POST"} <= set(str(answer.header("Access-Control-Allow-Methods")).split(", "))
        allowed = str(answer.header("Access-Control-Allow-Headers")).split(", ")
        assert {"authorization", "content-type"} <= set(allowed)
        assert answer.header("Access-Control-Allow-Private-Network") == "true"
    with_origin = {"Origin": PORTAL}
    check_cors(client.get("/instances", with_origin))
    check_cors(client.get(f"/instances/{NOBODY}", with_origin))
    check_cors(client.get("/nothing", with_origin))
    with client.follow(f"/instances/{talker['id']}/logs?follow=true", with_origin) as stream:
        check_cors(stream.head())
    plain = client.get("/instances")
    assert plain.status == 200 and plain.header("Access-Control-Allow-Origin") is None
    assert plain.header("Vary") == "Origin"


def test_r12_other_pages_are_kept_out(client: Client, live: Hub) -> None:
    for origin in ("https://evil.example", PORTAL + ".evil.example", "null", PORTAL + ":8443"):
        answer = preflight(live.port, origin)
        assert answer.error(403, "NotAllowedError")
        assert answer.header("Access-Control-Allow-Origin") is None
        answer = client.get("/instances", {"Origin": origin})
        answer.error(403, "NotAllowedError")
        assert answer.header("Access-Control-Allow-Origin") is None
    # The door is that of components alone.
    assert live.get("/api/jobs", headers={"Origin": PORTAL}).status == 403
    assert preflight(live.port, PORTAL, "/api/jobs").status in (403, 404, 405)
    # Whose name leads here is no page's business.
    assert ask(live.port, "GET", "/api/runner/instances", headers={"Origin": PORTAL},
               host="rebound.example").status == 403


# -- paths -------------------------------------------------------------------------

def test_each_base_path_and_no_other(live: Hub, talker: dict) -> None:
    for base in ("/api/runner", "/previews", "/API/Runner", "/api/%72unner"):
        assert Client(live.port, base).status(talker["id"]).json["id"] == talker["id"]
        answer = Client(live.port, base).status(NOBODY)
        assert answer.error(404, "NotFoundError")["request"]["url"] == f"/instances/{NOBODY}"
    assert "success" in live.get("/api/runners").json
    assert live.get("/api/runnerx/instances").json["code"] == "endpoint_not_found"
    assert live.get("/previewsx").json["code"] == "endpoint_not_found"


@pytest.mark.parametrize("method,path", [
    ("GET", ""), ("GET", "/"), ("GET", "/nothing"), ("GET", "/start"), ("PUT", "/stop"),
    ("DELETE", f"/instances/{NOBODY}"), ("GET", "/instances/a/b"), ("GET", "//instances"),
    ("GET", "/instances//logs"), ("GET", "/./instances"), ("GET", "/instances/a/logs/x"),
    ("GET", "/instances/" + "a" * 500), ("GET", "/.backstage/health/v1/liveness"),
])
def test_unknown_paths_are_an_empty_404(live: Hub, method: str, path: str) -> None:
    for port, base in ((live.port, "/api/runner"), (live.port, "/previews")):
        answer = ask(port, method, base + path)
        assert (answer.line, answer.body) == ("HTTP/1.1 404 Not Found", b"")


@pytest.mark.parametrize("path", [
    "/api/runner/../jobs", "/api/runner/..%2fjobs", "/api/runner/%2e%2e/jobs",
    "/api/runner/instances/%00", "/api/runner/instances/%ff", "/api/runner/instances/%0d%0aX:1",
    "/api/runner/instances/%", "/api/runner/instances#x",
])
def test_paths_with_tricks_are_refused(live: Hub, path: str) -> None:
    assert ask(live.port, "GET", path).status == 400


def test_the_api_at_an_address_of_its_own(live: Hub, talker: dict) -> None:
    port = extra_port(live)
    own = Client(port, "")
    assert own.status(talker["id"]).json["id"] == talker["id"]
    assert own.status(NOBODY).error(404, "NotFoundError")["request"]["url"] == f"/instances/{NOBODY}"
    for path in ("/", "/api/runner/instances", "/api/jobs", "/health", "/metrics"):
        answer = ask(port, "GET", path)
        assert (answer.status, answer.body) == (404, b"")
    for probe in ("liveness", "readiness"):
        for at in (port, live.port):
            answer = ask(at, "GET", f"/.backstage/health/v1/{probe}")
            assert answer.status == 200 and answer.json == {"status": "ok"}


# -- answers ---------------------------------------------------------------------------

def test_an_answer_that_did_not_change(client: Client, catalog: Catalog, talker: dict) -> None:
    first = client.status(talker["id"])
    tag = first.header("ETag")
    assert tag and tag.startswith('W/"')
    assert first.header("Cache-Control") == "no-cache"
    for have in (tag, tag[2:], f'"other", {tag}', "*"):
        again = client.get(f"/instances/{talker['id']}", {"If-None-Match": have})
        assert again.status == 304 and again.header("ETag") == tag
    assert client.get(f"/instances/{talker['id']}", {"If-None-Match": '"x"'}).body == first.body
    assert client.get(f"/instances/{NOBODY}", {"If-None-Match": "*"}).status == 404
    head = ask(client.port, "HEAD", f"/api/runner/instances/{talker['id']}")
    assert head.header("Content-Length") == str(len(first.body))


def test_figures_and_their_odd_404(client: Client, live: Hub, talker: dict) -> None:
    for what in ("stats", "health", "metrics"):
        for instance in (NOBODY, "no-uuid"):
            answer = client.get(f"/instances/{instance}/{what}")
            assert answer.line == "HTTP/1.1 404 Not Found"
            assert answer.json == {"error": f"Instance {instance} not found"}
    stats = client.get(f"/instances/{talker['id']}/stats").json["stats"]
    assert {"BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO",
            "PIDs"} <= set(stats) and all(isinstance(v, str) for v in stats.values())
    health = client.get(f"/instances/{talker['id']}/health").json["health"]
    assert health["containerId"] == talker["containerId"] and isinstance(health["checks"], list)
    metrics = client.get(f"/instances/{talker['id']}/metrics?limit=x").json["metrics"]
    assert isinstance(metrics, list)
    assert client.get(f"/instances/{NOBODY}/errors").json == {"errors": []}
    assert isinstance(client.get("/errors?limit=1").json["errors"], list)
    assert gauge(live, "component_instances", status="running") >= 1


def test_requests_that_are_wrong(client: Client) -> None:
    def post(body: bytes, kind: str | None = "application/json") -> Answer:
        return ask(client.port, "POST", "/api/runner/start", body,
                   {"Content-Type": kind} if kind else {})
    post(b"{").error(400, "SyntaxError")
    for body, kind in ((b"{}", "application/json"), (b'{"entityRef":"component:x"}', "text/plain"),
                       (b'{"entityRef":"component:x"}', None), (b"", "application/json")):
        issue = json.loads(post(body, kind).error(400, "InputError")["error"]["message"])[0]
        assert issue["path"] == ["entityRef"] and issue["message"] == "Required"
    post(b'{"entityRef":"' + b"x" * 110000 + b'"}').error(413, "PayloadTooLargeError")
    unknown = post(b'{"entityRef":"component:default/nobody","more":[1]}')
    assert unknown.error(404, "NotFoundError")["error"]["message"] == \
        "Entity not found: component:default/nobody"
    assert client.stop({"a": 1}).error(400, "InputError")
    assert client.stop("no uuid").error(404, "NotFoundError")
    assert ask(client.port, "GET", "/api/runner/instances",
               headers={"Authorization": "Bearer " + "x" * 40000}).status == 431


# -- waiting ------------------------------------------------------------------------------

def test_a_start_that_is_waited_for(client: Client, catalog: Catalog) -> None:
    catalog.add("awaited")
    answer = client.start("component:awaited", "?wait=true")
    assert (answer.status, answer.json["status"]) == (201, "running")


def test_a_wait_with_a_limit(client: Client, catalog: Catalog) -> None:
    catalog.add("patient", dockerfile=SLOW.replace("3752", "3753"))
    answer = client.start("component:patient", "?wait=1")
    assert (answer.status, answer.json["status"]) == (201, "starting")
    assert client.stop(answer.json["id"]).status == 200
    preferring = Client(client.port, headers={"Prefer": "respond-async, wait=1"})
    answer = preferring.start("component:patient")
    assert (answer.status, answer.json["status"]) == (201, "starting")
    assert answer.header("Preference-Applied") == "wait=1"
    assert client.stop(answer.json["id"]).status == 200


# -- as older plugins did --------------------------------------------------------------------

def test_the_strict_switch(make_hub: Callable[..., Hub], catalog: Catalog,
                           engine: Engine) -> None:
    catalog.add("strict")
    catalog.add("strict-broken", config="runner: {}")
    catalog.add("strict-other")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_COMPONENTS_STRICT": "true"}).start()
    client = Client(hub.port)

    def message(answer: Answer) -> str:
        return answer.error(500, "Error")["error"]["message"]

    started = client.start("component:strict")
    assert (started.line, started.json["status"]) == ("HTTP/1.1 201 Created", "running")
    assert message(client.start("component:strict-other")) == \
        "Another component is already running. Stop it first."
    for answer in (client.status(NOBODY), client.stop(NOBODY)):
        assert message(answer) == f"Instance {NOBODY} not found"
    assert message(client.logs(NOBODY)) == f"Instance {NOBODY} not found or not running"
    assert client.get(f"/instances/{NOBODY}/health").status == 404
    assert message(client.start("no-kind"))
    assert client.start(7).error(400, "InputError")
    assert client.start("component:nobody").error(404, "NotFoundError")
    assert client.stop(started.json["id"]).status == 200
    assert message(client.start("component:strict-broken"))
    items = client.list().json["items"]
    assert [i["status"] for i in items] == ["stopped", "error"]
    remove_images(engine, hub)
