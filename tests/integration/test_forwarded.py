"""Behind a reverse proxy: whose address counts, and who may say so."""

import json
from typing import Callable

import pytest

from hub import Hub, wait_for

NOWHERE = "unix:///nonexistent/engine.sock"
PASSWORD = "a long password of the tests"
ENV = {"DOCKER_HOST": NOWHERE, "LOG_FORMAT": "json"}


def with_user(hub: Hub) -> Hub:
    hub.start().post("/api/users", {"name": "ann", "password": PASSWORD, "first": True})
    return hub


@pytest.fixture(scope="module")
def alone(make_module_hub: Callable[..., Hub]) -> Hub:
    return with_user(make_module_hub(ENV))


@pytest.fixture(scope="module")
def behind(make_module_hub: Callable[..., Hub]) -> Hub:
    return with_user(make_module_hub({
        **ENV, "RUNNERHUB_TRUSTED_PROXIES": "127.0.0.1,10.9.0.0/16", "API_RATE_LIMIT": "5"}))


def log_in(hub: Hub, chain: str, password: str = PASSWORD, scheme: str = "https"):
    return hub.post("/api/auth/login", {"username": "ann", "password": password, "cookie": True},
                    headers={"X-Forwarded-For": chain, "X-Forwarded-Proto": scheme,
                             "X-RunnerHub": "1"})


def peers(hub: Hub, path: str) -> list[str]:
    """Of the requests for a path, as the hub's own log has them."""
    lines = [json.loads(line) for line in hub.log().splitlines() if line.startswith("{")]
    return [line["peer"] for line in lines if line.get("path") == path]


def last_address(hub: Hub, token: str) -> str:
    """Of who logged in last, as the audit log has it."""
    def logins() -> list[dict]:
        rows = hub.get("/api/audit?limit=50", headers={"Authorization": f"Bearer {token}"}).data
        return [row for row in rows if "login" in row["action"]]
    return wait_for(logins, what="an entry in the audit log")[0]["address"]


def test_what_strangers_say_is_nothing(alone: Hub) -> None:
    reply = log_in(alone, "203.0.113.9")
    assert reply.status == 200 and "; Secure" not in reply.headers["Set-Cookie"]
    alone.get("/livez?spoofed", headers={"X-Forwarded-For": "203.0.113.9"})
    seen = wait_for(lambda: peers(alone, "/livez?spoofed"), what="the access line")
    assert seen[0].startswith("127.0.0.1:")
    assert last_address(alone, reply.data["accessToken"]).startswith("127.0.0.1:")


def test_a_trusted_proxy_names_the_client(behind: Hub) -> None:
    for number, (chain, client) in enumerate((
            ("203.0.113.9", "203.0.113.9"), ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 2001:db8::7, 10.9.3.3", "[2001:db8::7]"), ("10.9.1.1", "10.9.1.1"))):
        behind.get(f"/livez?n={number}", headers={"X-Forwarded-For": chain})
        seen = wait_for(lambda: peers(behind, f"/livez?n={number}"), what="the access line")
        assert seen == [client]
    behind.get("/livez?none")
    behind.get("/livez?bad", headers={"X-Forwarded-For": "unknown"})
    for path in ("/livez?none", "/livez?bad"):
        assert wait_for(lambda: peers(behind, path), what="a line")[0].startswith("127.0.0.1:")
    reply = log_in(behind, "203.0.113.77")
    assert last_address(behind, reply.data["accessToken"]) == "203.0.113.77"


@pytest.mark.parametrize("scheme, secure", [
    ("https", True), ("HTTPS", True), ("http, https", True), ("http", False),
    ("https, http", False), ("", False)])
def test_the_cookie_is_secure_when_the_proxy_says_so(behind: Hub, scheme: str,
                                                     secure: bool) -> None:
    cookie = log_in(behind, f"203.0.113.{100 + len(scheme)}", scheme=scheme).headers["Set-Cookie"]
    assert ("; Secure" in cookie) == secure


def test_guessing_is_counted_for_the_client(behind: Hub) -> None:
    """Not for the proxy, or one guesser would lock everybody out; and not for
    what the guesser put in front himself."""
    for number in range(30):
        refused = log_in(behind, f"9.9.9.{number}, 198.51.100.66", "wrong").status == 429
        if refused:
            break
    assert refused
    assert log_in(behind, "198.51.100.67").status == 200


def test_refused_requests_are_counted_for_the_client(behind: Hub) -> None:
    def ask(chain: str) -> int:
        return behind.post("/api/jobs/delegate", {}, headers={"X-Forwarded-For": chain}).status
    assert [ask(f"1.2.3.{n}, 198.51.100.1") for n in range(6)] == [401] * 5 + [429]
    assert ask("198.51.100.2") == 401
    assert ask("[2001:db8::1]:99") == 401
