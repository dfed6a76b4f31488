"""Who may use the API, and what the hub's own log says of each request."""

import json
import re
import shlex
import subprocess
import uuid
from typing import Callable

import pytest

from hub import Hub, wait_for
from http_raw import Peer

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def parked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


@pytest.fixture(scope="module")
def locked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()


# -- open mode -------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/health", "/api/jobs", "/metrics", "/api/openapi.json"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io",
                                  "10.0.0.1", "localhost:80x", "127.0.0.1:"])
def test_a_foreign_host_is_refused(parked: Hub, host: str, path: str) -> None:
    reply = parked.get(path, headers={"Host": host})
    if host == "127.0.0.1:":  # an empty port is the default one: RFC 9110 §4.2.3
        assert reply.status != 403
        return
    assert reply.status in (400, 403), reply.text
    if reply.status == 403:
        assert reply.json["code"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost", "LocalHost:3000", "127.0.0.1", "[::1]:3000"])
def test_this_machine_is_served(parked: Hub, host: str) -> None:
    assert parked.get("/api/jobs", headers={"Host": host}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example",
                                    "http://127.0.0.1.evil.example:3000", "file://"])
def test_a_foreign_page_is_refused(parked: Hub, origin: str) -> None:
    for method, path in (("GET", "/api/jobs"), ("POST", "/api/jobs/delegate")):
        reply = parked.request(method, path, {} if method == "POST" else None,
                               headers={"Origin": origin})
        assert reply.status == 403 and reply.json["code"] == "foreign_origin"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8080",
                                    "https://localhost"])
def test_a_page_of_this_machine_is_served(parked: Hub, origin: str) -> None:
    assert parked.get("/api/jobs", headers={"Origin": origin}).status == 200


# -- with a key ---------------------------------------------------------------------

def routes(hub: Hub) -> list[tuple[str, str]]:
    paths = hub.get("/api/openapi.json").json["paths"]
    def filled(path: str) -> str:
        return (path.replace("{id}", str(uuid.uuid4())).replace("{step}", "0")
                .replace("{name}", "N"))
    return [(method.upper(), filled(path))
            for path, methods in paths.items() for method in methods]


def test_every_route_but_the_public_ones_needs_the_key(locked: Hub) -> None:
    public = {("GET", "/health"), ("GET", "/api/openapi.json"),
              ("GET", "/.backstage/health/v1/liveness"),
              ("GET", "/.backstage/health/v1/readiness")}
    # These bear what they need in their body.
    doors = {("POST", f"/api/auth/{door}") for door in ("login", "refresh", "logout")}
    wrong = ["Bearer wrong-key-wrong-key", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer",
             "Bearer ", "Basic " + KEY, KEY]
    seen = set()
    for method, path in routes(locked):
        seen.add((method, path))
        if (method, path) in doors:
            continue
        body = {} if method in ("POST", "PATCH") else None
        reply = locked.request(method, path, body)
        if (method, path) in public:
            assert reply.status != 401
            continue
        assert reply.status == 401, f"{method} {path}: {reply.status}"
        assert "Bearer" in reply.headers["WWW-Authenticate"]
        for value in wrong:
            reply = locked.request(method, path, body, headers={"Authorization": value})
            assert reply.status == 401, f"{method} {path} with {value}: {reply.status}"
    assert public | doors <= seen and len(seen) > 10


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY},
                                     {"Authorization": f"bearer {KEY}", "Host": "hub.example"}])
def test_the_key_opens(locked: Hub, headers: dict[str, str]) -> None:
    assert locked.get("/api/jobs", headers=headers).status == 200
    body = {"jobId": "1", "runId": str(uuid.uuid4()), "repository": "a/b"}
    assert locked.post("/api/jobs/delegate", body, headers=headers).status == 201


def test_the_key_is_never_told(locked: Hub) -> None:
    locked.get("/api/jobs", headers={"Authorization": f"Bearer {KEY}"})
    locked.get("/api/jobs", headers={"X-API-Key": KEY + "x"})
    system = locked.get("/api/system", headers={"X-API-Key": KEY})
    assert system.data["openMode"] is False
    assert KEY not in system.text and KEY not in locked.log()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_all_addresses_without_a_key_is_refused(make_hub: Callable[..., Hub],
                                                address: str) -> None:
    hub = make_hub({"RUNNERHUB_LISTEN": address, "DOCKER_HOST": NOWHERE})
    done = subprocess.run([hub.binary, "serve"], env=hub.env, cwd=hub.dir,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode not in (0, None) and done.returncode > 0
    assert "RUNNERHUB_API_KEY" in done.stderr and address in done.stderr


def test_all_addresses_with_a_key_serve(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_LISTEN": "0.0.0.0", "RUNNERHUB_API_KEY": KEY,
                    "DOCKER_HOST": NOWHERE}).start()
    assert hub.get("/api/jobs").status == 401
    assert hub.get("/api/jobs", headers={"X-API-Key": KEY}).status == 200


# -- request ids and the access log ----------------------------------------------------

def fields_of(line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)


def lines_with(hub: Hub, **wanted: str) -> list[dict[str, str]]:
    return [fields for line in hub.log().splitlines() if "=" in line
            if (fields := fields_of(line)).items() >= wanted.items()]


def test_a_request_id_comes_back(parked: Hub) -> None:
    reply = parked.get("/health", headers={"X-Request-Id": "mine-1.2_3"})
    assert reply.headers["X-Request-Id"] == "mine-1.2_3"
    made = {parked.get("/health").headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3 and all(uuid.UUID(one) for one in made)
    for bad in ("has blank", "x" * 65, "semi;colon"):
        answered = parked.get("/health", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        assert uuid.UUID(answered)
    assert parked.get("/nowhere", headers={"X-Request-Id": "lost"}).headers["X-Request-Id"] == "lost"


def test_an_access_line_tells_all(parked: Hub) -> None:
    name = f"access-{uuid.uuid4()}"
    reply = parked.get("/api/jobs?limit=5", headers={"X-Request-Id": name})
    line = wait_for(lambda: lines_with(parked, request=name, msg="request"))[0]
    assert line["method"] == "GET" and line["route"] == "/api/jobs"
    assert line["path"] == "/api/jobs?limit=5" and line["status"] == "200"
    assert line["bytes"] == str(len(reply.body))
    assert re.fullmatch(r"127\.0\.0\.1:\d+", line["peer"])
    assert float(line["ms"]) >= 0
    parked.get("/no/such", headers={"X-Request-Id": name + "-lost"})
    line = wait_for(lambda: lines_with(parked, request=name + "-lost", msg="request"))[0]
    assert line["route"] == "-" and line["status"] == "404"


def test_what_a_request_causes_bears_its_id(hub: Hub) -> None:
    name = f"cause-{uuid.uuid4()}"
    reply = hub.post("/api/jobs/delegate", {
        "jobId": "1", "runId": "1", "repository": "a/b", "steps": [{"run": "true"}]},
        headers={"X-Request-Id": name})
    job_id = reply.data["delegationId"]
    hub.wait_status(job_id, "completed")
    assert hub.job(job_id)["metadata"]["requestId"] == name
    wait_for(lambda: lines_with(hub, request=name, job=job_id, msg="job ended"))
    delegated = lines_with(hub, request=name, job=job_id, msg="job delegated")
    assert len(delegated) == 1


def test_a_strange_path_cannot_forge_a_line(parked: Hub) -> None:
    for target in (b"/a%22%0Amsg=forged", b'/a" msg=forged x="', b"/a\\ msg=forged"):
        with Peer(parked.port) as peer:
            peer.ask(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    parked.get('/b"%20msg=forged', headers={"X-Request-Id": "forge"})
    wait_for(lambda: lines_with(parked, request="forge"))
    assert "forged" in parked.log() and not lines_with(parked, msg="forged")


def test_a_log_of_json_lines(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "LOG_FORMAT": "json", "LOG_LEVEL": "info"}).start()
    hub.get('/a"b', headers={"X-Request-Id": "as-json"})

    def access() -> list[dict]:
        lines = [json.loads(line) for line in hub.log().splitlines()]
        return [line for line in lines if line.get("request") == "as-json"]
    line = wait_for(access)[0]
    assert line["msg"] == "request" and line["status"] == 404 and line["path"] == '/a"b'
    assert line["level"] == "info"
