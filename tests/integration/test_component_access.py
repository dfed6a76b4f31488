"""Who may use components when a portal is configured: components-api 1.2, row
by row, with the portal's own tokens, and with tokens that nobody gave."""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from typing import Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_api_lab import NOBODY, TICKER  # noqa: E402
from component_lab import Catalog, remove_images  # noqa: E402
from engine_api import Engine  # noqa: E402
from fake_portal import FakePortal, LIMITED_TYPE, SigningKey, base64url  # noqa: E402
from hub import Hub, wait_for  # noqa: E402
from mount_lab import Proxy  # noqa: E402
from raw_portal import Answer, Client, ask  # noqa: E402

KEY, STARTS, LOOKS = "a-key-for-tests-1", "token-that-starts-1", "token-that-looks-2"
TEAM = "group:default/testers"  # owns what the lab's catalog has
ROUTES = ["/instances", f"/instances/{NOBODY}", f"/instances/{NOBODY}/logs?follow=true",
          f"/instances/{NOBODY}/stats", "/errors", "/components", "/events", "/nothing", "/"]


@pytest.fixture(scope="module")
def portal() -> Iterator[FakePortal]:
    fake = FakePortal()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    catalog = Catalog(image)
    catalog.add("Ticker", health="", dockerfile=TICKER)
    catalog.add("second", health="", dockerfile=TICKER)
    catalog.write("Tokens", "tokens.txt", f"""\
- {{token: {STARTS}, subject: previews, allowStart: true}}
- {{token: {LOOKS}, subject: dashboard, allowStart: false}}
""")
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], portal: FakePortal, catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    hub = make_module_hub({
        "RUNNERHUB_CATALOG": f"{catalog.path('ticker')},{catalog.path('second')}",
        "RUNNERHUB_PORTAL_URL": portal.url,
        "RUNNERHUB_PORTAL_OWNERS": "stop",
        "RUNNERHUB_PORTAL_TOKENS": catalog.path("tokens", "tokens.txt"),
        "RUNNERHUB_API_KEY": KEY,
        "RUNNERHUB_COMPONENTS_MAX": "2",
        "CORS_ORIGIN": "*",
    }).start()
    yield hub
    own = bearing(hub, KEY)
    for instance in own.list().json["items"]:
        assert own.stop(instance["id"]).status == 200
    remove_images(engine, hub)


def bearing(hub: Hub, token: str, scheme: str = "Bearer ") -> Client:
    return Client(hub.port, headers={"Authorization": scheme + token})


def refused(answer: Answer, message: str, status: int = 401) -> None:
    name = {401: "AuthenticationError", 403: "NotAllowedError"}[status]
    assert answer.error(status, name)["error"]["message"] == message


# -- the table, row by row -------------------------------------------------------------

def test_no_credentials(live: Hub) -> None:
    for path in ROUTES:
        refused(Client(live.port).get(path), "Missing credentials")
    # Before what the body says.
    refused(Client(live.port).start(7), "Missing credentials")
    refused(Client(live.port).stop(7), "Missing credentials")
    for header in ("Bearer", "Bearer ", "Basic abc", "Bearer two words", "token", "Bearertoken",
                   "Bearer a b", "Bearer a, Bearer b"):
        answer = ask(live.port, "GET", "/api/runner/instances", headers={"Authorization": header})
        refused(answer, "Missing credentials")


def test_tokens_that_nobody_knows(live: Hub) -> None:
    for token in ("x", "not.a.token", KEY + "x", KEY[:-1], STARTS.upper(), "rhr_" + "0" * 40,
                  "a.b.c.d", "...", "%00", "e30.e30.e30"):
        refused(bearing(live, token).list(), "Illegal token")
        refused(bearing(live, token).start(7), "Illegal token")


def test_users(live: Hub, portal: FakePortal) -> None:
    guest = portal.user_token("user:development/guest")
    for token in (portal.user_token(), guest, portal.user_token(typ=None)):
        for scheme in ("Bearer ", "bearer ", "BEARER    "):
            assert bearing(live, token, scheme).list().status == 200
        bearing(live, token).start("component:nobody").error(404, "NotFoundError")
        bearing(live, token).start(7).error(400, "InputError")


def test_tokens_of_users_that_are_not_right(live: Hub, portal: FakePortal) -> None:
    now = int(time.time())
    good = portal.user_token()
    head, claims, signature = good.split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "=="))
    other["sub"] = "user:default/root"
    forged = base64url(json.dumps(other).encode())
    known = {"kid": portal.users.current.kid}
    for why, token in {
            "expired": portal.user_token(exp=now - 1000), "endless": portal.user_token(exp=None),
            "of another key": portal.user_token(tokens_key=SigningKey(), header=known),
            "nobody's": portal.user_token(sub=None), "forged": f"{head}.{forged}.{signature}",
            "damaged": f"{head}.{claims}.{signature[:-6]}AAAAAA", "cut": f"{head}.{claims}.",
            "alg none": portal.user_token(header={"alg": "none"})}.items():
        answer = bearing(live, token).list()
        assert answer.status == 401, why
        refused(answer, "Failed user token verification")
    for token in (portal.user_token(typ=LIMITED_TYPE), portal.user_token(typ=None, aud="other")):
        assert bearing(live, token).list().status == 401


def test_tokens_signed_with_what_is_public(live: Hub, portal: FakePortal) -> None:
    """No signature, and the published key taken for a shared secret."""
    jwk = portal.users.current.jwk
    claims = base64url(json.dumps({"sub": "user:default/jane", "aud": "backstage",
                                   "iat": int(time.time()), "exp": int(time.time()) + 600}).encode())
    for alg in ("none", "None", "HS256"):
        head = base64url(json.dumps({"typ": "vnd.backstage.user", "alg": alg,
                                     "kid": jwk["kid"]}).encode())
        text = f"{head}.{claims}"
        secret = hmac.new(json.dumps(jwk).encode(), text.encode(), hashlib.sha256).digest()
        for signature in ("", base64url(secret)):
            assert bearing(live, f"{text}.{signature}").list().status == 401


def test_services_may_all_but_start(live: Hub, portal: FakePortal) -> None:
    for token in (portal.plugin_token(), LOOKS):
        client = bearing(live, token)
        assert client.list().status == 200
        client.stop(NOBODY).error(404, "NotFoundError")
        client.start(7).error(400, "InputError")
        refused(client.start("component:ticker"),
                "This endpoint does not allow 'service' credentials", 403)
    for token in (STARTS, KEY):
        bearing(live, token).start("component:nobody").error(404, "NotFoundError")
    for token in (portal.plugin_token(aud="catalog"), portal.plugin_token(tokens_key=SigningKey())):
        assert bearing(live, token).list().status == 401


def test_keys_that_rotate(live: Hub, portal: FakePortal) -> None:
    assert bearing(live, portal.user_token()).list().status == 200
    portal.rotate()
    # Keys are fetched anew now and then only.
    wait_for(lambda: bearing(live, portal.user_token()).list().status == 200,
             what="the new key is known")


def test_a_portal_that_is_away(live: Hub, portal: FakePortal) -> None:
    known = portal.user_token()
    assert bearing(live, known).list().status == 200
    portal.down()
    try:
        # Whose key is known needs no portal; others wait for it.
        assert bearing(live, known).list().status == 200
        assert bearing(live, KEY).list().status == 200
        answer = bearing(live, portal.plugin_token("newcomer")).list()
        answer.error(503, "ServiceUnavailableError")
    finally:
        portal.up()


def test_a_portal_that_hangs_does_not_hold_the_hub(live: Hub, portal: FakePortal) -> None:
    """Twelve with keys that must be asked for, of eight handlers."""
    statuses: list[int] = []
    threads: list[threading.Thread] = []

    def ask_aside() -> None:
        token = portal.user_token(tokens_key=SigningKey())
        threads.append(threading.Thread(
            target=lambda: statuses.append(bearing(live, token).list().status)))
        threads[-1].start()

    def hangs() -> bool:  # keys are asked for now and then only
        ask_aside()
        return len(portal.asked("jwks.json")) > before

    before = len(portal.asked("jwks.json"))
    portal.fail(path="jwks.json", seconds=600, times=100)
    try:
        wait_for(hangs, what="the portal is asked for keys")
        for _ in range(12):
            ask_aside()
        wait_for(lambda: statuses.count(503) >= 8, what="most were told to come again")
        assert live.get("/health").status == 200
        assert bearing(live, KEY).list().status == 200
    finally:
        portal.released.set()
        for thread in threads:
            thread.join()
        portal.faults.clear()
        portal.released.clear()
    assert set(statuses) <= {401, 503}


def test_the_unix_socket_needs_credentials(live: Hub) -> None:
    import socket
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(os.path.join(live.state_dir, "api", "hub.sock"))
        local.sendall(b"GET /api/runner/instances HTTP/1.1\r\nHost: x\r\n\r\n")
        assert local.recv(4096).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_any_origin_but_no_credentials_of_the_browser(live: Hub, portal: FakePortal) -> None:
    answer = ask(live.port, "OPTIONS", "/api/runner/start", headers={
        "Origin": "https://any.example", "Access-Control-Request-Method": "POST"})
    assert answer.status == 204 and answer.header("Access-Control-Allow-Origin") == "*"
    for answer in (bearing(live, portal.user_token()).list(), Client(live.port).list()):
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Access-Control-Allow-Credentials") is None


def test_mounting_b_forwards_the_user(live: Hub, portal: FakePortal) -> None:
    with Proxy(f"{live.url}/api/runner", prefix="/api/proxy/runner", kept=False,
               tells=False) as proxy:
        user = Client(proxy.port, "/api/proxy/runner",
                      {"Authorization": f"Bearer {portal.user_token()}"})
        assert user.list().status == 200
        user.start("component:nobody").error(404, "NotFoundError")


# -- whose it is -------------------------------------------------------------------------

def test_users_stop_what_they_own(live: Hub, portal: FakePortal) -> None:
    member = bearing(live, portal.user_token("user:default/Jane", [
        "user:default/jane", "Group:default/Testers"]))
    other = bearing(live, portal.user_token("user:default/joe", ["user:default/joe"]))

    def started() -> str:
        answer = other.start("component:ticker", "?wait=true")
        assert answer.json["status"] == "running", answer
        assert answer.json["owner"] == TEAM
        assert answer.json["startedBy"] == "user:default/joe"
        return answer.json["id"]

    instance = started()
    message = other.stop(instance).error(403, "NotAllowedError")["error"]["message"]
    assert TEAM in message and "Component:default/Ticker" in message
    bearing(live, LOOKS).stop(instance).error(403, "NotAllowedError")
    assert other.status(instance).json["status"] == "running"
    assert other.logs(instance).status == 200
    assert member.stop(instance).status == 200
    for trusted in (KEY, STARTS):
        instance = started()
        assert bearing(live, trusted).stop(instance).status == 200
    other.stop(NOBODY).error(404, "NotFoundError")


def test_users_replace_what_they_own(make_hub: Callable[..., Hub], portal: FakePortal,
                                     catalog: Catalog, engine: Engine) -> None:
    hub = make_hub({
        "RUNNERHUB_CATALOG": f"{catalog.path('ticker')},{catalog.path('second')}",
        "RUNNERHUB_PORTAL_URL": portal.url, "RUNNERHUB_PORTAL_OWNERS": "stop",
        "RUNNERHUB_API_KEY": KEY, "RUNNERHUB_COMPONENTS_WHEN_BUSY": "replace",
    }).start()
    member = bearing(hub, portal.user_token("user:default/jane", [TEAM]))
    other = bearing(hub, portal.user_token("user:default/joe", ["user:default/joe"]))
    first = member.start("component:ticker", "?wait=true").json["id"]
    for ref in ("component:second", "component:ticker"):
        message = other.start(ref).error(409, "ConflictError")["error"]["message"]
        assert TEAM in message and "Component:default/Ticker is already running" in message
    assert member.status(first).json["status"] == "running"
    second = member.start("component:second", "?wait=true").json
    assert second["status"] == "running"
    assert member.status(first).json["status"] == "stopped"
    third = bearing(hub, KEY).start("component:ticker", "?wait=true").json
    assert third["status"] == "running"  # whoever runs the hub may
    assert member.stop(third["id"]).status == 200
    remove_images(engine, hub)


def test_who_started_it_is_kept(live: Hub, portal: FakePortal) -> None:
    user = bearing(live, portal.user_token("user:default/ann", [TEAM]))
    instance = user.start("component:second").json["id"]
    assert user.stop(instance).status == 200

    def actors() -> list[str]:
        return [e["actor"] for e in live.get("/api/audit?limit=50", headers={
            "Authorization": f"Bearer {KEY}"}).data if e["object"] == "component:second"]

    wait_for(lambda: "user:default/ann" in actors(), what="the audit log has it")
    assert portal.user_token().split(".")[2] not in live.log()


# -- without an API key ---------------------------------------------------------------------

def test_a_portal_closes_the_component_api_alone(make_hub: Callable[..., Hub],
                                                 portal: FakePortal) -> None:
    hub = make_hub({"RUNNERHUB_PORTAL_URL": portal.url, "RUNNERHUB_PORTAL_VERIFY": "ask"}).start()
    refused(Client(hub.port).list(), "Missing credentials")
    assert hub.get("/api/jobs").status == 200  # of this machine
    assert bearing(hub, portal.user_token()).list().json == {"items": []}
    assert bearing(hub, portal.user_token(exp=int(time.time()) - 5)).list().status == 401
