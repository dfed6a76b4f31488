"""Pages of other origins and the job API: those that are welcome, with a
token; the others and an open hub's not."""

from typing import Callable

import pytest

from hub import Hub, Reply

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"
PORTAL = "https://portal.example"
TOKEN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def named(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY,
                            "CORS_ORIGIN": f"{PORTAL},http://localhost:7777"}).start()


@pytest.fixture(scope="module")
def anybody(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY,
                            "CORS_ORIGIN": "*"}).start()


def preflight(hub: Hub, origin: str, path: str = "/api/jobs/delegate",
              method: str = "POST", **headers: str) -> Reply:
    return hub.request("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method, **headers})


def test_a_welcome_page_uses_the_api_with_its_token(named: Hub) -> None:
    for origin in (PORTAL, "http://localhost:7777"):
        asked = preflight(named, origin)
        assert asked.status == 204 and asked.body == b""
        assert asked.headers["Access-Control-Allow-Origin"] == origin
        assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
        allowed = asked.headers["Access-Control-Allow-Headers"].split(", ")
        assert {"authorization", "content-type", "traceparent"} <= set(allowed)
        assert "x-runnerhub" not in allowed  # what cookies need
        assert "Access-Control-Allow-Credentials" not in asked.headers
        reply = named.get("/api/jobs", headers={"Origin": origin, **TOKEN})
        assert reply.status == 200
        assert reply.headers["Access-Control-Allow-Origin"] == origin
        assert reply.headers["Vary"] == "Origin"
        assert "X-Request-Id" in reply.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in reply.headers


def test_its_errors_can_be_read_too(named: Hub) -> None:
    for path, status in (("/api/jobs", 401), ("/api/nothing", 404)):
        reply = named.get(path, headers={"Origin": PORTAL})
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] == PORTAL


@pytest.mark.parametrize("origin", [
    "https://evil.example", "https://portal.example.evil.example",
    "https://portal.example:8443", "http://portal.example", "null"])
def test_other_pages_are_told_nothing(named: Hub, origin: str) -> None:
    asked = preflight(named, origin)
    assert (asked.status, asked.json["code"]) == (403, "foreign_origin")
    reply = named.get("/api/jobs", headers={"Origin": origin, **TOKEN})
    for one in (asked, reply):
        assert "Access-Control-Allow-Origin" not in one.headers
        assert one.headers["Vary"] == "Origin"


def test_anybody_is_welcome_but_without_cookies(anybody: Hub) -> None:
    asked = preflight(anybody, "https://any.example",
                      **{"Access-Control-Request-Private-Network": "true"})
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Private-Network"] == "true"
    reply = anybody.get("/api/jobs", headers={"Origin": "https://any.example", **TOKEN})
    for one in (asked, reply):
        assert one.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in one.headers


def test_what_is_no_preflight_is_no_method(named: Hub) -> None:
    reply = named.request("OPTIONS", "/api/jobs", headers={"Origin": PORTAL})
    assert reply.status == 405 and "GET" in reply.headers["Allow"]


def test_an_open_hub_is_for_its_machine_whoever_is_welcome(
        make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "CORS_ORIGIN": PORTAL}).start()
    reply = hub.get("/api/jobs", headers={"Origin": PORTAL})
    assert (reply.status, reply.json["code"]) == (403, "foreign_origin")
    for one in (reply, preflight(hub, PORTAL)):
        assert one.status in (403, 405)
        assert "Access-Control-Allow-Origin" not in one.headers
    hub.terminate()
