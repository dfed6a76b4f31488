"""Every route, asked by everybody, for what is theirs and what is not: the hub
does what the tables of docs/ACCESS.md say, and every route has a row there."""

import http.client
import json
import os
import re
import uuid
from typing import Callable, Iterator, NamedTuple, Optional

import pytest

from hub import Hub
from session_api import bearer, complete, open_session, session_token
from test_session_access import new_runner
from test_users import JWT_SECRET, PASSWORD, forge

KEY, ENROLMENT = "a-key-of-the-tests-0123456789", "an-enrolment-key-of-the-tests"
STARTS, LOOKS = "token-that-starts-1", "token-that-looks-2"
DOCS = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "ACCESS.md")
ROLES = ["viewer", "operator", "admin"]
YES, NO, HIDDEN = "may", "may not", "is told that it does not exist"


# -- the tables ------------------------------------------------------------------------

class Row(NamedTuple):
    method: str
    path: str
    least: str         # a role, "anybody" or "nobody": not for people
    tokens: list[str]  # "runner: own", "session: itself", "enrolment"...


def rows(heading: str) -> dict[tuple[str, str], Row]:
    with open(DOCS, encoding="utf-8") as file:
        _, _, text = file.read().partition(f"\n## {heading}\n")
    found = {}
    for line in text.partition("\n## ")[0].splitlines():
        cells = [cell.strip(" `") for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0] in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            tokens = [word for word in re.split(r",\s*", cells[3]) if word]
            found[cells[0], cells[1]] = Row(cells[0], cells[1], cells[2], tokens)
    return found


HUB_ROWS, COMPONENT_ROWS = rows("The hub"), rows("Components")


# -- everybody -------------------------------------------------------------------------

class World(NamedTuple):
    hub: Hub
    people: dict[str, Optional[str]]  # who -> their token
    runner: str                       # its id, a's
    objects: dict[str, str]           # whose session -> its id


def log_in(hub: Hub, name: str) -> str:
    reply = hub.post("/api/auth/login", {"username": name, "password": PASSWORD})
    assert reply.status == 200, reply.text
    return reply.data["accessToken"]


def program_of(hub: Hub, role: str, login: str) -> str:
    made = hub.post("/api/tokens", {"name": f"of-{role}", "role": role}, headers=bearer(login))
    assert made.status == 201, made.text
    return made.data["token"]


def family(hub: Hub, runner_token: str) -> tuple[str, str, str]:
    """A session of a runner, the token inside it, and a session inside that."""
    session = open_session(hub, runner_token, nested={"work": "/work"})
    inside = session_token(hub, session, runner_token)
    return session, inside, open_session(hub, inside)


@pytest.fixture(scope="module")
def world(make_module_hub: Callable[..., Hub], tmp_path_factory: pytest.TempPathFactory
          ) -> Iterator[World]:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.yaml"
    tokens.write_text(f"- {{token: {STARTS}, subject: previews, allowStart: true}}\n"
                      f"- {{token: {LOOKS}, subject: dashboard, allowStart: false}}\n")
    tokens.chmod(0o600)
    hub = make_module_hub({
        "RUNNERHUB_API_KEY": KEY, "RUNNERHUB_ENROLMENT_KEY": ENROLMENT,
        "JWT_SECRET": JWT_SECRET, "RUNNERHUB_PORTAL_TOKENS": str(tokens),
        "RUNNERHUB_CAPACITY": "8", "RUNNERHUB_SESSION_FIRST_LEASE": "600",
        "RUNNERHUB_SESSION_LEASE": "600"}).start()
    people: dict[str, Optional[str]] = {"nobody": None, "key": KEY, "enrolment": ENROLMENT}
    for role in ROLES:
        made = hub.post("/api/users", {"name": role, "password": PASSWORD, "role": role},
                        headers=bearer(KEY))
        assert made.status == 201, made.text
        login = log_in(hub, role)
        people[role] = login
        people[f"program of {role}"] = program_of(hub, role, login)
    people["garbage"] = "x" * 40
    login = people["admin"] or ""
    people["one who forged a login"] = forge(login, secret="guessed")
    people["one whose login never was"] = forge(login, sid=str(uuid.uuid4()))
    people["one whose login is over"] = forge(login, exp=1)
    people["service that starts"], people["service that looks"] = STARTS, LOOKS
    runner, a = new_runner(hub, "a")
    _, b = new_runner(hub, "b")
    own, inside, child = family(hub, a)
    other = open_session(hub, b, nested={"work": "/work"})
    people.update({"runner": a, "session": inside})
    yield World(hub, people, runner, {"own": own, "inner": child, "other's": other})
    for session, token in ((own, a), (other, b)):
        complete(hub, session, token)


# -- asking ----------------------------------------------------------------------------

# Nothing that a handler takes for its body: an allowed call gets as far as that.
NO_OBJECT = "[]"


def ask(hub: Hub, method: str, path: str, token: Optional[str], body: str = NO_OBJECT) -> str:
    """The first of the answer tells: a stream is not read to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120)
    try:
        connection.request(method, path, None if method in ("GET", "DELETE") else body,
                           {**bearer(token), "Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status in (401, 403):
            return NO
        assert answer.status < 500 or answer.status in (502, 503), (
            f"{method} {path}: {answer.status} {answer.read(500)!r}")
        return HIDDEN if answer.status == 404 else YES
    finally:
        connection.close()


def has_role(who: str, least: str) -> bool:
    """Somebody with a role, by themselves or by a token of theirs; the key is an admin."""
    mine = "admin" if who == "key" else who.removeprefix("program of ")
    return mine in ROLES and least in ROLES and ROLES.index(mine) >= ROLES.index(least)


def agree(said: str, want: str, whose: str) -> bool:
    # To those with a role what does not exist does not exist: they were let in.
    return said == want or (want == YES and said == HIDDEN and whose == "")


# -- the hub's own routes ----------------------------------------------------------------

def test_every_route_has_a_row(world: World) -> None:
    described = world.hub.get("/api/openapi.json").json["paths"]
    served = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert served == set(HUB_ROWS)


def expected(row: Row, who: str, whose: str) -> str:
    if who.startswith("program") and "no programs" in row.tokens:
        return NO
    if row.least == "anybody" or has_role(who, row.least):
        return YES
    if who == "session" and whose == "own":
        whose = "itself"
    if who == "session" and whose == "inner":
        whose = "own"
    mine = [word for word in row.tokens if word.partition(":")[0] == who]
    if not mine:
        return NO
    if whose and not any(word in (f"{who}: {whose}", who) for word in mine):
        return HIDDEN
    return YES


def test_only_known_words_stand_in_the_tables() -> None:
    assert HUB_ROWS and COMPONENT_ROWS
    words = {"runner", "runner: own", "runner: itself", "session", "session: own",
             "session: itself", "enrolment", "no programs"}
    for row in HUB_ROWS.values():
        assert row.least in ("anybody", "nobody", *ROLES), row
        assert set(row.tokens) <= words, row


def filled(path: str, job: str) -> str:
    return (path.replace("{id}", job).replace("{step}", "0").replace("{name}", "no-such-name"))


def walk_jobs(world: World, row: Row, objects: dict[str, str]) -> None:
    # The session first: where the walk ends it, its token ends with it.
    for who, token in sorted(world.people.items(), key=lambda one: one[0] != "session"):
        for whose, job in objects.items():
            want = expected(row, who, whose)
            said = ask(world.hub, row.method, filled(row.path, job), token)
            # A step that is not there is a 404 to its owner as well.
            absent = want == YES and said == HIDDEN and ("{step}" in row.path)
            assert said == want or absent, f"{who}, {whose} job: {said}, and should: {want}"


def walk_runners(world: World, row: Row) -> None:
    for who, token in world.people.items():
        if who != "runner":
            said = ask(world.hub, row.method, filled(row.path, str(uuid.uuid4())), token)
            assert agree(said, expected(row, who, ""), ""), f"{who}: {said}"
            continue
        # One of its own for each, which may be removed.
        runner, own = new_runner(world.hub, f"r{uuid.uuid4().hex[:12]}")
        may = any(word.startswith("runner") for word in row.tokens)
        said = ask(world.hub, row.method, filled(row.path, world.runner), own)
        assert said == (HIDDEN if may else NO), f"another runner: {said}"
        said = ask(world.hub, row.method, filled(row.path, runner), own)
        assert said == (YES if may else NO), f"the runner itself: {said}"


def walk(world: World, row: Row) -> None:
    for who, token in world.people.items():
        role = who.removeprefix("program of ")
        if row.path == "/api/auth/logout" and role in ROLES:  # it ends with this
            token = log_in(world.hub, role)
            token = token if role == who else program_of(world.hub, role, token)
        said = ask(world.hub, row.method, filled(row.path, str(uuid.uuid4())), token)
        want = expected(row, who, "")
        # The doors of those without a login refuse what their body lacks.
        if row.path.startswith("/api/auth/") and row.least == "anybody":
            continue
        assert agree(said, want, ""), f"{who}: {said}, and should: {want}"


# What ends something, or keeps everybody from working, has objects of its own.
ENDS = {"/api/jobs/{id}/cancel"}
STOPS = {"/api/queue/pause", "/api/queue/drain"}


@pytest.mark.parametrize("row", [row for row in HUB_ROWS.values() if row.path not in ENDS | STOPS],
                         ids=lambda row: f"{row.method} {row.path}")
def test_a_route(world: World, row: Row) -> None:
    if row.path.startswith("/api/jobs/{id}"):
        walk_jobs(world, row, world.objects)
    elif row.path.startswith("/api/runners/{id}"):
        walk_runners(world, row)
    else:
        walk(world, row)


def test_routes_that_end_jobs(world: World) -> None:
    _, runner = new_runner(world.hub, "c")
    own, inside, child = family(world.hub, runner)
    changed = world._replace(people={**world.people, "runner": runner, "session": inside})
    for path in ENDS:
        # The inner one first: with the outer one its token ends.
        row = HUB_ROWS["POST", path]
        for objects in ({"inner": child, "other's": world.objects["other's"]}, {"own": own}):
            people = {who: token for who, token in changed.people.items()
                      if "other's" not in objects or expected(row, who, "other's") != YES
                      or who == "session"}
            walk_jobs(changed._replace(people=people), row, objects)


@pytest.mark.parametrize("path", sorted(STOPS))
def test_routes_that_stop_the_queue(world: World, path: str) -> None:
    try:
        walk(world, HUB_ROWS["POST", path])
    finally:
        assert world.hub.post("/api/queue/resume", headers=bearer(KEY)).status == 200


# -- components ---------------------------------------------------------------------------

# These routes look at their body before they look at who asks.
NOT_THERE = {"entityRef": "component:default/nobody", "instanceId": str(uuid.uuid4())}


def component_expected(row: Row, who: str) -> str:
    if who == "service that starts" or has_role(who, row.least):
        return YES
    if who == "service that looks" and row.path != "/start":
        return YES
    return NO


@pytest.mark.parametrize("row", COMPONENT_ROWS.values(), ids=lambda row: f"{row.method} {row.path}")
def test_a_route_of_components(world: World, row: Row) -> None:
    """With users of the hub and services; portals' users: test_component_access.py."""
    for who, token in world.people.items():
        path = "/api/runner" + filled(row.path, str(uuid.uuid4()))
        said = ask(world.hub, row.method, path, token, json.dumps(NOT_THERE))
        want = component_expected(row, who)
        assert agree(said, want, ""), f"{who}: {said}, and should: {want}"


def test_nothing_below_the_api_is_served_without_a_row(world: World) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        for path in ("/api", "/api/", "/api/nothing", "/api/jobs/", "/api/users/x/y", "/metrics/x"):
            if (method, path.rstrip("/")) in HUB_ROWS:
                continue
            connection = http.client.HTTPConnection("127.0.0.1", world.hub.port, timeout=120)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                body = answer.read()
            finally:
                connection.close()
            assert answer.status in (204, 400, 401, 404, 405), (method, path, answer.status)
            if answer.status == 204:  # a page asks what it may ask
                assert method == "OPTIONS"
            elif body:
                assert json.loads(body)["success"] is False
