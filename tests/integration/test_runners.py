"""The registry of runners: tokens, heartbeats, enrolment with proof, drain,
and who is busy with what."""

import os
import sqlite3
import subprocess

import pytest

import proxy_lab
from engine_api import Engine
from hub import Hub, wait_for

KEY = "an-enrolment-key-of-tests"
BEAT = "300ms"


@pytest.fixture(scope="module")
def hub(make_module_hub) -> Hub:
    return make_module_hub(env={
        "RUNNERHUB_ENROLMENT_KEY": KEY, "RUNNERHUB_RUNNER_HEARTBEAT": BEAT,
        "RUNNERHUB_API_KEY": "api-key-of-tests", "GITHUB_REPOSITORIES": "acme/app",
        "GITHUB_ORG": "big", "RUNNERHUB_ALLOW_REPOSITORIES": "acme/app, big/*",
        "RUNNERHUB_CAPACITY": "4",
    }).start()


@pytest.fixture(autouse=True)
def admin(hub, monkeypatch):
    """What the tests ask without a token of their own, they ask with the key."""
    plain = Hub.request

    def request(self, method, path, body=None, headers=None, timeout=60):
        return plain(self, method, path, body,
                     {"Authorization": "Bearer api-key-of-tests", **(headers or {})}, timeout)
    monkeypatch.setattr(Hub, "request", request)


def bearer(token: str) -> dict:
    return {"Authorization": f"Bearer {token}"}


def register(hub: Hub, name: str, **fields) -> dict:
    return hub.post("/api/runners/register", {"name": name, **fields}).data


def beat(hub: Hub, token: str, status: str = "idle"):
    return hub.post("/api/runners/self/heartbeat", {"status": status}, headers=bearer(token))


def show(hub: Hub, name: str) -> dict:
    return hub.get(f"/api/runners/{name}").data


def enrol(hub: Hub, name: str, key: str = KEY, **fields):
    return hub.post("/api/runners/enrol", {"name": name, **fields}, headers=bearer(key))


# -- registration and tokens -------------------------------------------------

def test_a_token_is_shown_once_and_kept_as_a_hash(hub) -> None:
    made = register(hub, "vm-1", labels=["a", "b"], roots=["/srv/r/_work"])
    assert made["token"].startswith("rhr_")
    assert beat(hub, made["token"]).status == 200
    shown = hub.get("/api/runners/vm-1")
    assert made["token"] not in shown.text
    assert "token" not in shown.data
    assert shown.data["labels"] == ["a", "b"]
    assert shown.data["roots"] == [{"here": "/srv/r/_work", "host": "/srv/r/_work",
                                    "readOnly": False}]
    secret = made["token"].rsplit("_", 1)[1]
    for folder, _, names in os.walk(hub.state_dir):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = file.read()
                assert secret.encode() not in data, path
                assert bytes.fromhex(secret) not in data, path
    assert secret not in hub.log()


def test_a_new_token_voids_the_one_before(hub) -> None:
    made = register(hub, "vm-2")
    new = hub.post(f"/api/runners/{made['id']}/token").data["token"]
    assert beat(hub, made["token"]).status == 401
    assert beat(hub, new).status == 200
    beat(hub, new)
    assert hub.delete(f"/api/runners/{made['id']}").status == 200
    assert beat(hub, new).status == 401


@pytest.mark.parametrize("body, code", [
    ({}, "missing_field"),
    ({"name": "a b"}, "bad_name"),
    ({"name": "-a"}, "bad_name"),
    ({"name": "x" * 64}, "bad_name"),
    ({"name": "../x"}, "bad_name"),
    ({"name": "ok", "labels": "a"}, "invalid_field"),
    ({"name": "ok", "labels": ["a,b"]}, "invalid_field"),
    ({"name": "ok", "labels": [""]}, "invalid_field"),
    ({"name": "ok", "repository": "acme"}, "invalid_field"),
    ({"name": "ok", "repository": "a/b", "organization": "a"}, "invalid_field"),
    ({"name": "ok", "organization": "a b"}, "github_scope"),
    ({"name": "ok", "url": "https://github.com/"}, "github_url"),
    ({"name": "ok", "roots": "/x"}, "bad_root"),
    ({"name": "ok", "roots": ["/"]}, "bad_root"),
    ({"name": "ok", "roots": ["relative"]}, "bad_root"),
    ({"name": "ok", "roots": ["/a/../b"]}, "bad_root"),
    ({"name": "ok", "roots": ["/a//b"]}, "bad_root"),
    ({"name": "ok", "roots": ["/var/run"]}, "bad_root"),
    ({"name": "ok", "roots": ["/run"]}, "bad_root"),
    ({"name": "ok", "roots": [{"here": "/w", "host": "/var/run/docker.sock"}]}, "bad_root"),
    ({"name": "ok", "roots": [{"here": "/w", "volume": "../x"}]}, "bad_root"),
])
def test_what_cannot_be_registered(hub, body, code) -> None:
    refused = hub.post("/api/runners/register", body)
    assert refused.status in (400, 403)
    assert refused.json["code"] == code
    assert hub.get("/api/runners/ok").status == 404


def test_the_hubs_own_state_is_no_work_directory(hub) -> None:
    for path in (hub.state_dir, hub.state_dir + "/logs", os.path.dirname(hub.state_dir)):
        refused = hub.post("/api/runners/register", {"name": "ok", "roots": [path]})
        assert (refused.status, refused.json["code"]) == (403, "bad_root")


def test_a_name_is_taken_once(hub) -> None:
    register(hub, "vm-3")
    refused = hub.post("/api/runners/register", {"name": "vm-3"})
    assert (refused.status, refused.json["code"]) == (409, "runner_exists")


def test_a_runners_token_is_good_for_itself_only(hub) -> None:
    mine, other = register(hub, "vm-4"), register(hub, "vm-5")
    key = bearer(mine["token"])
    assert hub.get("/api/runners/self", headers=key).data["name"] == "vm-4"
    assert hub.get(f"/api/runners/{mine['id']}", headers=key).status == 200
    for method, path in (
            ("GET", f"/api/runners/{other['id']}"), ("GET", "/api/runners/vm-5"),
            ("DELETE", f"/api/runners/{other['id']}"),
            ("POST", f"/api/runners/{other['id']}/heartbeat"),
            ("POST", f"/api/runners/{other['id']}/drain"),
            ("POST", f"/api/runners/{other['id']}/github-token")):
        assert hub.request(method, path, headers=key).status == 404, path
    for method, path in (("GET", "/api/runners"), ("POST", "/api/runners"),
                         ("POST", "/api/runners/register"), ("POST", "/api/runners/enrol"),
                         ("POST", f"/api/runners/{mine['id']}/token")):
        assert hub.request(method, path, {}, headers=key).status == 403, path
    assert show(hub, "vm-5")["status"] == "offline"


# -- heartbeats --------------------------------------------------------------

def test_heartbeats_are_in_the_store_and_their_end_too(hub) -> None:
    made = register(hub, "vm-beat")

    def row() -> tuple:
        with sqlite3.connect(f"file:{hub.state_dir}/runnerhub.db?mode=ro", uri=True) as db:
            return db.execute("SELECT name, status, last_heartbeat FROM runners "
                              "WHERE type='proxy' AND name='vm-beat'").fetchone()
    answer = beat(hub, made["token"]).data
    assert answer == {"status": "idle", "drain": False, "intervalMs": 300}
    first = row()
    assert first[:2] == ("vm-beat", "idle") and first[2].endswith("Z")
    assert beat(hub, made["token"], "busy").data["status"] == "busy"
    second = row()
    assert second[1] == "busy" and second[2] > first[2]
    wait_for(lambda: row()[1] == "offline", what="it is offline")
    assert row()[2] == second[2]
    assert beat(hub, made["token"]).data["status"] == "idle"
    assert row()[1] == "idle"
    refused = beat(hub, made["token"], "dancing")
    assert (refused.status, refused.json["code"]) == (400, "invalid_field")


def test_who_is_busy_is_seen_by_its_session(hub) -> None:
    made = register(hub, "vm-busy")
    key = bearer(made["token"])
    beat(hub, made["token"])
    body = {"jobId": "j", "runId": "r", "repository": "acme/app"}
    job = hub.post("/api/jobs/delegate", body, headers=key).data["delegationId"]

    def status() -> tuple:
        beat(hub, made["token"])
        runner = show(hub, "vm-busy")
        return runner["status"], runner["jobId"]
    wait_for(lambda: status() == ("busy", job), what="it is busy with the job")
    refused = hub.delete(f"/api/runners/{made['id']}")
    assert (refused.status, refused.json["code"]) == (409, "runner_busy")
    hub.wait_status(job, "running")
    assert hub.post(f"/api/jobs/{job}/proxy-complete",
                    {"status": "completed", "runId": "r", "jobId": "j"},
                    headers=key).status == 200
    wait_for(lambda: status() == ("idle", None), what="it is idle again")
    history = hub.get(f"/api/jobs?runnerId={made['id']}").data
    assert [entry["id"] for entry in history] == [job]


def test_a_runner_without_heartbeats_is_busy_while_it_drives_a_job(hub) -> None:
    """Nobody supervises a stock runner: only its sessions tell that it lives."""
    made = register(hub, "vm-quiet")
    key = bearer(made["token"])
    assert show(hub, "vm-quiet")["status"] == "offline"
    job = hub.post("/api/jobs/delegate", {"jobId": "quiet", "runId": "r", "repository": "acme/app"},
                   headers=key).data["delegationId"]
    wait_for(lambda: show(hub, "vm-quiet")["status"] == "busy", what="it is busy")
    # Another one, late by as many beats, is offline by then.
    other = register(hub, "vm-other")
    beat(hub, other["token"])
    wait_for(lambda: show(hub, "vm-other")["status"] == "offline", what="the other is offline")
    assert show(hub, "vm-quiet")["status"] == "busy"
    hub.wait_status(job, "running")
    assert "github_runnerhub_sessions_open 1\n" in hub.get("/metrics").text
    assert 'runners_by_status{status="busy"} 1\n' in hub.get("/metrics").text
    hub.post(f"/api/jobs/{job}/proxy-complete",
             {"status": "completed", "runId": "r", "jobId": "quiet"}, headers=key)
    wait_for(lambda: show(hub, "vm-quiet")["status"] == "offline", what="it is silent again")
    assert "github_runnerhub_sessions_open 0\n" in hub.get("/metrics").text


# -- drain, job hooks --------------------------------------------------------

def test_one_that_drains_is_told_and_goes(hub) -> None:
    made = register(hub, "vm-drain")
    key = bearer(made["token"])
    beat(hub, made["token"])
    assert hub.post(f"/api/runners/{made['id']}/drain").status == 202
    assert beat(hub, made["token"]).data == {"status": "stopping", "drain": True,
                                             "intervalMs": 300}
    verdict = hub.post("/api/runners/self/job-started",
                       {"repository": "acme/app"}, headers=key).data
    assert verdict["allowed"] is False and "drained" in verdict["reason"]
    assert hub.delete("/api/runners/self", headers=key).status == 200
    assert hub.get("/api/runners/vm-drain").status == 404


def test_one_that_drains_and_falls_silent_goes(hub) -> None:
    made = register(hub, "vm-silent")
    beat(hub, made["token"])
    hub.post(f"/api/runners/{made['id']}/drain")
    wait_for(lambda: hub.get("/api/runners/vm-silent").status == 404, what="it is removed")
    register(hub, "vm-never-came")
    hub.post(f"/api/runners/{show(hub, 'vm-never-came')['id']}/drain")
    assert hub.get("/api/runners/vm-never-came").status == 404


@pytest.mark.parametrize("repository, allowed", [
    ("acme/app", True), ("ACME/App", True), ("big/one", True), ("big/two", True),
    ("acme/application", False), ("bigger/one", False), ("other/app", False),
])
def test_the_job_hook_asks_whether_a_job_may_begin(hub, repository, allowed) -> None:
    if hub.get("/api/runners/vm-hook").status == 404:
        hub.hook_token = register(hub, "vm-hook")["token"]
    verdict = hub.post("/api/runners/self/job-started",
                       {"repository": repository, "runId": "9", "job": "build"},
                       headers=bearer(hub.hook_token)).data
    assert verdict["allowed"] is allowed
    assert allowed or "RUNNERHUB_ALLOW_REPOSITORIES" in verdict["reason"]
    assert hub.post("/api/runners/self/job-completed",
                    {"repository": repository, "result": "success"},
                    headers=bearer(hub.hook_token)).status == 200


# -- enrolment ---------------------------------------------------------------

def test_the_enrolment_key_is_needed_and_good_for_nothing_else(hub) -> None:
    assert enrol(hub, "r-1", key="a-wrong-key-of-tests").status == 401
    assert hub.get("/api/runners", headers=bearer(KEY)).status == 403
    assert hub.post("/api/jobs/delegate", {}, headers=bearer(KEY)).status == 403
    assert hub.post("/api/runners/register", {"name": "x"},
                    headers=bearer(KEY)).status == 403


def test_without_a_container_there_is_nothing_to_mount(hub) -> None:
    joined = enrol(hub, "r-2", containers=["f" * 64, "no id", "../.."])
    assert joined.status == 201
    assert beat(hub, joined.data["token"]).status == 200
    assert show(hub, "r-2")["roots"] == []


def test_a_name_is_its_holders_while_that_is_there(hub) -> None:
    first = enrol(hub, "r-3").data["token"]
    beat(hub, first)
    refused = enrol(hub, "r-3")
    assert (refused.status, refused.json["code"]) == (409, "name_taken")
    assert enrol(hub, "r-3", token="rhr_" + "0" * 32 + "_" + "0" * 64).status == 409
    other = enrol(hub, "r-4").data["token"]
    assert enrol(hub, "r-3", token=other).status == 409
    assert beat(hub, first).status == 200
    again = enrol(hub, "r-3", token=first)
    assert again.status == 201
    assert beat(hub, first).status == 401
    beat(hub, again.data["token"])
    wait_for(lambda: show(hub, "r-3")["status"] == "offline", what="it is offline")
    assert enrol(hub, "r-3").status == 201


@pytest.mark.parametrize("field, value, status", [
    ("url", "https://github.com/acme/app", 201),
    ("repository", "big/anything", 201),
    ("organization", "big", 201),
    ("repository", "acme/other", 403),
    ("organization", "acme", 403),
    ("organization", "bigger", 403),
    ("url", "https://elsewhere.example/acme/app", 400),
])
def test_a_replica_enrols_for_what_the_hub_names(hub, field, value, status) -> None:
    joined = enrol(hub, "r-scope", **{field: value})
    assert joined.status == status
    if status == 201:
        hub.delete(f"/api/runners/{joined.data['id']}?force=true")
    if status == 403:
        assert joined.json["code"] == "scope_not_allowed"


def test_nobody_enrols_as_another_container(hub, engine: Engine, image) -> None:
    victim = engine.call("POST", "/containers/create", {
        "Image": image, "Cmd": ["sleep", "600"]})["Id"]
    try:
        engine.call("POST", f"/containers/{victim}/start")
        asked = enrol(hub, "thief", containers=[victim])
        assert asked.status == 200 and "token" not in asked.data
        path = asked.data["path"]
        proof = proxy_lab.read_in(engine, victim, path)
        assert len(proof) == 64 and proof not in asked.text + hub.log()
        wrong = {"challenge": asked.data["challenge"], "proof": "0" * 64}
        refused = hub.post("/api/runners/enrol/confirm", wrong, headers=bearer(KEY))
        assert (refused.status, refused.json["code"]) == (403, "bad_proof")
        # Even the right answer comes too late, and the file says no more.
        late = hub.post("/api/runners/enrol/confirm", {**wrong, "proof": proof},
                        headers=bearer(KEY))
        assert (late.status, late.json["code"]) == (409, "no_challenge")
        assert proxy_lab.read_in(engine, victim, path) == ""
        assert hub.get("/api/runners/thief").status == 404
        # Who reads the file is that container; its answer is good once.
        asked = enrol(hub, "honest", containers=[victim[:12]]).data
        proof = proxy_lab.read_in(engine, victim, asked["path"])
        answer = {"challenge": asked["challenge"], "proof": proof}
        joined = hub.post("/api/runners/enrol/confirm", answer, headers=bearer(KEY))
        assert joined.status == 201
        assert show(hub, "honest")["containerId"] == victim
        assert hub.post("/api/runners/enrol/confirm", answer,
                        headers=bearer(KEY)).status == 409
    finally:
        engine.remove(victim)
    wait_for(lambda: hub.get("/api/runners/honest").status == 404, what="its container is gone")


def test_no_container_of_a_job_becomes_a_runner(hub) -> None:
    job = hub.delegate()
    hub.wait_status(job, "running")
    container = hub.job(job)["containerId"]
    joined = enrol(hub, "job-thief", containers=[container])
    assert joined.status == 201 and show(hub, "job-thief")["roots"] == []
    assert show(hub, "job-thief")["containerId"] is None
    hub.post(f"/api/jobs/{job}/cancel")
    hub.wait_end(job)


# -- the commands ------------------------------------------------------------

def run(hub: Hub, runnerhub: str, *args: str, code: int = 0) -> str:
    done = subprocess.run([runnerhub, "runner", *args], cwd=hub.dir, text=True, timeout=60,
                          capture_output=True, check=False, env={
                              **hub.env, "RUNNERHUB_URL": hub.url,
                              "RUNNERHUB_TOKEN": "api-key-of-tests"})
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_commands(hub, runnerhub, tmp_path) -> None:
    file = tmp_path / "token"
    assert str(file) in run(hub, runnerhub, "register", "cli-1", "--root", "/srv/w",
                            "--root", "/srv/x:ro",
                            "-l", "a,b", "-l", "c", "--for", "acme/app", "-o", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    token = file.read_text().strip()
    assert beat(hub, token).status == 200
    shown = run(hub, runnerhub, "show", "cli-1")
    assert "/srv/x (/srv/x, read only)" in shown
    assert "/srv/w (/srv/w)" in shown and "a,b,c" in shown and "acme/app" in shown
    assert token not in shown
    listed = run(hub, runnerhub, "list")
    assert listed.startswith("NAME") and "cli-1" in listed
    assert run(hub, runnerhub, "token", "cli-1").strip() != token
    assert beat(hub, token).status == 401
    assert "is a runner cli-1" in run(hub, runnerhub, "register", "cli-1", code=1)
    assert "removed" in run(hub, runnerhub, "remove", "cli-1", "--force")
    assert "knows no runner cli-1" in run(hub, runnerhub, "show", "cli-1", code=1)
