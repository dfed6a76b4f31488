"""A portal's tokens and catalog, against a fake portal."""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from engine_probe import ProbeError  # noqa: E402
from fake_portal import (HUB_TOKEN, LIMITED_TYPE, FakePortal, SigningKey,  # noqa: E402
                         base64url, entity)
from line_probe import LineProbe  # noqa: E402

BAD_USER = "Failed user token verification"
BAD_PLUGIN = "Failed plugin token verification"
USER_KEYS = "/api/auth/.well-known/jwks.json"


@pytest.fixture(scope="module")
def portal():
    fake = FakePortal()
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def fresh(portal) -> None:
    portal.faults.clear()
    portal.seen.clear()
    portal.catalog.clear()
    portal.released.clear()


def open_portal(build_dir: str, url: str, token: str = "-", verify: str = "keys",
                env: dict[str, str] | None = None) -> LineProbe:
    return LineProbe(build_dir, "portal_probe", url, token, verify, env=env)


@pytest.fixture
def opened(build_dir, portal) -> Callable[..., LineProbe]:
    """Probes that are closed, and so judged, when the test ends."""
    probes: list[LineProbe] = []

    def make(**options: Any) -> LineProbe:
        probes.append(open_portal(build_dir, options.pop("url", portal.url), **options))
        return probes[-1]

    yield make
    for probe in probes:
        probe.close()


@pytest.fixture
def probe(opened) -> LineProbe:
    return opened()


@pytest.fixture
def asking(opened) -> LineProbe:
    return opened(verify="ask")


def refused(probe: LineProbe, token: str) -> str:
    error = probe.fails("subject", token)
    assert (error.kind, error.code) == ("unauthorized", "portal_token")
    return error.msg


# -- tokens of users ---------------------------------------------------------

def test_a_user_is_known_by_the_keys(probe, portal) -> None:
    exp = int(time.time()) + 1234
    token = portal.user_token("user:default/jane", ["group:default/a", "user:default/jane"],
                              exp=exp)
    assert probe("subject", token) == {
        "kind": "user", "ref": "user:default/jane", "expiresAt": exp,
        "groups": ["group:default/a", "user:default/jane"]}
    probe("subject", portal.user_token())
    assert [seen.path for seen in portal.seen] == [USER_KEYS]
    assert "Authorization" not in portal.seen[0].headers


def test_old_tokens_without_a_type(probe, portal) -> None:
    assert probe("subject", portal.user_token(typ=None))["ref"] == "user:default/jane"
    assert refused(probe, portal.user_token(typ=None, aud="other")) == "Illegal token"


def test_the_guest_of_a_portal(probe, portal) -> None:
    token = portal.answer(type("Ask", (), {"method": "POST", "headers": {},
                                           "path": "/api/auth/guest/refresh"})())
    assert probe("subject", token["backstageIdentity"]["token"])["ref"] == (
        "user:development/guest")


@pytest.mark.parametrize("claims", [
    {"exp": 1000}, {"exp": None}, {"iat": None}, {"iat": 32503680000}, {"nbf": 32503680000},
    {"exp": "soon"}, {"sub": None}, {"sub": 7}, {"sub": ""}, {"sub": "no ref"},
    {"sub": "user:default/a\nb"}, {"sub": "user:default/" + "x" * 600}, {"aud": "runner"},
    {"aud": None}, {"iss": "https://evil.example/api/auth"}, {"iss": None}, {"ent": [1]},
    {"ent": "group:default/a"}, {"ent": ["x y"]},
])
def test_claims_that_are_refused(probe, portal, claims) -> None:
    token = portal.user_token(**claims)
    assert refused(probe, token) == BAD_USER


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "with blank", "ghp_0123456789",
                                   "ü" * 9, "x" * 20_000], ids=range(7))
def test_what_is_no_token(probe, portal, token) -> None:
    assert refused(probe, token) == "Illegal token"
    assert portal.seen == []


def test_other_kinds_of_tokens(probe, portal) -> None:
    assert refused(probe, portal.user_token(typ=LIMITED_TYPE)) == "Illegal token"
    assert refused(probe, portal.user_token(typ="JWT")) == "Illegal token"
    assert refused(probe, HUB_TOKEN) == "Illegal token"


def test_forged_tokens(probe, portal) -> None:
    genuine = portal.user_token()
    head, claims, signature = genuine.split(".")
    none = base64url(json.dumps({"typ": "vnd.backstage.user", "alg": "none",
                                 "kid": portal.users.current.kid}).encode())
    mine = base64url(json.dumps({**json.loads(base64.urlsafe_b64decode(claims + "==")),
                                 "sub": "user:default/root"}).encode())
    for forged in (f"{none}.{claims}.", f"{head}.{mine}.{signature}",
                   f"{head}.{claims}.{base64url(bytes(64))}",
                   portal.user_token(tokens_key=_twin(portal))):
        assert refused(probe, forged) == BAD_USER
    assert probe("subject", genuine)["kind"] == "user"


def _twin(portal: FakePortal) -> SigningKey:
    """Another key that claims the published one's name."""
    twin = SigningKey()
    twin.kid = portal.users.current.kid
    return twin


def test_the_public_key_is_no_secret(probe, portal) -> None:
    public = json.dumps(portal.users.current.jwk).encode()
    head = base64url(json.dumps({"typ": "vnd.backstage.user", "alg": "HS256",
                                 "kid": portal.users.current.kid}).encode())
    text = f"{head}.{portal.user_token().split('.')[1]}"
    mac = hmac.new(public, text.encode(), hashlib.sha256).digest()
    assert refused(probe, f"{text}.{base64url(mac)}") == BAD_USER


def test_keys_of_another_kind_are_passed_over(probe, portal) -> None:
    wrong = {**portal.users.current.jwk, "kid": "p384", "crv": "P-384"}
    portal.fail(path=USER_KEYS, status=200, body={
        "keys": [wrong, {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"}, 7, None,
                 portal.users.current.jwk]})
    assert probe("subject", portal.user_token())["kind"] == "user"
    other = SigningKey()
    other.kid, other.private = "p384", ec.generate_private_key(ec.SECP256R1())
    assert refused(probe, portal.user_token(tokens_key=other)) == BAD_USER


# -- keys that rotate --------------------------------------------------------

def test_a_new_key_is_fetched_when_it_is_met(probe, portal) -> None:
    before = portal.user_token()
    probe("subject", before)
    portal.rotate()
    probe("later", 6)
    assert probe("subject", portal.user_token())["kind"] == "user"
    assert probe("subject", before)["kind"] == "user"
    assert len(portal.asked(USER_KEYS)) == 2


def test_unknown_keys_make_it_ask_seldom(probe, portal) -> None:
    probe("subject", portal.user_token())
    probe("later", 6)
    for _ in range(20):
        assert refused(probe, portal.user_token(tokens_key=SigningKey())) == BAD_USER
    assert len(portal.asked(USER_KEYS)) == 2
    assert probe("subject", portal.user_token())["kind"] == "user"
    assert len(portal.asked(USER_KEYS)) == 2


def test_a_withdrawn_key_is_forgotten(probe, portal) -> None:
    before = portal.user_token()
    probe("subject", before)
    portal.rotate(keep=False)
    probe("later", 601)
    assert refused(probe, before) == BAD_USER
    assert probe("subject", portal.user_token())["kind"] == "user"


def test_known_keys_serve_while_the_portal_is_away(probe, portal) -> None:
    token = portal.user_token(exp=int(time.time()) + 10_000)
    probe("subject", token)
    portal.down()
    try:
        probe("later", 601)
        assert probe("subject", token)["kind"] == "user"
        probe("later", 3600)
        assert probe.fails("subject", token).code == "portal_down"
    finally:
        portal.up()
    probe("later", 3)
    assert probe("subject", token)["kind"] == "user"


def test_many_at_once_ask_once(probe, portal) -> None:
    assert probe("at_once", 16, portal.user_token()) == {"known": 16}
    assert len(portal.asked(USER_KEYS)) == 1


def test_who_has_given_up_spoils_nothing(probe, portal) -> None:
    assert probe.fails("given_up", portal.user_token()).kind == "canceled"
    assert probe("subject", portal.user_token())["kind"] == "user"


# -- tokens of plugins -------------------------------------------------------

def test_a_plugin_is_known_by_its_own_keys(probe, portal) -> None:
    exp = int(time.time()) + 77
    assert probe("subject", portal.plugin_token("scaffolder", exp=exp)) == {
        "kind": "plugin", "ref": "scaffolder", "groups": [], "expiresAt": exp}
    assert [seen.path for seen in portal.seen] == [
        "/api/scaffolder/.backstage/auth/v1/jwks.json"]


@pytest.mark.parametrize("sub", ["../auth", "auth/.well-known", "a%2Fb", "", "-x", "a b", "a.b",
                                 "x" * 65, "a?b", "a#b", "ü", 7, None])
def test_an_id_that_is_none_becomes_no_path(probe, portal, sub) -> None:
    token = portal.plugin_token("scaffolder", **{"aud": "runner"})
    token = portal.plugins["scaffolder"].current.token(
        {"typ": "vnd.backstage.plugin", "alg": "ES256",
         "kid": portal.plugins["scaffolder"].current.kid},
        {"aud": "runner", "iat": 1, "exp": 32503680000} | (
            {"sub": sub} if sub is not None else {}))
    assert refused(probe, token) == BAD_PLUGIN
    assert portal.seen == []


def test_tokens_of_plugins_that_are_refused(probe, portal) -> None:
    for token in (portal.plugin_token(aud="catalog"), portal.plugin_token(aud=None),
                  portal.plugin_token(exp=1000), portal.plugin_token(exp=None)):
        assert refused(probe, token) == BAD_PLUGIN
    assert portal.seen == []
    # Signed with a user's key, or one of its own that nobody publishes.
    for key in (portal.users.current, SigningKey()):
        assert refused(probe, portal.plugin_token(tokens_key=key)) == BAD_PLUGIN
    # A user's token under a plugin's key.
    portal.plugin_token("scaffolder")
    assert refused(probe, portal.user_token(
        tokens_key=portal.plugins["scaffolder"].current)) == BAD_USER


def test_a_plugin_that_there_is_not(probe, portal) -> None:
    key = SigningKey()
    portal.fail(path="/api/nowhere/", status=404, body=b"")
    assert refused(probe, portal.plugin_token("nowhere", tokens_key=key)) == BAD_PLUGIN


def test_strangers_cannot_make_it_ask_without_end(probe, portal) -> None:
    key = SigningKey()
    for n in range(60):
        assert refused(probe, portal.plugin_token(f"plugin-{n}", tokens_key=key)) == BAD_PLUGIN
    assert len(portal.seen) <= 20  # ten in ten seconds
    assert probe("subject", portal.user_token())["kind"] == "user"
    portal.plugins.clear()


# -- asking ------------------------------------------------------------------

def test_the_portal_is_asked_whose_token_it_is(asking, portal) -> None:
    exp = int(time.time()) + 1000
    token = portal.user_token("user:default/jane", ["group:default/a"], exp=exp)
    for _ in range(3):
        assert asking("subject", token) == {
            "kind": "user", "ref": "user:default/jane", "groups": ["group:default/a"],
            "expiresAt": exp}
    assert [seen.path for seen in portal.seen] == ["/api/auth/v1/userinfo"]
    assert portal.seen[0].headers["Authorization"] == f"Bearer {token}"


def test_an_answer_is_kept_for_a_moment(asking, portal) -> None:
    token = portal.user_token()
    asking("subject", token)
    asking("later", 29)
    asking("subject", token)
    assert len(portal.seen) == 1
    asking("later", 2)
    asking("subject", token)
    assert len(portal.seen) == 2


def test_no_answer_outlives_its_token(asking, portal) -> None:
    token = portal.user_token(exp=int(time.time()) + 20)
    asking("subject", token)
    asking("later", 21)
    portal.fail(path="userinfo", status=401, body={
        "error": {"name": "AuthenticationError", "message": BAD_USER}})
    assert refused(asking, token) == BAD_USER
    assert len(portal.seen) == 2


def test_what_the_portal_refuses(asking, portal) -> None:
    assert refused(asking, portal.user_token(exp=1000)) == BAD_USER
    assert refused(asking, portal.user_token(tokens_key=SigningKey())) == BAD_USER
    assert refused(asking, "opaque-token") == "Illegal token"
    assert refused(asking, HUB_TOKEN) == "Illegal token"  # of a service: 400
    assert refused(asking, "with blank") == "Illegal token"
    assert len(portal.seen) == 4


def test_plugins_are_verified_by_keys_all_the_same(asking, portal) -> None:
    assert asking("subject", portal.plugin_token("scaffolder"))["kind"] == "plugin"
    assert portal.asked("userinfo") == []


@pytest.mark.parametrize("body", [{}, {"claims": None}, {"claims": {"sub": 1}},
                                  {"claims": {"sub": "x", "ent": []}},
                                  {"claims": {"sub": "user:a/b", "ent": [None]}}])
def test_answers_that_are_none(asking, portal, body) -> None:
    portal.fail(path="userinfo", status=200, body=body)
    assert asking.fails("subject", portal.user_token()).code == "portal_down"


# -- the catalog -------------------------------------------------------------

def test_an_entity_by_its_name(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    made = portal.add(entity("Demo-Web", description="wörds", source="url:https://x/y/z"))
    found = probe("entity", "-", "Component", "default", "Demo-Web")
    assert found == {"found": 1, "entities": [made]}
    assert portal.seen[0].path == (
        "/api/catalog/entities/by-name/Component/default/Demo-Web")
    assert portal.seen[0].headers["Authorization"] == f"Bearer {HUB_TOKEN}"


def test_a_user_sees_what_they_may_see(probe, portal) -> None:
    portal.add(entity("hidden"), visible_to={"user:default/jane"})
    jane, joe = portal.user_token("user:default/jane"), portal.user_token("user:default/joe")
    assert probe("entity", jane, "component", "default", "hidden")["found"] == 1
    assert probe("entity", joe, "component", "default", "hidden")["found"] == 0
    assert len(probe("entities", jane)["entities"]) == 1
    assert probe("entities", joe)["entities"] == []


@pytest.mark.parametrize("name, path", [
    ("a b", "a%20b"), ("a/b", "a%2Fb"), ("ü", "%C3%BC"), ("a?b#c", "a%3Fb%23c"),
    ("a..b", "a..b"), ("%2e%2e", "%252e%252e"), ("x\r", "x%0D")])
def test_names_are_encoded(opened, portal, name, path) -> None:
    probe = opened(token=HUB_TOKEN)
    assert probe("entity", "-", "component", "default", name)["found"] == 0
    assert portal.seen[0].path.endswith(f"/by-name/component/default/{path}")


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 300])
def test_names_of_nothing(opened, portal, name) -> None:
    probe = opened(token=HUB_TOKEN)
    assert probe("entity", "-", "component", "default", name)["found"] == 0
    assert probe("entity", "-", name, "default", "x")["found"] == 0
    assert portal.seen == []


def test_all_pages_are_read(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    for n in range(250):
        portal.add(entity(f"web-{n:03}", owner="group:default/b"))
    portal.add(entity("off", enabled=False))
    portal.add(entity("other", annotations={"runner.backstage.io/enabled": "false"}))
    found = probe("entities", "-")["entities"]
    assert [one["metadata"]["name"] for one in found] == [f"web-{n:03}" for n in range(250)]
    assert found[0]["spec"]["owner"] == "group:default/b"
    assert found[0]["metadata"]["annotations"]["runner.backstage.io/enabled"] == "true"
    assert len(portal.seen) == 3
    assert "cursor=" in portal.seen[2].path and "filter=" not in portal.seen[2].path


def test_the_list_has_an_end(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    page = {"items": [entity(f"x{n}") for n in range(500)], "totalItems": 10**9,
            "pageInfo": {"nextCursor": "again"}}
    portal.fail(path="by-query", status=200, body=page, times=1000)
    assert len(probe("entities", "-")["entities"]) == 5000
    portal.faults.clear()
    portal.fail(path="by-query", status=200, times=10_000,
                body={"items": [], "pageInfo": {"nextCursor": "again"}})
    assert opened(token=HUB_TOKEN)("entities", "-")["entities"] == []
    assert len(portal.seen) < 600


def test_the_reader_may_end_it(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    portal.add(entity("stop-here"))
    error = probe.fails("entities", "-")
    assert (error.kind, error.code) == ("conflict", "stopped")


def test_what_the_hub_sees_is_kept_for_a_moment(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    portal.add(entity("web"))
    for _ in range(2):
        assert probe("entity", "-", "component", "default", "web")["found"] == 1
        assert len(probe("entities", "-")["entities"]) == 1
    assert len(portal.seen) == 2
    probe("later", 16)
    portal.catalog.clear()
    assert probe("entity", "-", "component", "default", "web")["found"] == 0
    portal.add(entity("web"))  # nothing is kept of what there is not
    assert probe("entity", "-", "component", "default", "web")["found"] == 1
    # What users see is never kept, and not what the hub sees.
    for _ in range(2):
        probe("entity", portal.user_token(), "component", "default", "web")
    assert len(portal.seen) == 6


def test_tokens_that_the_catalog_refuses(opened, probe, portal) -> None:
    error = probe.fails("entity", portal.user_token(exp=1000), "component", "default", "x")
    assert (error.kind, error.code, error.msg) == ("unauthorized", "portal_token", BAD_USER)
    assert probe.fails("entity", "with blank", "component", "default", "x").kind == "unauthorized"
    assert probe.fails("entities", portal.user_token(exp=1000)).msg == BAD_USER
    wrong = opened(token="a-wrong-one").fails("entities", "-")
    assert (wrong.kind, wrong.code) == ("unavailable", "portal_own_token")
    assert "externalAccess" in wrong.msg and "a-wrong-one" not in wrong.msg
    portal.static_tokens["restricted"] = "external:r"
    portal.restricted["restricted"] = "techdocs"
    assert opened(token="restricted").fails("entities", "-").code == "portal_own_token"
    missing = probe.fails("entities", "-")
    assert (missing.kind, missing.code) == ("invalid", "portal_no_token")
    assert "RUNNERHUB_PORTAL_TOKEN" in missing.msg


def test_what_a_user_is_forbidden(probe, portal) -> None:
    portal.fail(path="by-name", status=403)
    error = probe.fails("entity", portal.user_token(), "component", "default", "x")
    assert (error.kind, error.code) == ("forbidden", "portal_forbidden")


# -- a portal that is not well -----------------------------------------------

@pytest.mark.parametrize("fault, words", [
    ({"status": 500}, "500"), ({"status": 503}, "503"), ({"status": 429}, "429"),
    ({"status": 502, "body": b"<html>bad gateway</html>"}, "502"),
    ({"status": 302, "headers": {"Location": "https://evil.example/"}}, "302"),
    ({"status": 200, "body": b"<html>sign in</html>"}, "baseUrl"),
    ({"status": 404, "body": b"<html>nothing here</html>"}, "baseUrl"),
    ({"status": 200, "body": b'{"keys":'}, "baseUrl"),
    ({"status": 200, "body": b"[" * 100_000}, "baseUrl"),
    ({"status": 200, "body": {"keys": {}}}, "baseUrl"),
    ({"status": 200, "body": b"7"}, "baseUrl"),
    ({"status": 200, "body": b"x" * (1 << 20)}, "256 KiB"),
    ({"status": 200, "body": b"{}", "headers": {"Content-Encoding": "gzip"}}, "baseUrl"),
], ids=range(13))
def test_replies_of_keys_that_are_none(probe, portal, fault, words) -> None:
    portal.fail(path=USER_KEYS, **fault)
    error = probe.fails("subject", portal.user_token())
    assert (error.kind, error.code) == ("unavailable", "portal_down")
    assert words in error.msg and portal.url in error.msg
    # It is asked again soon, but not at once.
    assert probe.fails("subject", portal.user_token()).code == "portal_down"
    probe("later", 3)
    assert probe("subject", portal.user_token())["kind"] == "user"
    assert len(portal.seen) == 2


@pytest.mark.parametrize("body", [b"<html>", b"{}", {"kind": "Component"}, [], b"x" * (2 << 20),
                                  {"kind": 1, "metadata": {"name": "x"}},
                                  b'{"kind":"a","kind":"b","metadata":{"name":"x"}}'],
                         ids=range(7))
def test_replies_of_the_catalog_that_are_none(opened, portal, body) -> None:
    probe = opened(token=HUB_TOKEN)
    portal.fail(status=200, body=body)
    assert probe.fails("entity", "-", "component", "default", "x").code == "portal_down"
    portal.fail(status=200, body=body if isinstance(body, bytes) else {"items": [body]})
    if body != b"x" * (2 << 20):
        assert probe.fails("entities", "-").code == "portal_down"


def test_a_portal_that_is_away(opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    for verify in ("keys", "ask"):
        probe = opened(url=url, token=HUB_TOKEN, verify=verify)
        error = probe.fails("entity", "-", "component", "default", "x")
        assert (error.kind, error.code) == ("unavailable", "portal_down")
        assert url in error.msg and HUB_TOKEN not in error.msg


def test_a_portal_that_never_answers(opened, portal) -> None:
    for verify in ("keys", "ask"):
        probe = opened(verify=verify)
        portal.fail(seconds=300)
        error = probe.fails("hasty", portal.user_token())
        assert (error.kind, error.code) == ("unavailable", "portal_down")
        assert "in time" in error.msg
    portal.released.set()


def test_a_hasty_caller_spoils_nothing_for_others(probe, portal) -> None:
    portal.fail(seconds=300)
    assert probe.fails("hasty", portal.user_token()).code == "portal_down"
    assert probe("subject", portal.user_token())["kind"] == "user"
    portal.released.set()


# -- where tokens may go -----------------------------------------------------

@pytest.mark.parametrize("url", ["http://portal.example", "ftp://127.0.0.1", "", "https://",
                                 "portal.example", "https://u:p@portal.example",
                                 "https://portal.example/?x=1", "https://portal.example/#x",
                                 "https://por tal.example", "http://127.0.0.1.evil.example"])
def test_addresses_that_are_refused(build_dir, url) -> None:
    with pytest.raises(ProbeError) as caught:
        open_portal(build_dir, url)
    assert (caught.value.kind, caught.value.code) == ("invalid", "portal_url")


def test_a_token_of_two_lines_is_refused(build_dir, portal) -> None:
    with pytest.raises(ProbeError) as caught:
        open_portal(build_dir, portal.url, token="a\nb")
    assert caught.value.code == "portal_own_token"


def test_a_path_and_slashes_at_the_end(opened, portal) -> None:
    probe = opened(url=portal.url + "//", token=HUB_TOKEN)
    assert probe("subject", portal.user_token())["kind"] == "user"
    below = opened(url=portal.url + "/below/", token=HUB_TOKEN)
    assert below.fails("entities", "-").code == "portal_down"
    assert portal.seen[-1].path.startswith("/below/api/catalog/")


def test_redirects_are_not_followed(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    portal.fail(status=307, headers={"Location": f"{portal.url}/api/catalog/entities/by-name/"
                                     "component/default/x"}, body=b"")
    assert probe.fails("entity", "-", "component", "default", "x").code == "portal_down"
    assert len(portal.seen) == 1


def test_plain_http_goes_past_a_proxy(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN, env={"http_proxy": "http://127.0.0.1:9",
                                         "all_proxy": "http://127.0.0.1:9"})
    assert probe("entities", "-")["entities"] == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_certificates_are_verified(opened, certificate) -> None:
    fake = FakePortal(certificate)
    try:
        trusting = opened(url=fake.url, token=HUB_TOKEN, env={"SSL_CERT_FILE": certificate[0]})
        assert trusting("subject", fake.user_token())["kind"] == "user"
        error = opened(url=fake.url, token=HUB_TOKEN).fails("entities", "-")
        assert (error.kind, error.code) == ("unavailable", "portal_down")
        assert "certificate" in error.msg and "SSL_CERT_FILE" in error.msg
    finally:
        fake.close()


# -- libraries are loaded when they are needed -------------------------------

def loaded(probe: LineProbe) -> set[str]:
    with open(f"/proc/{probe.pid()}/maps", encoding="utf-8") as maps:
        return {name for line in maps for name in ("libcurl", "libcrypto") if name in line}


def test_libraries_are_loaded_at_first_use(opened, portal) -> None:
    probe = opened(token=HUB_TOKEN)
    assert refused(probe, "no-token") == "Illegal token"
    assert loaded(probe) == set()
    probe("subject", portal.user_token())
    assert loaded(probe) == {"libcurl", "libcrypto"}


def test_a_machine_without_libcurl(opened, portal, tmp_path) -> None:
    (tmp_path / "libcurl.so.4").write_text("no library")
    probe = opened(token=HUB_TOKEN, env={"LD_LIBRARY_PATH": str(tmp_path)})
    error = probe.fails("entities", "-")
    assert (error.kind, error.code) == ("internal", "portal_no_library")
    assert "install Debian's package libcurl4" in error.msg
