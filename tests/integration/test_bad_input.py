"""Whatever comes from outside: a clear 4xx that names the field, and the hub
lives. What is sound beside it still passes."""

import json
import random
import socket
import uuid
from typing import Any, Callable, Iterator

import pytest

from http_raw import Peer, Reply
from hub import Hub
from test_http_server import MALFORMED, SECOND

NOWHERE = "unix:///nonexistent/engine.sock"
MB = 1024 * 1024


@pytest.fixture(scope="module")
def victim(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


@pytest.fixture(autouse=True)
def lives(victim: Hub) -> Iterator[None]:
    yield
    assert victim.process is not None and victim.process.poll() is None, victim.log_tail()
    checks = victim.get("/health").json["checks"]
    assert checks["database"] == checks["queue"] == "pass"


def request(**fields: Any) -> dict[str, Any]:
    return {"jobId": "1", "runId": f"run-{uuid.uuid4()}", "repository": "test/repo",
            "steps": [{"run": "true"}], **fields}


def delegate(hub: Hub, body: Any) -> tuple[int, str]:
    """The status, and the words of the error."""
    reply = hub.post("/api/jobs/delegate", body, headers={"Content-Type": "application/json"})
    answer = reply.json
    if reply.status >= 400:
        assert answer["success"] is False and answer["code"]
    return reply.status, answer.get("error", "")


# -- not JSON, or not this JSON -----------------------------------------------------

NOT_JSON = {
    "nothing": b"", "blank": b"  \n", "cut": b'{"jobId":"1"', "word": b"hello",
    "single quotes": b"{'jobId':'1'}", "trailing comma": b'{"jobId":"1",}',
    "comment": b'{"jobId":"1"/* */}', "NaN": b'{"jobId":NaN}', "two values": b"{}{}",
    "NUL behind": b"{}\x00", "NUL within": b'{"jobId":"a\x00b"}',
    "escaped NUL": b'{"jobId":"a\\u0000b"}', "escaped NUL in a key": b'{"a\\u0000b":1}',
    "array": b"[]", "string": b'"x"', "number": b"7", "null": b"null",
    "byte order mark": b"\xef\xbb\xbf{}", "Latin-1": b'{"jobId":"\xe9"}',
    "cut UTF-8": b'{"jobId":"\xc3"}', "overlong UTF-8": b'{"jobId":"\xc0\xaf"}',
    "surrogate UTF-8": b'{"jobId":"\xed\xa0\x80"}', "lone escape": b'{"jobId":"\\ud800"}',
    "UTF-16": '{"jobId":"1"}'.encode("utf-16"), "control byte": b'{"jobId":"a\x01b"}',
    "duplicate key": b'{"jobId":"1","jobId":"2"}',
    "duplicate key within": b'{"jobId":"1","env":{"A":"1","A":"2"}}',
    "deep arrays": b"[" * 100000, "deep objects": b'{"a":' * 100000,
    "deep field": b'{"jobId":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "number beyond": b'{"priority":1e999999}', "form": b"jobId=1&runId=2&repository=a/b"}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_not_json_is_400(victim: Hub, case: str) -> None:
    reply = victim.post("/api/jobs/delegate", NOT_JSON[case])
    assert reply.status == 400 and reply.json["code"] == "invalid_json"
    assert "body" in reply.json["error"], reply.text


@pytest.mark.parametrize("case", NOT_JSON)
def test_a_status_that_is_not_json_is_400(victim: Hub, case: str) -> None:
    job_id = victim.delegate()
    for path in (f"/api/jobs/{job_id}/status", f"/api/jobs/{job_id}/proxy-complete"):
        method = "PATCH" if path.endswith("status") else "POST"
        reply = victim.request(method, path, NOT_JSON[case])
        assert reply.status == 400 and reply.json["code"] == "invalid_json"


# -- wrong types, for every field ------------------------------------------------------

OTHERS: dict[str, Any] = {"number": 7, "negative": -1, "fraction": 0.5, "huge": 10 ** 30,
                          "string": "x y\n", "true": True, "array": [[]], "object": {"a": {}},
                          "empty string": "", "empty array": [], "nulls": [None]}

# What a field takes among the values above.
TAKES = {
    "jobId": {"string"}, "runId": {"string"}, "repository": set(), "workflow": {"string"},
    "runnerName": {"string"}, "labels": {"empty array"}, "sha": {"string"}, "ref": {"string"},
    "eventName": {"string"}, "actor": {"string"}, "attempt": {"number"}, "image": set(),
    "steps": set(), "env": set(), "secrets": set(), "timeoutSeconds": {"number"},
    "priority": {"number"}, "resources": {"object"}, "network": set()}


@pytest.mark.parametrize("field", TAKES)
@pytest.mark.parametrize("kind", OTHERS)
def test_a_wrong_type_names_the_field(victim: Hub, field: str, kind: str) -> None:
    status, error = delegate(victim, request(**{field: OTHERS[kind]}))
    if kind in TAKES[field]:
        assert status == 201, error
    elif kind == "huge":  # no integer of any machine: refused as JSON
        assert status == 400
    else:
        assert status == 400 and field in error, f"{status} {error}"


STEP_TAKES = {"name": {"string"}, "run": {"string"}, "shell": {"string"},
              "workingDirectory": {"string"}, "timeoutSeconds": {"number"},
              "continueOnError": {"true"}, "env": set(), "if": set()}


@pytest.mark.parametrize("field", STEP_TAKES)
@pytest.mark.parametrize("kind", [k for k in OTHERS if k != "huge"])
def test_a_wrong_type_in_a_step_names_it(victim: Hub, field: str, kind: str) -> None:
    steps = [{"run": "true"}, {"run": "true", field: OTHERS[kind]}]
    status, error = delegate(victim, request(steps=steps))
    if kind in STEP_TAKES[field]:
        assert status == 201, error
    else:
        assert status == 400 and f"steps[1].{field}" in error, f"{status} {error}"


@pytest.mark.parametrize("fields, named", [
    ({"steps": [{}]}, "steps[0]"), ({"steps": [{"run": "a", "command": ["b"]}]}, "steps[0]"),
    ({"steps": [{"command": []}]}, "steps[0].command"),
    ({"steps": [{"command": "ls"}]}, "steps[0].command"),
    ({"steps": [{"command": ["ls", 1]}]}, "steps[0].command"),
    ({"steps": ["ls"]}, "steps[0]"), ({"steps": [{"run": "a", "if": "maybe"}]}, "steps[0].if"),
    ({"labels": [1]}, "labels"), ({"labels": [""]}, "labels"), ({"labels": "a"}, "labels"),
    ({"repository": "no-slash"}, "repository"), ({"repository": "a/b/c"}, "repository"),
    ({"repository": "../x"}, "repository"), ({"repository": "a/.."}, "repository"),
    ({"repository": "/b"}, "repository"), ({"repository": "ä/b"}, "repository"),
    ({"image": "two words"}, "image"), ({"image": "-rf"}, "image"), ({"image": "a;b"}, "image"),
    ({"env": {"1A": "x"}}, "env"), ({"env": {"A=B": "x"}}, "env"), ({"env": {"": "x"}}, "env"),
    ({"env": {"A": 1}}, "env.A"), ({"env": {"A": None}}, "env.A"),
    ({"secrets": {"A": True}}, "secrets.A"), ({"secrets": ["A"]}, "secrets"),
    ({"priority": 101}, "priority"), ({"priority": -1}, "priority"),
    ({"priority": 9223372036854775807}, "priority"), ({"attempt": 0}, "attempt"),
    ({"timeoutSeconds": 0}, "timeoutSeconds"), ({"timeoutSeconds": 10 ** 9}, "timeoutSeconds"),
    ({"resources": {"memory": "12q"}}, "resources.memory"),
    ({"resources": {"memory": -1}}, "resources.memory"),
    ({"resources": {"memory": "1m"}}, "resources.memory"),
    ({"resources": {"memory": "99999999999g"}}, "resources.memory"),
    ({"resources": {"cpus": 0}}, "resources.cpus"), ({"resources": {"cpus": -2}}, "resources.cpus"),
    ({"resources": {"cpus": 1e300}}, "resources.cpus"),
    ({"resources": {"cpus": "2"}}, "resources.cpus"),
    ({"resources": {"pids": 0}}, "resources.pids"), ({"resources": {"pids": 1.5}}, "resources.pids"),
    ({"resources": {"pids": 10 ** 12}}, "resources.pids")])
def test_a_bad_value_names_its_place(victim: Hub, fields: dict, named: str) -> None:
    status, error = delegate(victim, request(**fields))
    assert status == 400 and named in error, f"{status} {error}"


LONG = {
    "jobId": ("x" * 257, "x" * 256), "runId": ("x" * 257, None), "workflow": ("x" * 1025, "ü" * 512),
    "runnerName": ("x" * 257, "x" * 256), "repository": ("a/" + "b" * 101, "a/" + "b" * 100),
    "image": ("i" * 1025, "i" * 1024), "labels": (["l"] * 101, ["l" * 256] * 100),
    "steps": ([{"run": "true"}] * 1001, [{"run": "true"}] * 1000),
    "env": ({f"N{n}": "" for n in range(1001)}, {f"N{n}": "" for n in range(1000)}),
    "secrets": ({"A": "x" * (120 * 1024 + 1)}, {"A": "x" * 120 * 1024}),
}


@pytest.mark.parametrize("field", LONG)
def test_what_is_too_long_names_the_field(victim: Hub, field: str) -> None:
    too_long, longest = LONG[field]
    status, error = delegate(victim, request(**{field: too_long}))
    assert status == 400 and field in error, f"{status} {error}"
    if longest is not None:
        status, error = delegate(victim, request(**{field: longest}))
        assert status == 201, error


@pytest.mark.parametrize("step, named", [
    ({"run": "x" * (512 * 1024 + 1)}, "run"), ({"run": "true", "name": "n" * 257}, "name"),
    ({"command": ["a"] * 1001}, "command"), ({"command": ["a" * 500_000]}, "command"),
    ({"run": "true", "env": {"A": "x" * (120 * 1024 + 1)}}, "env.A"),
    ({"run": "true", "env": {f"N{n}": "x" * 110_000 for n in range(4)}}, "env")])
def test_a_step_that_is_too_long(victim: Hub, step: dict, named: str) -> None:
    status, error = delegate(victim, request(steps=[step]))
    assert status == 400 and f"steps[0].{named}" in error, f"{status} {error}"


# -- HTTP -----------------------------------------------------------------------------

def post(body: bytes, length: int | None = None) -> bytes:
    return (b"POST /api/jobs/delegate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
            % (len(body) if length is None else length)) + body


def closed_after(peer: Peer) -> Reply:
    """One answer, in our envelope, and the end of the connection."""
    reply = peer.reply()
    assert peer.read_to_end() == b""
    body = json.loads(reply.body)
    assert body["success"] is False and body["error"] and body["code"]
    return reply


def test_a_body_of_10_mb_and_a_byte_is_413(victim: Hub) -> None:
    body = json.dumps(request()).encode()
    with Peer(victim.port) as peer:
        peer.send_unless_refused(post(body.ljust(10 * MB + 1)))
        assert closed_after(peer).status == 413
    with Peer(victim.port) as peer:
        assert peer.ask(post(body.ljust(10 * MB))).status == 201


@pytest.mark.parametrize("flood", [b"X-Long: " + b"a" * 70000, b"X: y\r\n" * 20000, b"X" * 70000])
def test_a_header_flood_is_431(victim: Hub, flood: bytes) -> None:
    with Peer(victim.port) as peer:
        peer.send_unless_refused(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + flood + b"\r\n\r\n")
        assert closed_after(peer).status == 431


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_http_is_refused_and_closed(victim: Hub, case: str) -> None:
    with Peer(victim.port) as peer:
        peer.send_unless_refused(MALFORMED[case] + SECOND)
        assert 400 <= closed_after(peer).status <= 505


def test_a_half_closed_peer_is_answered(victim: Hub) -> None:
    with Peer(victim.port) as peer:
        peer.send(post(json.dumps(request()).encode()))
        peer.half_close()
        assert peer.reply().status == 201
        assert peer.read_to_end() == b""


def test_a_peer_that_leaves_in_the_middle(victim: Hub) -> None:
    body = json.dumps(request(repository="gone/peer")).encode()
    for sent in (0, 10, 60, 120):
        with Peer(victim.port) as peer:
            peer.send(post(body)[:sent])
    with Peer(victim.port) as peer:  # and one that does not wait for the answer
        peer.send(post(body))
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with Peer(victim.port) as peer:  # half of a body, then nothing more
        peer.send(post(body[:20], len(body)))
        peer.half_close()
        assert peer.reply().status == 400


def test_a_slow_sender_is_waited_for_and_holds_nobody_up(victim: Hub) -> None:
    data = post(json.dumps(request()).encode())
    slow = [Peer(victim.port) for _ in range(40)]  # more than there are workers
    for at in range(0, len(data), 16):
        for peer in slow:
            peer.send(data[at:at + 16])
        assert victim.get("/health").status == 503
    answers = [peer.reply() for peer in slow]
    assert sorted(a.status for a in answers) == [200] * 39 + [201]
    for peer in slow:
        peer.__exit__()


def test_requests_behind_one_another(victim: Hub) -> None:
    with Peer(victim.port) as peer:
        peer.send(b"GET /api/jobs?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        assert [peer.reply().status for _ in range(50)] == [200] * 50


def test_noise_in_a_delegation_never_hurts(victim: Hub) -> None:
    dice = random.Random(4)
    sound = json.dumps(request(env={"A": "b"}, labels=["x"], resources={"cpus": 1})).encode()
    for _ in range(400):
        noise = bytearray(sound)
        for _ in range(dice.randint(1, 6)):
            noise[dice.randrange(len(noise))] = dice.randrange(256)
        status, _ = delegate(victim, bytes(noise))
        assert status in (200, 201, 400, 409), bytes(noise)


@pytest.mark.parametrize("path", [
    "/api/jobs?" + "a=b&" * 2000, "/api/jobs?limit=%00", "/api/jobs?limit=%zz", "/api/%2e%2e/x",
    "/api/jobs/../jobs", "/%ff", "/api/jobs?repository=%ff", "/api/jobs?repository=" + "a" * 8000,
    "/api/jobs/%2e%2e%2fjobs/logs"])
def test_a_strange_target(victim: Hub, path: str) -> None:
    with Peer(victim.port) as peer:
        peer.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        reply = peer.reply()
        assert reply.status in (200, 400, 404, 414, 431), reply.body
        if reply.status != 200:
            assert json.loads(reply.body)["success"] is False


@pytest.mark.parametrize("query", ["tail=-1", "tail=x", "tail=99999999999999999999", "offset=-1",
                                   "follow=maybe", "timestamps=2", "format=xml", "download=yo"])
def test_a_bad_log_parameter_is_named(victim: Hub, query: str) -> None:
    job_id = victim.delegate()
    reply = victim.get(f"/api/jobs/{job_id}/logs?{query}")
    assert reply.status == 400 and f'"{query.split("=")[0]}"' in reply.json["error"]
