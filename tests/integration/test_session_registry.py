"""Credentials of registries: they reach the registry and nothing else, and
are taken again by a hub that has forgotten them."""

import base64
import http.server
import os
import threading
import uuid
from typing import Any, Iterator

import pytest

from hub import Hub, wait_for

PASSWORD = "pa:ss wörd?>"
BASIC = "Basic " + base64.b64encode(f"mona:{PASSWORD}".encode()).decode()


class Registry(http.server.ThreadingHTTPServer):
    """Knows no image; notes with which credentials it is asked for one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.seen: list[str] = []
        self.name = f"127.0.0.1:{self.server_port}"


class Asked(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        if given is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
        else:
            self.server.seen.append(given)
            self.send_response(200 if self.path == "/v2/" else 404)
        body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def wish(registry: Registry) -> dict:
    return {"image": f"{registry.name}/team/app:1", "registry": {
        "username": "mona", "password": PASSWORD, "serverUrl": registry.name}}


def nowhere(hub: Hub) -> None:
    """Neither in what the hub keeps nor in what it says."""
    needles = [PASSWORD.encode(), BASIC.split()[1].encode()]
    for folder, _, names in os.walk(hub.dir):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                assert not any(needle in content for needle in needles), path


@pytest.mark.parametrize("place", ["container", "services"])
def test_credentials_reach_the_registry_alone(make_hub: Any, registry: Registry, place: str,
                                              image: str):
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_JOB_RETRIES": "0"}).start()
    fields = ({"container": wish(registry)} if place == "container" else
              {"container": {"image": image}, "services": [wish(registry)]})
    job = hub.wait_end(hub.delegate(None, **fields))
    assert job["status"] == "failed" and "team/app" in job["error"], job
    assert set(registry.seen) == {BASIC}
    nowhere(hub)


def test_a_restarted_hub_waits_for_them(make_hub: Any, registry: Registry):
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_JOB_RETRIES": "100",
                    "RUNNERHUB_RETRY_BACKOFF": "50ms"}).start()
    request = {"runId": uuid.uuid4().hex, "container": wish(registry)}
    job = hub.delegate(None, **request)
    wait_for(lambda: registry.seen, 60, "the registry is asked")
    hub.kill9()
    registry.seen.clear()
    hub.start()
    wait_for(lambda: "credentials_lost" in hub.get(f"/api/jobs/{job}").text, 60,
             "the hub says what it lacks")
    assert registry.seen == []
    nowhere(hub)
    again = hub.post("/api/jobs/delegate", {"jobId": "test", "repository": "test/repo", **request})
    assert again.status == 200 and again.data["delegationId"] == job
    wait_for(lambda: registry.seen, 60, "the registry is asked again")
    assert set(registry.seen) == {BASIC}
    assert hub.post(f"/api/jobs/{job}/cancel").status in (200, 202)
    assert hub.wait_end(job)["status"] == "cancelled"
