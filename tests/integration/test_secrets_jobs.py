"""Named secrets of jobs: who may be given which, and where it shows."""

import json
import os
import subprocess
import uuid
from typing import Any, Callable

import pytest

from hub import Hub, Reply, wait_for

KEY = "a-key-of-the-tests-0123456789"
AUTH = {"Authorization": f"Bearer {KEY}"}
VALUE = "correct-horse-" + uuid.uuid4().hex


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    hub = make_module_hub({"RUNNERHUB_API_KEY": KEY}).start()
    put(hub, "DEPLOY_KEY", use="jobs", repositories=["acme/*", "other/one"])
    put(hub, "ANYBODY", use="both")
    put(hub, "PORTAL_ONLY")
    return hub


def put(hub: Hub, name: str, value: str = VALUE, **rule: Any) -> None:
    reply = hub.request("PUT", f"/api/secrets/{name}", {"value": value, **rule}, headers=AUTH)
    assert reply.status == 200, reply.text


def delegate(hub: Hub, names: Any, repository: str = "acme/shop", **fields: Any) -> Reply:
    return hub.post("/api/jobs/delegate", {
        "jobId": "1", "runId": uuid.uuid4().hex, "repository": repository,
        "steps": [{"run": 'echo "[$TOKEN]"; test "$TOKEN" = "$WANT" && echo same'}],
        "env": {"WANT": fields.pop("want", VALUE)}, "namedSecrets": names, **fields}, headers=AUTH)


def uses(hub: Hub, name: str) -> list[dict[str, Any]]:
    reply = hub.get(f"/api/audit?action=secret.use&object={name}", headers=AUTH)
    assert reply.status == 200, reply.text
    assert VALUE not in reply.text
    return reply.data


def test_a_job_is_given_it_masked_and_noted(hub: Hub) -> None:
    made = delegate(hub, {"TOKEN": "DEPLOY_KEY"})
    assert made.status == 201, made.text
    job = made.data["delegationId"]
    wait_for(lambda: hub.job(job, AUTH)["status"] == "completed", what="the job's end")
    logs = hub.get(f"/api/jobs/{job}/logs", headers=AUTH).data["logs"]
    assert logs == "[***]\nsame\n"
    row = wait_for(lambda: uses(hub, "DEPLOY_KEY"), what="the row of the use")[0]
    assert (row["actor"], row["result"]) == ("key", "ok")
    assert row["detail"] == {"source": "store", "job": job, "repository": "acme/shop"}
    assert VALUE not in hub.log() and VALUE not in json.dumps(hub.job(job, AUTH))


def test_a_value_that_was_changed_counts_from_the_next_start(hub: Hub) -> None:
    put(hub, "CHANGED", use="jobs")
    hub.post("/api/queue/pause", headers=AUTH)
    made = delegate(hub, {"TOKEN": "CHANGED"}, want="the second value")
    put(hub, "CHANGED", "the second value")
    hub.post("/api/queue/resume", headers=AUTH)
    job = made.data["delegationId"]
    wait_for(lambda: hub.job(job, AUTH)["status"] == "completed", what="the job's end")


def test_one_that_was_deleted_meanwhile_fails_the_job(hub: Hub) -> None:
    put(hub, "GONE", use="jobs")
    hub.post("/api/queue/pause", headers=AUTH)
    job = delegate(hub, {"TOKEN": "GONE"}).data["delegationId"]
    assert hub.delete("/api/secrets/GONE", headers=AUTH).status == 200
    hub.post("/api/queue/resume", headers=AUTH)
    wait_for(lambda: hub.job(job, AUTH)["status"] == "failed", what="the job's end")
    assert "GONE is not there" in hub.job(job, AUTH)["error"]
    assert wait_for(lambda: uses(hub, "GONE"), what="the row")[0]["result"] == "failed"
    again = hub.post(f"/api/jobs/{job}/retry", headers=AUTH)
    assert (again.status, again.json["code"]) == (404, "secret_not_found")


@pytest.mark.parametrize("name,repository,code,status", [
    ("DEPLOY_KEY", "evil/shop", "secret_not_allowed", 403),
    ("DEPLOY_KEY", "other/two", "secret_not_allowed", 403),
    ("DEPLOY_KEY", "acmes/shop", "secret_not_allowed", 403),
    ("PORTAL_ONLY", "acme/shop", "secret_not_allowed", 403),
    ("NOWHERE", "acme/shop", "secret_not_found", 404),
    ("vault:a/b#c", "acme/shop", "secret_not_found", 404)])
def test_what_a_rule_does_not_allow_is_refused(hub: Hub, name: str, repository: str, code: str,
                                               status: int) -> None:
    reply = delegate(hub, {"TOKEN": name}, repository)
    assert (reply.status, reply.json["code"]) == (status, code), reply.text
    assert name in reply.json["error"] and "namedSecrets.TOKEN" in reply.json["error"]


def test_repositories_have_no_case_and_all_is_all(hub: Hub) -> None:
    for name, repository in (("DEPLOY_KEY", "Acme/Shop"), ("DEPLOY_KEY", "other/one"),
                             ("ANYBODY", "who/ever")):
        made = delegate(hub, {"TOKEN": name}, repository)
        assert made.status == 201, made.text
        hub.post(f"/api/jobs/{made.data['delegationId']}/cancel", headers=AUTH)


@pytest.mark.parametrize("names", [
    [], "A", {"1A": "ANYBODY"}, {"A-B": "ANYBODY"}, {"A": 1}, {"A": ""}, {"A": "a b"},
    {"A": "../x"}, {"A": "vault:x"}, {"A": "vault:../x#f"}, {"A": "vault:x#"},
    {"A": "vault:/x#f"}, {"A" * 257: "ANYBODY"}, {"A": "B" * 513},
    {f"A{n}": "ANYBODY" for n in range(101)}])
def test_a_wrong_field_is_named(hub: Hub, names: Any) -> None:
    reply = delegate(hub, names)
    assert (reply.status, reply.json["code"]) == (400, "invalid_field")
    assert "namedSecrets" in reply.json["error"]


def test_a_variable_cannot_have_two_secrets(hub: Hub) -> None:
    reply = delegate(hub, {"TOKEN": "ANYBODY"}, secrets={"TOKEN": "x"})
    assert reply.status == 400 and "namedSecrets.TOKEN" in reply.json["error"]


def test_sessions_and_their_tokens_get_none(hub: Hub) -> None:
    body = {"jobId": "s", "runId": uuid.uuid4().hex, "repository": "acme/shop",
            "namedSecrets": {"TOKEN": "ANYBODY"}}
    reply = hub.post("/api/jobs/delegate", body, headers=AUTH)
    assert reply.status == 400 and "jobs with steps" in reply.json["error"]
    made = hub.post("/api/runners/register", {"name": "r1"}, headers=AUTH).data
    runner = {"Authorization": f"Bearer {made['token']}"}
    for steps in ({}, {"steps": [{"run": "env"}]}):
        reply = hub.post("/api/jobs/delegate", {**body, **steps}, headers=runner)
        assert reply.status in (400, 403), reply.text
    assert hub.request("PUT", "/api/secrets/X", {"value": "x"}, headers=runner).status == 403


def test_rules_are_shown_and_wrong_ones_refused(hub: Hub) -> None:
    shown = {one["name"]: one for one in hub.get("/api/secrets", headers=AUTH).data}
    assert shown["DEPLOY_KEY"]["use"] == "jobs"
    assert shown["DEPLOY_KEY"]["repositories"] == ["acme/*", "other/one"]
    assert (shown["PORTAL_ONLY"]["use"], shown["PORTAL_ONLY"]["repositories"]) == ("components", [])
    for rule in ({"use": "all"}, {"use": 1}, {"repositories": "acme/*"}, {"repositories": [1]},
                 {"repositories": ["acme"]}, {"repositories": ["a/b,c/d"]},
                 {"repositories": ["*/*"]}, {"repositories": [""]},
                 {"repositories": ["a/" + "b" * 2048]}):
        reply = hub.request("PUT", "/api/secrets/WRONG", {"value": "v", **rule}, headers=AUTH)
        assert reply.status == 400, rule
    assert "WRONG" not in {one["name"] for one in hub.get("/api/secrets", headers=AUTH).data}


def test_the_command_line_has_all_of_it(hub: Hub) -> None:
    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([hub.binary, *words], text=True, input=stdin, capture_output=True,
                              env={**os.environ, "RUNNERHUB_URL": hub.url, "RUNNERHUB_TOKEN": KEY,
                                   "NO_COLOR": "1"}, check=False)

    done = run("secret", "set", "CLI_KEY", "--use", "jobs", "--repository", "acme/*",
               "--repository", "other/one", stdin=VALUE)
    assert done.returncode == 0, done.stderr
    row, = [line for line in run("secret", "list").stdout.splitlines() if "CLI_KEY" in line]
    assert row.split()[1:4] == ["jobs", "acme/*", "other/one"]
    run("secret", "set", "CLI_KEY", "--repository", "all", stdin=VALUE)
    listed = {one["name"]: one for one in json.loads(run("secret", "list", "--json").stdout)}
    assert (listed["CLI_KEY"]["use"], listed["CLI_KEY"]["repositories"]) == ("jobs", [])
    done = run("job", "delegate", "--repo", "acme/shop", "--named-secret", "CLI_KEY",
               "--named-secret", "TWICE=CLI_KEY", "--follow",
               "--step", 'test "$CLI_KEY" = "$TWICE" && echo "[$TWICE]"')
    assert (done.returncode, done.stdout) == (0, "[***]\n"), done.stderr
