"""What people try at a front door, and what has no other place: guessing names
by the time that a login takes, ways around a method, a header or a page. Stolen
and forged tokens are in test_users.py, others' objects in test_session_access.py
and test_access_walk.py, malformed HTTP in test_http_server.py, pages in
test_dashboard*.py; docs/SECURITY.md has the list."""

import os
from typing import Callable

import pytest

from http_raw import Peer
from hub import Hub
from test_users import PASSWORD, bearer, log_in

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    made = make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()
    for name, role in (("ann", "admin"), ("vera", "viewer")):
        reply = made.post("/api/users", {"name": name, "password": PASSWORD, "role": role},
                          headers=bearer(KEY))
        assert reply.status == 201, reply.text
    return made


# -- guessing names --------------------------------------------------------------------

def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_an_unknown_name_costs_what_a_known_one_does(hub: Hub) -> None:
    """By the hub's own processor time, which no neighbour on the machine changes."""
    def spent(name: str) -> int:
        before = cpu_ticks(hub.pid)
        for _ in range(4):  # fewer than are throttled
            reply = log_in(hub, name, "a wrong password")
            assert (reply.status, reply.json["code"]) == (401, "wrong_password"), reply.text
        return cpu_ticks(hub.pid) - before
    known, unknown = spent("vera"), spent("nobody")
    assert known >= os.sysconf("SC_CLK_TCK") // 50, "a password is not hashed for nothing"
    assert 0.5 < unknown / known < 2, (known, unknown)


# -- ways around ------------------------------------------------------------------------

@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_what_the_request_line_says(hub: Hub, header: str) -> None:
    reply = hub.post("/api/users/vera?_method=DELETE", {"_method": "DELETE"},
                     headers={**bearer(KEY), header: "DELETE"})
    assert reply.status == 405
    assert any(user["name"] == "vera" for user in hub.get("/api/users", headers=bearer(KEY)).data)


@pytest.mark.parametrize("headers", [
    {"X-Original-URL": "/api/users"}, {"X-Rewrite-URL": "/api/users"},
    {"X-Forwarded-Prefix": "/api/users"}, {"X-Forwarded-For": "127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"X-Remote-User": "ann"},
    {"X-Forwarded-User": "ann"}, {"X-RunnerHub": "1"}], ids=lambda headers: next(iter(headers)))
def test_headers_of_proxies_open_nothing(hub: Hub, headers: dict[str, str]) -> None:
    assert hub.get("/api/users", headers=headers).status == 401
    assert "ann" not in hub.get("/health", headers=headers).text


def test_credentials_stand_in_headers_only(hub: Hub) -> None:
    """Addresses end up in logs and histories; cookies are sent by foreign pages."""
    for query in (f"token={KEY}", f"access_token={KEY}", f"api_key={KEY}", f"apiKey={KEY}"):
        assert hub.get(f"/api/jobs?{query}").status == 401
    for cookie in (f"token={KEY}", f"Authorization=Bearer {KEY}", f"X-API-Key={KEY}"):
        assert hub.get("/api/jobs", headers={"Cookie": cookie}).status == 401


def test_two_credentials_are_no_credential(hub: Hub) -> None:
    """Which one counts would be a matter of who reads them first."""
    with Peer(hub.port) as peer:
        answer = peer.ask(b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                          b"wrong\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n")
    assert answer.status in (400, 401)


@pytest.mark.parametrize("path", [
    "/api/jobs/../users", "/api/jobs/%2e%2e/users", "/api/jobs/..%2fusers", "/dashboard/../api/users",
    "/dashboard/%2e%2e/api/users", "/dashboard/..%2fapi/users", "//api/users", "/api//users",
    "/API/USERS", "/api/users;x=1", "/api/users%00", "/api/users%20", "/api/./users",
    "/health/../api/users", "/api/openapi.json/../users", "/.backstage/health/v1/../../../api/users",
    "/api/auth/login/../../users", "http://localhost/api/users", "/api/users/", "/api/runner/../users"])
def test_no_way_of_writing_a_path_leads_in(hub: Hub, path: str) -> None:
    with Peer(hub.port) as peer:
        answer = peer.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status in (200, 400, 401, 404), answer
    assert b"vera" not in answer.body and b"ann" not in answer.body
    if answer.status == 200:  # the page, which holds no data
        assert path.startswith("/dashboard/") and b"<!doctype html>" in answer.body[:200].lower()


@pytest.mark.parametrize("host", ["evil.example", "localhost@evil.example", "evil.example:80"])
@pytest.mark.parametrize("path", ["/", "//evil.example/", "/\\evil.example", "/dashboard?next=//evil.example",
                                  "/dashboard//evil.example", "/%2f%2fevil.example"])
def test_nobody_is_sent_elsewhere(hub: Hub, host: str, path: str) -> None:
    with Peer(hub.port) as peer:
        answer = peer.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n"
                          "X-Forwarded-Host: evil.example\r\n\r\n".encode())
    where = answer.headers.get("location")
    assert where in (None, "/dashboard") and (answer.status == 302) == (where is not None)
    assert b"evil" not in answer.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded",
                                  "multipart/form-data; boundary=x"])
def test_a_form_of_another_site_does_nothing(hub: Hub, kind: str) -> None:
    """It can send these without asking first, with the cookies of whoever looks at it."""
    login = log_in(hub, cookie=True)
    pair = login.headers["Set-Cookie"].partition(";")[0]
    for path in ("/api/auth/refresh", "/api/tokens", "/api/jobs/delegate", "/api/users"):
        reply = hub.request("POST", path, b'{"name":"x","jobId":"1","runId":"1","repository":"a/b"}',
                            headers={"Content-Type": kind, "Cookie": pair,
                                     "Origin": "https://evil.example"})
        assert reply.status in (401, 403), (path, reply.text)
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert hub.post("/api/auth/refresh", headers={"Cookie": pair, "X-RunnerHub": "1"}).status == 200


@pytest.mark.parametrize("path", ["/api/%3Cscript%3Ealert(1)%3C/script%3E", "/api/jobs/%3Cimg%20src=x%3E",
                                  "/api/jobs?status=%3Csvg/onload=alert(1)%3E"])
def test_answers_are_never_taken_for_pages(hub: Hub, path: str) -> None:
    reply = hub.get(path, headers={**bearer(KEY), "Accept": "text/html"})
    assert reply.status in (400, 404)
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


# -- replay -----------------------------------------------------------------------------

def test_a_stolen_renewal_ends_the_login_of_both(hub: Hub) -> None:
    """The thief's and the owner's cannot be told apart: both are out."""
    first = log_in(hub, "vera").data
    second = hub.post("/api/auth/refresh", {"refreshToken": first["refreshToken"]}).data
    third = hub.post("/api/auth/refresh", {"refreshToken": second["refreshToken"]}).data
    replayed = hub.post("/api/auth/refresh", {"refreshToken": first["refreshToken"]})
    assert replayed.status == 401
    assert hub.post("/api/auth/refresh", {"refreshToken": third["refreshToken"]}).status == 401
    assert hub.get("/api/jobs", headers=bearer(third["accessToken"])).status == 401
