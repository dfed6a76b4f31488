"""People: the first admin, logging in, roles, tokens, and who is kept out."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
from typing import Any, Callable

import pytest

from hub import Hub, Reply

NOWHERE = "unix:///nonexistent/engine.sock"
JWT_SECRET = "a secret that signs the tests' tokens"
PASSWORD = "correct horse battery"
PAGE = {"X-RunnerHub": "1"}  # what only our own page sends


def run(hub: Hub, *words: str, token: str = "", given: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("RUNNERHUB_TOKEN")}
    if token:
        env["RUNNERHUB_TOKEN"] = token
    return subprocess.run([hub.binary, *words, "--url", hub.url], text=True, input=given,
                          env={**env, "NO_COLOR": "1"}, capture_output=True)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(hub: Hub, name: str = "ann", password: str = PASSWORD, **fields: Any) -> Reply:
    return hub.post("/api/auth/login", {"username": name, "password": password, **fields},
                    headers=PAGE if "cookie" in fields else None)


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    """With an admin ann, an operator otto and a viewer vera."""
    made = make_module_hub({"DOCKER_HOST": NOWHERE, "JWT_SECRET": JWT_SECRET}).start()
    done = run(made, "user", "bootstrap", "ann", given=PASSWORD)
    assert done.returncode == 0 and "not open any more" in done.stdout, done
    token = log_in(made).data["accessToken"]
    for name, role in (("otto", "operator"), ("vera", "viewer")):
        done = run(made, "user", "add", name, "--role", role, token=token, given=PASSWORD)
        assert done.returncode == 0, done
    return made


@pytest.fixture
def people(hub: Hub) -> dict[str, dict[str, str]]:
    return {name: bearer(log_in(hub, name).data["accessToken"])
            for name in ("ann", "otto", "vera")}


# -- open mode ends ----------------------------------------------------------------

def test_the_first_user_ends_open_mode(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    assert hub.get("/api/auth/me").data == {
        "kind": "local", "id": None, "name": None, "role": "admin"}
    assert hub.post("/api/users", {"name": "x", "password": PASSWORD}).status == 409
    made = hub.post("/api/users", {"name": "Ann", "password": PASSWORD, "first": True})
    assert made.status == 201 and made.data["role"] == "admin"
    assert PASSWORD not in made.text
    assert hub.get("/api/jobs").status == 401
    assert hub.get("/health").status in (200, 503)
    second = hub.post("/api/users", {"name": "b", "password": PASSWORD, "first": True})
    assert second.status == 401
    hub.restart()
    assert hub.get("/api/jobs").status == 401
    assert log_in(hub, "ann").status == 200
    assert PASSWORD not in hub.log()


def test_a_second_bootstrap_is_refused(hub: Hub, people: dict) -> None:
    token = people["ann"]["Authorization"].split()[1]
    again = run(hub, "user", "bootstrap", "eve", token=token, given=PASSWORD)
    assert again.returncode == 1 and "users already" in again.stderr


def test_an_address_for_others_needs_a_user(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    assert hub.post("/api/users", {"name": "ann", "password": PASSWORD, "first": True}).status == 201
    hub.terminate()
    hub.env["RUNNERHUB_LISTEN"] = "0.0.0.0"
    hub.start()
    assert hub.get("/api/jobs").status == 401


# -- logging in ----------------------------------------------------------------------

def test_a_login_is_renewed_and_ended(hub: Hub) -> None:
    first = log_in(hub).data
    assert first["tokenType"] == "Bearer" and first["expiresIn"] == 900
    assert first["user"]["name"] == "ann" and first["user"]["role"] == "admin"
    assert hub.get("/api/jobs", headers=bearer(first["accessToken"])).status == 200
    second = hub.post("/api/auth/refresh", {"refreshToken": first["refreshToken"]})
    assert second.status == 200
    assert second.data["refreshToken"] != first["refreshToken"]
    out = hub.post("/api/auth/logout", headers=bearer(second.data["accessToken"]))
    assert out.status == 200
    for token in (first["accessToken"], second.data["accessToken"]):
        refused = hub.get("/api/jobs", headers=bearer(token))
        assert refused.status == 401 and refused.json["code"] == "login_over"
    assert hub.post("/api/auth/refresh",
                    {"refreshToken": second.data["refreshToken"]}).status == 401


def test_a_page_keeps_its_login_in_a_cookie(hub: Hub) -> None:
    reply = log_in(hub, cookie=True)
    assert "refreshToken" not in reply.data
    cookie = reply.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/api/auth"):
        assert attribute in cookie
    pair = cookie.partition(";")[0]
    forged = hub.post("/api/auth/refresh", headers={"Cookie": pair})
    assert forged.status == 401, "a form of another site could send that"
    renewed = hub.post("/api/auth/refresh", headers={"Cookie": f"a=b; {pair}", "X-RunnerHub": "1"})
    assert renewed.status == 200 and "Set-Cookie" in renewed.headers
    assert hub.get("/api/jobs", headers={"Cookie": pair}).status == 401
    # Nor can such a form give a cookie, or take it away.
    given = hub.post("/api/auth/login", {"username": "ann", "password": PASSWORD, "cookie": True})
    assert given.status == 400 and "Set-Cookie" not in given.headers
    pair = renewed.headers["Set-Cookie"].partition(";")[0]
    for headers in ({"Cookie": pair}, {}):
        out = hub.post("/api/auth/logout", headers=headers)
        assert out.status == 401 and "Set-Cookie" not in out.headers
    out = hub.post("/api/auth/logout", headers={"Cookie": pair, **PAGE})
    assert out.status == 200 and "Max-Age=0" in out.headers["Set-Cookie"]
    assert "; Secure" not in cookie  # test_forwarded.py, test_tls.py: where it is


WRONG = [("ann", "wrong wrong wrong"), ("nobody", PASSWORD), ("", ""),
         ("' OR 1=1 --", PASSWORD), ("ann", "x" * 2000)]


def test_wrong_logins_say_one_thing_and_are_slowed_down(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    hub.post("/api/users", {"name": "ann", "password": PASSWORD, "first": True})
    for name, password in WRONG:
        reply = log_in(hub, name, password)
        assert reply.status == 401, reply.text
        assert reply.json["error"] == "The name or the password is wrong"
    statuses = [log_in(hub, "ann", f"wrong password {n}").status for n in range(8)]
    assert statuses[0] == 401 and statuses[-1] == 429
    refused = log_in(hub)
    assert refused.status == 429 and int(refused.headers["Retry-After"]) > 1


def test_a_few_may_log_in_at_once(hub: Hub) -> None:
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(log_in(hub))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} <= {200, 429}
    assert any(reply.status == 200 for reply in replies)


# -- forged tokens ---------------------------------------------------------------------

def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(token: str, header: dict[str, Any] | None = None, secret: str = JWT_SECRET,
          **claims: Any) -> str:
    """The token with other claims, signed with what we have."""
    parts = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2]]
    decoded[0].update(header or {})
    decoded[1].update(claims)
    text = ".".join(b64(json.dumps(part).encode()) for part in decoded)
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{b64(mac)}"


def test_forged_access_tokens_are_nothing(hub: Hub) -> None:
    token = log_in(hub, "vera").data["accessToken"]
    header, claims, mac = token.split(".")
    assert hub.get("/api/jobs", headers=bearer(forge(token))).status == 200, "forge() works"
    bad = {
        "another secret": forge(token, secret="guessed"),
        "no signature": f"{header}.{claims}.",
        "alg none": b64(b'{"alg":"none","typ":"at+jwt"}') + f".{claims}.",
        "alg HS512": forge(token, {"alg": "HS512"}),
        "alg ES256": forge(token, {"alg": "ES256"}),
        "another kind": forge(token, {"typ": "JWT"}),
        "critical": forge(token, {"crit": ["exp"]}),
        "over": forge(token, exp=1),
        "of the future": forge(token, iat=9000000000, exp=9000000900),
        "another hub's": forge(token, aud="another"),
        "another issuer": forge(token, iss="portal"),
        "another login": forge(token, sid="00000000-0000-4000-8000-000000000000"),
        "no login": forge(token, sid=None),
        "cut": token[:-2],
        "with more": token + "A",
        "refresh token": log_in(hub, "vera").data["refreshToken"],
    }
    for what, one in bad.items():
        reply = hub.get("/api/jobs", headers=bearer(one))
        assert reply.status == 401, what
    # What it says of role and name is not believed: the store's counts.
    admin = forge(token, role="admin", name="ann")
    assert hub.get("/api/users", headers=bearer(admin)).status == 403
    assert mac


# -- roles -----------------------------------------------------------------------------

MAY = [  # method, path, body, the least role
    ("GET", "/api/jobs", None, "viewer"),
    ("GET", "/api/runners", None, "viewer"),
    ("GET", "/api/system", None, "viewer"),
    ("GET", "/metrics", None, "viewer"),
    ("GET", "/api/auth/me", None, "viewer"),
    ("GET", "/api/tokens", None, "viewer"),
    ("POST", "/api/jobs/delegate", {"jobId": "1", "runId": "r", "repository": "a/b"}, "operator"),
    ("POST", "/api/jobs/00000000-0000-7000-8000-000000000000/cancel", None, "operator"),
    ("POST", "/api/runners/register", {"name": "r"}, "operator"),
    ("POST", "/api/runners/none/drain", None, "operator"),
    ("DELETE", "/api/runners/none", None, "operator"),
    ("GET", "/api/users", None, "admin"),
    ("POST", "/api/users", {}, "admin"),
    ("PATCH", "/api/users/none", {}, "admin"),
    ("DELETE", "/api/users/none", None, "admin"),
    ("GET", "/api/audit", None, "admin"),
    ("GET", "/api/audit/verify", None, "admin"),
    ("GET", "/api/secrets", None, "admin"),
    ("PUT", "/api/secrets/x", {}, "admin"),
    ("GET", "/api/runner/instances", None, "viewer"),
    ("POST", "/api/runner/start", {"entityRef": "component:x"}, "operator"),
]
ROLES = ["viewer", "operator", "admin"]
NAMES = dict(zip(ROLES, ["vera", "otto", "ann"]))


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_it_may(hub: Hub, people: dict, role: str) -> None:
    for method, path, body, least in MAY:
        reply = hub.request(method, path, body, headers=people[NAMES[role]])
        allowed = ROLES.index(role) >= ROLES.index(least)
        assert (reply.status not in (401, 403)) == allowed, (method, path, reply.text)
        if not allowed:
            assert least in reply.text


def test_a_role_changes_at_once(hub: Hub, people: dict) -> None:
    vera = people["vera"]
    changed = hub.patch("/api/users/vera", {"role": "operator"}, headers=people["ann"])
    assert changed.status == 200 and changed.data["role"] == "operator"
    assert hub.post("/api/runners/none/drain", headers=vera).status == 404
    hub.patch("/api/users/vera", {"role": "viewer"}, headers=people["ann"])
    assert hub.post("/api/runners/none/drain", headers=vera).status == 403


def test_who_is_disabled_is_out_at_once(hub: Hub, people: dict) -> None:
    token = people["ann"]["Authorization"].split()[1]
    assert run(hub, "user", "add", "dan", token=token, given=PASSWORD).returncode == 0
    dan = bearer(log_in(hub, "dan").data["accessToken"])
    made = hub.post("/api/tokens", {"name": "t"}, headers=dan)
    program = bearer(made.data["token"])
    assert hub.get("/api/jobs", headers=program).status == 200
    assert run(hub, "user", "disable", "dan", token=token).returncode == 0
    assert hub.get("/api/jobs", headers=dan).status == 401
    assert hub.get("/api/jobs", headers=program).status == 401
    assert log_in(hub, "dan").status == 401
    assert run(hub, "user", "enable", "dan", token=token).returncode == 0
    assert log_in(hub, "dan").status == 200
    shown = run(hub, "user", "list", token=token)
    assert "dan" in shown.stdout and "operator" in shown.stdout
    assert run(hub, "user", "delete", "dan", token=token).returncode == 0
    assert hub.delete("/api/users/dan", headers=people["ann"]).status == 404


def test_the_last_admin_stays(hub: Hub, people: dict) -> None:
    for change in ({"role": "viewer"}, {"disabled": True}):
        reply = hub.patch("/api/users/ann", change, headers=people["ann"])
        assert reply.status == 409 and reply.json["code"] == "last_admin"
    assert hub.delete("/api/users/ann", headers=people["ann"]).status == 409


def test_bad_input(hub: Hub, people: dict) -> None:
    for body, words in (({"name": "a b", "password": PASSWORD}, "letters"),
                        ({"name": "x", "password": "short"}, "12"),
                        ({"name": "x"}, "password"), ({"password": PASSWORD}, "name"),
                        ({"name": "x", "password": PASSWORD, "role": "root"}, "operator"),
                        ({"name": 1, "password": PASSWORD}, "name")):
        reply = hub.post("/api/users", body, headers=people["ann"])
        assert reply.status == 400 and words in reply.json["error"], reply.text
    broken = hub.request("POST", "/api/auth/login", b'{"password":"hush hush hush"')
    assert broken.status == 400 and "hush" not in broken.text
    assert hub.patch("/api/users/vera", {"disabled": "yes"}, headers=people["ann"]).status == 400


def test_passwords_are_changed(hub: Hub, people: dict) -> None:
    token = people["ann"]["Authorization"].split()[1]
    assert run(hub, "user", "add", "pat", token=token, given=PASSWORD).returncode == 0
    pat = bearer(log_in(hub, "pat").data["accessToken"])
    change = {"currentPassword": "wrong wrong wrong", "newPassword": "another long one"}
    assert hub.post("/api/auth/password", change, headers=pat).status == 403
    refused = hub.post("/api/auth/password", {**change, "cookie": True}, headers=pat)
    assert (refused.status, refused.json["code"]) == (403, "wrong_password"), "nobody logs in here"
    change["currentPassword"] = PASSWORD
    assert hub.post("/api/auth/password", change, headers=pat).status == 200
    assert hub.get("/api/jobs", headers=pat).status == 401, "all logins are over"
    assert log_in(hub, "pat", "another long one").status == 200
    assert run(hub, "user", "passwd", "pat", token=token, given="a third long one").returncode == 0
    assert log_in(hub, "pat", "a third long one").status == 200
    assert run(hub, "user", "role", "pat", "operator", token=token).returncode == 0


# -- tokens ----------------------------------------------------------------------------

def test_tokens_of_programs(hub: Hub, people: dict) -> None:
    token = people["otto"]["Authorization"].split()[1]
    made = run(hub, "token", "create", "ci", "--role", "viewer", token=token)
    assert made.returncode == 0 and made.stdout.startswith("rha_")
    program = bearer(made.stdout.strip())
    assert hub.get("/api/jobs", headers=program).status == 200
    assert hub.post("/api/runners/none/drain", headers=program).status == 403
    me = hub.get("/api/auth/me", headers=program).data
    assert (me["kind"], me["role"]) == ("token", "viewer")
    assert hub.post("/api/tokens", {"name": "more"}, headers=program).status == 403
    above = hub.post("/api/tokens", {"name": "x", "role": "admin"}, headers=people["otto"])
    assert above.status == 403
    listed = hub.get("/api/tokens", headers=people["otto"]).data
    assert [one["name"] for one in listed] == ["ci"] and "token" not in listed[0]
    assert "ci" in run(hub, "token", "list", token=token).stdout
    # Somebody else's is not there, but for admins.
    one = f"/api/tokens/{listed[0]['id']}"
    assert hub.delete(one, headers=people["vera"]).status == 404
    assert hub.get("/api/tokens?all=true", headers=people["vera"]).data == []
    assert len(hub.get("/api/tokens?all=true", headers=people["ann"]).data) >= 1
    assert hub.delete(one, headers=people["ann"]).status == 200
    assert hub.get("/api/jobs", headers=program).status == 401


def test_tokens_end(hub: Hub, people: dict) -> None:
    for wrong in ("tomorrow", "2001-01-01T00:00:00Z"):
        reply = hub.post("/api/tokens", {"name": "x", "expiresAt": wrong}, headers=people["vera"])
        assert reply.status == 400 and "expiresAt" in reply.json["error"]
    good = hub.post("/api/tokens", {"name": "x", "expiresAt": "2200-01-01T00:00:00Z"},
                    headers=people["vera"])
    assert good.status == 201 and good.data["expiresAt"].startswith("2200")


# -- what is left of it ------------------------------------------------------------------

def test_it_is_all_in_the_audit_log(hub: Hub, people: dict) -> None:
    log_in(hub, "vera", "wrong wrong wrong")
    log_in(hub, "secret typed as a name", PASSWORD)
    hub.post("/api/tokens", {"name": "audited"}, headers=people["vera"])
    rows = hub.get("/api/audit?limit=1000", headers=people["ann"]).data
    seen = {(row["actor"], row["action"], row["result"]) for row in rows}
    for row in (("user:ann", "auth.login", "ok"), ("user:vera", "auth.login", "refused"),
                ("user:vera", "token.create", "ok"), ("user:ann", "user.create", "ok")):
        assert row in seen, (row, seen)
    text = json.dumps(rows)
    assert PASSWORD not in text and "secret typed" not in text


def test_nothing_of_it_is_in_the_log(hub: Hub, people: dict) -> None:
    text = hub.log()
    assert PASSWORD not in text
    for headers in people.values():
        assert headers["Authorization"].split()[1] not in text
