"""The hub's containers: what there is, what they use and say, a command inside,
and stopping them; nobody else's."""

import subprocess
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine
from hub import Hub, wait_for

KEY = "the-api-key-of-these-tests-is-long"
ADMIN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_API_KEY": KEY,
                            "RUNNERHUB_SESSION_FIRST_LEASE": "600"}).start()


@pytest.fixture(scope="module")
def roles(hub: Hub) -> dict[str, dict[str, str]]:
    """Headers of a program of each role."""
    made = {}
    for role in ("viewer", "operator", "admin"):
        token = hub.post("/api/tokens", {"name": role, "role": role}, headers=ADMIN).data["token"]
        made[role] = {"Authorization": f"Bearer {token}"}
    return made


@pytest.fixture
def job(hub: Hub) -> Iterator[str]:
    running = hub.delegate(["echo here; sleep 86400"], headers=ADMIN)
    hub.wait_status(running, "running", headers=ADMIN)
    yield running
    hub.post(f"/api/jobs/{running}/cancel", headers=ADMIN)


def container_of(hub: Hub, job: str) -> dict[str, Any]:
    def mine() -> list:
        return [c for c in hub.get("/api/containers", headers=ADMIN).data if c["jobId"] == job]
    return wait_for(mine, what="the job's container is listed")[0]


def execute(hub: Hub, container: str, command: Any, headers: dict[str, str] = ADMIN,
            **fields: Any) -> Any:
    return hub.post(f"/api/containers/{container}/exec", {"command": command, **fields},
                    headers=headers)


# -- looking --------------------------------------------------------------------------

def test_a_jobs_container_is_listed_with_its_job(hub: Hub, job: str,
                                                 roles: dict[str, dict[str, str]]) -> None:
    shown = container_of(hub, job)
    assert (shown["kind"], shown["state"], shown["repository"]) == ("job", "running", "test/repo")
    assert shown["id"] == hub.job(job, ADMIN)["containerId"] and shown["createdAt"]
    assert hub.get("/api/containers", headers=roles["viewer"]).status == 200
    stats = hub.get(f"/api/containers/{shown['id'][:12]}/stats", headers=roles["viewer"]).data
    assert stats["memoryBytes"] > 0 and stats["pids"] >= 2 and stats["cpus"] >= 1
    refused = hub.get(f"/api/containers/{shown['id']}/logs", headers=ADMIN)
    assert (refused.status, refused.json["code"]) == (409, "no_engine_log")
    assert refused.json["error"].endswith(f"GET /api/jobs/{job}/logs")


def test_a_service_says_what_it_printed(hub: Hub, image: str) -> None:
    session = hub.delegate(headers=ADMIN, services=[
        {"image": image, "contextName": "db", "entryPoint": "sh",
         # words are split at blanks, as the runner's hooks do it
         "entryPointArgs": ["-c", "echo${IFS}ready;sleep${IFS}86400"]}])
    hub.wait_status(session, "running", headers=ADMIN)
    service = next(c for c in hub.get("/api/containers", headers=ADMIN).data
                   if c["kind"] == "service" and c["jobId"] == session)
    path = f"/api/containers/{service['id']}"
    wait_for(lambda: hub.get(f"{path}/logs?tail=5", headers=ADMIN).data["logs"] == "ready\n")
    assert hub.post(f"{path}/stop", headers=ADMIN).status == 202
    wait_for(lambda: hub.get(f"{path}/stats", headers=ADMIN).status == 409)
    assert execute(hub, service["id"], ["true"]).json["code"] == "container_not_running"
    hub.post(f"/api/jobs/{session}/cancel", headers=ADMIN)
    hub.wait_status(session, "cancelled", headers=ADMIN)


@pytest.fixture
def foreign(engine: Engine, image: str) -> Iterator[str]:
    """A container of somebody else on the same engine."""
    made = subprocess.run(["docker", "-H", engine.host, "run", "-d", "--label",
                           "runnerhub.hub=another", image, "sleep", "86400"],
                          capture_output=True, text=True, check=True).stdout.strip()
    yield made
    subprocess.run(["docker", "-H", engine.host, "rm", "-f", made], capture_output=True,
                   check=True)


def test_others_containers_do_not_exist(hub: Hub, job: str, foreign: str,
                                        engine: Engine) -> None:
    name = container_of(hub, job)["name"]
    mine = container_of(hub, job)["id"]
    for named in (foreign, foreign[:12], foreign[:20], name, mine[:11], mine.upper(),
                  mine + "0", "..%2F" + mine, "%00", "json?all=1"):
        for answer in (hub.get(f"/api/containers/{named}/stats", headers=ADMIN),
                       hub.get(f"/api/containers/{named}/logs", headers=ADMIN),
                       execute(hub, named, ["id"]),
                       hub.post(f"/api/containers/{named}/stop", headers=ADMIN)):
            assert answer.status in (400, 404), named
    state = subprocess.run(["docker", "-H", engine.host, "inspect", "-f",
                            "{{.State.Running}}", foreign], capture_output=True, text=True,
                           check=True).stdout
    assert state == "true\n"


# -- a command inside -----------------------------------------------------------------

def test_a_command_runs_without_a_shell(hub: Hub, job: str) -> None:
    container = container_of(hub, job)["id"]
    done = execute(hub, container, ["echo", "$HOME; ls"]).data
    assert done == {"exitCode": 0, "timedOut": False, "output": "$HOME; ls\n",
                    "truncated": False}
    assert execute(hub, container, ["sh", "-c", "echo no >&2; exit 7"]).data == {
        "exitCode": 7, "timedOut": False, "output": "no\n", "truncated": False}
    flood = execute(hub, container, ["sh", "-c", "yes | head -c 400000"]).data
    assert flood["truncated"] and len(flood["output"]) == 256 * 1024
    late = execute(hub, container, ["sh", "-c", "echo begun; sleep 3600"], timeoutSeconds=1).data
    assert late["timedOut"] and late["exitCode"] is None and late["output"] == "begun\n"


def test_only_admins_run_commands(hub: Hub, job: str, roles: dict[str, dict[str, str]]) -> None:
    container = container_of(hub, job)["id"]
    for role, status in (("viewer", 403), ("operator", 403), ("admin", 200)):
        assert execute(hub, container, ["true"], roles[role]).status == status, role
    assert hub.get(f"/api/containers/{container}/logs", headers=roles["operator"]).status == 403
    assert hub.post(f"/api/containers/{container}/stop", headers=roles["viewer"]).status == 403


@pytest.mark.parametrize("body", [
    {}, {"command": "ls"}, {"command": []}, {"command": [""]}, {"command": ["a\0b"]},
    {"command": ["ls", 1]}, {"command": ["x"] * 65}, {"command": ["x" * 8193]},
    {"command": ["ls"], "timeoutSeconds": 61}, {"command": ["ls"], "timeoutSeconds": 0},
    {"command": ["ls"], "timeoutSeconds": "5"}])
def test_a_bad_command_is_refused(hub: Hub, body: Any) -> None:
    refused = hub.post(f"/api/containers/{'0' * 64}/exec", body, headers=ADMIN)
    assert refused.status == 400, body


def test_a_command_is_audited_without_its_arguments(hub: Hub, job: str) -> None:
    container = container_of(hub, job)["id"]
    execute(hub, container, ["echo", "topsecret-argument"])
    path = f"/api/audit?action=container.exec&object={container}"
    rows = wait_for(lambda: hub.get(path, headers=ADMIN).data)
    assert rows[0]["detail"] == {"command": "echo, 1 arguments"}
    with open(hub.log_path, encoding="utf-8") as log:
        assert "topsecret-argument" not in log.read()


# -- stop -----------------------------------------------------------------------------

def test_stopping_a_jobs_container_ends_the_job(hub: Hub, job: str,
                                                roles: dict[str, dict[str, str]]) -> None:
    container = container_of(hub, job)["id"]
    assert hub.post(f"/api/containers/{container}/stop",
                    headers=roles["operator"]).status == 202
    ended = hub.wait_status(job, "cancelled", headers=ADMIN)
    assert ended["reason"].startswith("its container was stopped by token:")
    wait_for(lambda: container not in
             [c["id"] for c in hub.get("/api/containers", headers=ADMIN).data])


def test_the_command_line_does_the_same(hub: Hub, job: str) -> None:
    container = container_of(hub, job)["id"]
    hub.env["RUNNERHUB_TOKEN"] = KEY
    listed = hub.cli("container", "list").stdout
    assert container[:12] in listed and job in listed
    assert "MEMORY" in hub.cli("container", "stats", container[:12]).stdout.upper()
    done = hub.cli("container", "exec", container[:12], "--", "sh", "-c", "echo inside; exit 5")
    assert (done.stdout, done.returncode) == ("inside\n", 5)
    assert hub.cli("container", "logs", container[:12]).returncode == 1
    assert hub.cli("container", "stop", container[:12]).returncode == 0
    hub.wait_status(job, "cancelled", headers=ADMIN)
