"""Who may do what to whose session, tried as an attacker would: with the
token of another runner, of another session, of one that is over, with none."""

import os
import uuid
from typing import Any, Callable, Iterator, NamedTuple, Optional

import pytest

from hub import Hub, Reply, wait_for
from http_raw import Peer
from session_api import (Output, UnixConnection, bearer, complete, open_session, run_step,
                         session_token, start_step)

KEY = "a-key-of-the-tests-0123456789"


def new_runner(hub: Hub, name: str) -> tuple[str, str]:
    reply = hub.post("/api/runners/register", {"name": name}, headers=bearer(KEY))
    assert reply.status == 201, reply.text
    return reply.data["id"], reply.data["token"]


class World(NamedTuple):
    """Two runners with a session each, and a session inside the first."""
    hub: Hub
    runner: str    # its id
    tokens: dict[str, Optional[str]]
    session: str   # of runner a, nested
    child: str     # inside it
    step: int      # of the session, ended
    child_step: int
    other: str     # of runner b, nested


@pytest.fixture(scope="module")
def world(make_module_hub: Callable[..., Hub]) -> Iterator[World]:
    hub = make_module_hub({"RUNNERHUB_API_KEY": KEY, "RUNNERHUB_CAPACITY": "8",
                           "RUNNERHUB_SESSION_FIRST_LEASE": "600",
                           "RUNNERHUB_SESSION_LEASE": "600"}).start()
    runner, a = new_runner(hub, "a")
    _, b = new_runner(hub, "b")
    _, revoked = new_runner(hub, "c")
    gone, removed = new_runner(hub, "d")
    assert hub.post(f"/api/runners/{new_id(hub, 'c')}/token", headers=bearer(KEY)).status == 200
    assert hub.delete(f"/api/runners/{gone}", headers=bearer(KEY)).status == 200
    session = open_session(hub, a, nested={"work": "/work"})
    other = open_session(hub, b, nested={"work": "/work"})
    inside = session_token(hub, session, a)
    child = open_session(hub, inside)
    step = start_step(hub, session, "first", a, command=["echo", "secret"])
    child_step = start_step(hub, child, "first", inside, command=["echo", "inner"])
    for job, number, token in ((session, step, a), (child, child_step, inside)):
        with Output(hub, job, number, token=token) as output:
            output.all()
    tokens = {"nobody": None, "key": KEY, "owner": a, "other runner": b, "inside": inside,
              "inside other": session_token(hub, other, b), "revoked": revoked, "removed": removed,
              "garbage": "rhr_" + "0" * 32 + "_" + "0" * 64, "wrong key": KEY[:-1] + "x"}
    yield World(hub, runner, tokens, session, child, step, child_step, other)
    for job, token in ((other, b), (session, a)):
        complete(hub, job, token)
    wait_for(lambda: hub.job(child, bearer(KEY))["status"] in ("failed", "cancelled"),
             what="the child ends with it")


def new_id(hub: Hub, name: str) -> str:
    for runner in hub.get("/api/runners", headers=bearer(KEY)).data:
        if runner["name"] == name:
            return runner["id"]
    raise AssertionError(name)


# -- the matrix ---------------------------------------------------------------------

class Call(NamedTuple):
    method: str
    path: str      # {} is the session
    body: Any = None
    good: tuple = (200, 201)


# What changes nothing, so that it can be sent by everybody again and again.
LOOK = [
    Call("GET", ""), Call("GET", "/logs"), Call("GET", "/events"), Call("GET", "/steps/0"),
    Call("GET", "/steps/0/output"), Call("POST", "/heartbeat"),
    Call("GET", "/logs?follow=true&until=running"),
]
DRIVE = [
    Call("POST", "/steps", {"key": "first", "command": ["true"]}),
    Call("POST", "/steps/0/signal", {"signal": "KILL"}),
    Call("POST", "/steps/0/input", b"x"),
    Call("PATCH", "/status", {"status": "running"}),
    Call("POST", "/proxy-complete", {"status": "completed", "runId": "no", "jobId": "no"}, (409,)),
]
REFUSED = ("nobody", "revoked", "removed", "garbage", "wrong key")


def send(world: World, call: Call, job: str, token: Optional[str]) -> Reply:
    return world.hub.request(call.method, f"/api/jobs/{job}{call.path}", call.body,
                             headers=bearer(token))


def expected(call: Call, who: str, job: str) -> tuple:
    if who in REFUSED:
        return (401,)
    if who == "key":
        return call.good
    may = {"session": {"owner"}, "child": {"inside"}}[job]
    if job == "session" and call in LOOK:
        may = may | {"inside"}
    return call.good if who in may else (404,)


@pytest.mark.parametrize("job", ["session", "child"])
@pytest.mark.parametrize("call", LOOK + DRIVE, ids=lambda call: f"{call.method} {call.path}")
def test_every_route_of_a_session(world: World, call: Call, job: str) -> None:
    target = getattr(world, job)
    for who, token in world.tokens.items():
        reply = send(world, call, target, token)
        assert reply.status in expected(call, who, job), f"{who}: {reply.status} {reply.text}"
        if reply.status == 404:  # nothing tells it from one that does not exist
            none = send(world, call, str(uuid.uuid4()), token)
            assert (none.status, none.body) == (404, reply.body)


@pytest.mark.parametrize("who", ["other runner", "inside other", "inside", *REFUSED])
def test_nobody_else_ends_it(world: World, who: str) -> None:
    reply = world.hub.post(f"/api/jobs/{world.session}/cancel", headers=bearer(world.tokens[who]))
    assert reply.status == (401 if who in REFUSED else 404)
    assert world.hub.job(world.session, bearer(KEY))["status"] == "running"


ADMIN = [("GET", "/metrics"), ("GET", "/api/metrics"), ("GET", "/api/events"),
         ("GET", "/api/system"), ("GET", "/api/runners"), ("POST", "/api/runners"),
         ("POST", "/api/runners/register"), ("POST", "/api/runners/enrol")]


@pytest.mark.parametrize("method, path", ADMIN)
def test_tokens_open_nothing_else(world: World, method: str, path: str) -> None:
    for who in ("owner", "inside"):
        reply = world.hub.request(method, path, {} if method == "POST" else None,
                                  headers=bearer(world.tokens[who]))
        assert reply.status == 403 and reply.json["code"] == "not_permitted", f"{who}: {reply.text}"


def test_a_token_runs_no_job_of_the_hub(world: World) -> None:
    for who in ("owner", "inside"):
        body = {"jobId": "1", "runId": uuid.uuid4().hex, "repository": "a/b",
                "steps": [{"run": "true"}]}
        reply = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens[who]))
        assert reply.status == 403 and reply.json["code"] == "sessions_only"


def test_lists_show_what_is_theirs(world: World) -> None:
    def listed(who: str, query: str = "") -> set[str]:
        reply = world.hub.get(f"/api/jobs{query}", headers=bearer(world.tokens[who]))
        assert reply.json["pagination"]["total"] == len(reply.data)
        return {job["id"] for job in reply.data}
    assert listed("owner") == {world.session} and listed("other runner") == {world.other}
    assert listed("inside") == {world.child} and listed("inside other") == set()
    assert {world.session, world.child, world.other} <= listed("key")
    for query in (f"?parentId={world.session}", f"?runnerId={world.runner}"):
        assert listed("other runner", query) <= {world.other}
        assert listed("inside other", query) == set()
    assert listed("key", f"?parentId={world.session}") == {world.child}
    assert listed("key", f"?runnerId={world.runner}") == {world.session}


# -- taking what is another's -----------------------------------------------------------

def test_the_same_delegation_of_another_runner_is_no_way_in(world: World) -> None:
    body = {"jobId": "1", "runId": uuid.uuid4().hex, "repository": "a/b"}
    first = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens["owner"]))
    assert first.status == 201
    again = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens["owner"]))
    assert again.status == 200 and again.data["delegationId"] == first.data["delegationId"]
    stolen = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens["other runner"]))
    assert stolen.status == 409 and stolen.json["code"] == "job_conflict"
    # What a job opens inside its session can take no name from anybody.
    inner = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens["inside"]))
    assert inner.status == 201
    assert inner.data["delegationId"] != first.data["delegationId"]
    for job in (first, inner):
        world.hub.post(f"/api/jobs/{job.data['delegationId']}/cancel", headers=bearer(KEY))
        world.hub.wait_status(job.data["delegationId"], "cancelled", headers=bearer(KEY))


def test_a_session_cannot_be_given_away(world: World) -> None:
    """PATCH's runnerId is the admin's: a runner cannot name another owner."""
    other = new_id(world.hub, "b")
    reply = world.hub.patch(f"/api/jobs/{world.session}/status",
                            {"status": "running", "runnerId": other},
                            headers=bearer(world.tokens["owner"]))
    assert reply.status == 200 and reply.data["runnerId"] == world.runner
    for field in ({"runnerId": other}, {"parentId": world.other}, {"runner_id": other}):
        body = {"jobId": "1", "runId": uuid.uuid4().hex, "repository": "a/b", **field}
        made = world.hub.post("/api/jobs/delegate", body, headers=bearer(world.tokens["owner"]))
        assert made.status == 201
        job = world.hub.job(made.data["delegationId"], bearer(KEY))
        assert job["runnerId"] == world.runner and job["parentId"] is None
        world.hub.post(f"/api/jobs/{job['id']}/cancel", headers=bearer(KEY))
        world.hub.wait_status(job["id"], "cancelled", headers=bearer(KEY))


def test_a_job_cannot_keep_its_own_session(world: World) -> None:
    """It may ask after it, but the lease is its proxy's."""
    before = world.hub.job(world.session, bearer(KEY))["leaseUntil"]
    reply = world.hub.post(f"/api/jobs/{world.session}/heartbeat",
                           headers=bearer(world.tokens["inside"]))
    assert reply.status == 200 and reply.data["status"] == "running"
    with Output(world.hub, world.session, world.step, token=world.tokens["inside"]) as output:
        output.all()
    assert world.hub.job(world.session, bearer(KEY))["leaseUntil"] == before


@pytest.mark.parametrize("step", ["2", "7", "65534", "65535", "-1", "00", "0%00", "0/../../x", "%2e%2e"])
def test_guessed_steps(world: World, step: str) -> None:
    for tail in ("", "/output"):
        reply = world.hub.get(f"/api/jobs/{world.session}/steps/{step}{tail}",
                              headers=bearer(world.tokens["owner"]))
        assert reply.status in (400, 404)
    reply = world.hub.post(f"/api/jobs/{world.session}/steps/{step}/signal", {"signal": "KILL"},
                           headers=bearer(world.tokens["owner"]))
    assert reply.status in (400, 404), reply.text


@pytest.mark.parametrize("path", [
    "../{other}", "{own}/../{other}", "{own}%2f..%2f{other}", "%2e%2e/{other}", "{own};{other}",
    "{other}%00", "{other} ", "{other}/", "{OTHER}", "{{{other}}}", "*", "{other}?id={own}",
    "{other}%2flogs", "./{other}", "{own}/steps/../../{other}/logs"])
def test_no_way_of_writing_an_id_leads_around(world: World, path: str) -> None:
    target = path.format(own=world.session, other=world.other, OTHER=world.other.upper())
    reply = raw(world.hub.port, f"GET /api/jobs/{target} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {world.tokens['owner']}\r\n\r\n")
    assert reply.status in (400, 404), reply.body
    assert world.other.encode() not in reply.body


# -- credentials ---------------------------------------------------------------------------

def raw(where: Any, text: str) -> Any:
    with Peer(where) as peer:
        return peer.ask(text.encode("latin-1"))


def socket_of(world: World) -> str:
    return os.path.join(world.hub.state_dir, "api", "hub.sock")


def test_every_character_of_a_token_counts(world: World) -> None:
    for who in ("owner", "inside"):
        token = world.tokens[who]
        assert token is not None
        for at in (0, 3, 4, 20, 35, 36, 37, 70, len(token) - 1):
            wrong = token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1:]
            assert world.hub.get("/api/jobs", headers=bearer(wrong)).status == 401
        for wrong in (token[:-1], token + "0", token + "\t0", token.upper(), token[4:],
                      f"{token},{token}", f"{token} {KEY}"):
            assert world.hub.get("/api/jobs", headers=bearer(wrong)).status == 401, wrong


@pytest.mark.parametrize("extra", [
    "Authorization: Bearer {b}", "X-API-Key: {key}x", "X-Forwarded-For: 127.0.0.1",
    "X-Original-URL: /api/jobs/{other}", "X-Rewrite-URL: /api/jobs/{other}",
    "X-HTTP-Method-Override: DELETE", "Forwarded: for=127.0.0.1"])
def test_no_second_header_adds_rights(world: World, extra: str) -> None:
    line = extra.format(b=world.tokens["other runner"], key=KEY, other=world.other)
    for where in (world.hub.port, socket_of(world)):
        for first in (True, False):
            auth = f"Authorization: Bearer {world.tokens['owner']}"
            lines = "\r\n".join([line, auth] if first else [auth, line])
            reply = raw(where, f"GET /api/jobs/{world.other} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n")
            assert reply.status in (400, 401, 404), f"{where}: {reply.status}"


@pytest.mark.parametrize("smuggled", [
    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 90\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "X: a\r\n b: c\r\n\r\n", "X: a\nAuthorization: Bearer x\r\n\r\n"])
def test_requests_cannot_be_smuggled_over_the_socket(world: World, smuggled: str) -> None:
    inner = f"GET /api/jobs/{world.other} HTTP/1.1\r\nHost: x\r\n\r\n"
    with Peer(socket_of(world)) as peer:
        peer.send_unless_refused(
            (f"POST /api/jobs/{world.session}/heartbeat HTTP/1.1\r\nHost: x\r\n"
             f"Authorization: Bearer {world.tokens['owner']}\r\n{smuggled}{inner}").encode())
        answer = peer.reply()
        rest = peer.read_to_end()
    assert answer.status == 400 and rest == b""


def unix(hub: Hub, path: str, token: Optional[str] = None, method: str = "GET") -> int:
    connection = UnixConnection(os.path.join(hub.state_dir, "api", "hub.sock"))
    connection.request(method, path, headers=bearer(token))
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_socket_asks_everybody(world: World) -> None:
    for path in ("/api/jobs", "/health", "/api/openapi.json", f"/api/jobs/{world.session}"):
        assert unix(world.hub, path) == 401
        assert unix(world.hub, path, KEY) == 200
    assert unix(world.hub, f"/api/jobs/{world.child}", world.tokens["inside"]) == 200
    assert unix(world.hub, f"/api/jobs/{world.other}", world.tokens["inside"]) == 404
    assert unix(world.hub, "/api/jobs", world.tokens["garbage"]) == 401


# -- open mode -----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def open_hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": "unix:///nonexistent/engine.sock"}).start()


def test_open_mode_ends_at_the_socket(open_hub: Hub) -> None:
    assert open_hub.get("/api/jobs").status == 200
    assert unix(open_hub, "/api/jobs") == 401 and unix(open_hub, "/health") == 401


@pytest.mark.parametrize("token", ["rhr_" + "0" * 32 + "_" + "0" * 64, "rhs_" + "0" * 32 + "_" + "0" * 64,
                                   "rhr_", "rhs_x", "anything"])
def test_a_wrong_token_is_never_taken_for_none(open_hub: Hub, token: str) -> None:
    assert open_hub.get("/api/jobs", headers=bearer(token)).status == 401
    assert open_hub.get("/api/jobs", headers={"X-API-Key": token}).status == 401


# -- the end of a session ---------------------------------------------------------------------

def test_a_token_ends_with_its_session(world: World) -> None:
    hub, owner = world.hub, world.tokens["owner"]
    _, short_lived = new_runner(hub, "e")
    session = open_session(hub, short_lived, nested={"work": "/work"})
    token = session_token(hub, session, short_lived)
    child = open_session(hub, token)
    run_step(hub, child, "a", token, command=["true"])
    complete(hub, session, short_lived)
    for path in (f"/api/jobs/{child}", f"/api/jobs/{session}", "/api/jobs"):
        reply = hub.get(path, headers=bearer(token))
        assert reply.status == 401 and reply.json["code"] == "session_over"
    late = hub.post("/api/jobs/delegate", {"jobId": "9", "runId": "9", "repository": "a/b"},
                    headers=bearer(token))
    assert late.status == 401
    wait_for(lambda: hub.job(child, bearer(KEY))["status"] in ("failed", "cancelled"),
             what="the child ends with its parent")
    # One for another job does not follow from one that is known.
    kind, _, proof = world.tokens["inside"].split("_")
    for job in (uuid.uuid4().hex, uuid.UUID(world.other).hex):
        assert hub.get("/api/jobs", headers=bearer(f"{kind}_{job}_{proof}")).status == 401
    assert hub.get(f"/api/jobs/{session}", headers=bearer(owner)).status == 404
