"""What ends a job before its time: limits, cancel, memory; and that its
resources are really applied."""

from typing import Callable

import pytest

from engine_api import EngineError
from hub import Hub, wait_for

STUBBORN = "trap '' TERM INT; echo ready; while :; do sleep 1; done"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_JOB_GRACE": "1", "RUNNERHUB_CAPACITY": "4",
                            "RUNNER_MEMORY_MB": "128"}).start()


def container_is_gone(hub: Hub, job: dict) -> bool:
    try:
        hub.engine.inspect(job["containerId"])
        return False
    except EngineError as error:
        return error.status == 404


def wait_gone(hub: Hub, job: dict) -> None:
    wait_for(lambda: container_is_gone(hub, job), what="the container is removed")


def wait_log(hub: Hub, job_id: str, text: str) -> None:
    wait_for(lambda: text in hub.logs(job_id), what=f"{text!r} in the log")


# -- time ---------------------------------------------------------------------------

def test_a_job_runs_into_its_limit(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate(["echo first", "sleep 86400", "echo never"],
                                       timeoutSeconds=1), "failed")
    assert job["code"] == "job_timeout" and "1 s" in job["error"]
    assert [step["status"] for step in job["steps"]] == ["completed", "failed", "skipped"]
    assert hub.logs(job["id"]) == "first\n"
    wait_gone(hub, job)


def test_the_hubs_own_limit(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNER_JOB_TIMEOUT": "1000"}).start()
    job = hub.wait_status(hub.delegate(["sleep 86400"]), "failed")
    assert job["code"] == "job_timeout"


def test_a_step_runs_into_its_limit(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate([
        {"run": "echo a; sleep 86400", "timeoutSeconds": 1},
        {"run": "echo cleaning", "if": "always"}, "echo never"]), "failed")
    assert job["code"] == "step_timeout" and "step 1" in job["error"]
    assert [step["status"] for step in job["steps"]] == ["failed", "completed", "skipped"]
    assert hub.logs(job["id"]) == "a\ncleaning\n"


def test_a_step_that_ignores_its_limit_is_killed(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate([{"run": STUBBORN, "timeoutSeconds": 1}]), "failed")
    assert job["code"] == "step_timeout" and job["exitCode"] == 137
    wait_gone(hub, job)


def test_a_step_has_time_for_last_words(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate([
        {"run": "trap 'echo last words; exit 5' TERM; sleep 86400 & wait",
         "timeoutSeconds": 1}]), "failed")
    assert hub.logs(job["id"]) == "last words\n" and job["code"] == "step_timeout"


# -- cancel ----------------------------------------------------------------------------

def test_cancel_ends_a_job_that_ignores_it(hub: Hub) -> None:
    job_id = hub.delegate([{"run": STUBBORN}, {"run": "echo never", "if": "always"}])
    wait_log(hub, job_id, "ready")
    assert hub.post(f"/api/jobs/{job_id}/cancel").status == 202
    job = hub.wait_status(job_id, "cancelled")
    assert job["code"] == "cancelled" and job["cancelRequested"] is True
    assert hub.logs(job_id) == "ready\n"
    wait_gone(hub, job)


def test_cancel_reaches_what_runs_in_the_background(hub: Hub) -> None:
    job_id = hub.delegate(["(trap '' TERM HUP; setsid sleep 86400) & echo ready; wait"])
    wait_log(hub, job_id, "ready")
    hub.post(f"/api/jobs/{job_id}/cancel")
    wait_gone(hub, hub.wait_status(job_id, "cancelled"))


@pytest.mark.parametrize("awaited", [0, 1, 4])
def test_cancel_between_the_states(hub: Hub, awaited: int) -> None:
    """Wherever the wish meets the job, it ends cancelled, or has ended."""
    ids = [hub.delegate(["true"]) for _ in range(12)]
    for job_id in ids[:awaited]:
        hub.wait_status(job_id, "assigned", "running", "completed")
    for job_id in ids:
        assert hub.post(f"/api/jobs/{job_id}/cancel").status in (200, 202)
    for job_id in ids:
        job = hub.wait_end(job_id)
        assert job["status"] in ("cancelled", "completed"), job
        events = hub.get(f"/api/jobs/{job_id}/events").data
        assert len([e for e in events if e["status"] in ("cancelled", "completed")]) == 1
    # Sooner than the collector of leftovers looks: once a minute.
    wait_for(lambda: not hub.containers(), 40, "no container is left, not even half made")


# -- resources -------------------------------------------------------------------------

def test_out_of_memory_is_told(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate([
        {"run": "dd if=/dev/zero of=/dev/null bs=200M count=1"}],
        resources={"memory": "32m"}), "failed")
    assert job["code"] == "out_of_memory"
    assert "limit 32 MiB" in job["error"] and "peak" in job["error"]
    told = job["steps"][0]["outOfMemory"]
    assert told["kills"] >= 1 and told["limitBytes"] == 32 << 20
    assert 24 << 20 <= told["peakBytes"] <= 33 << 20


def test_memory_that_suffices(hub: Hub) -> None:
    job = hub.wait_end(hub.delegate(["dd if=/dev/zero of=/dev/null bs=40M count=1"],
                                    resources={"memory": 96 << 20}))
    assert job["status"] == "completed", job["error"]
    assert "outOfMemory" not in job["steps"][0]


def test_the_limit_of_processes_is_met(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate([
        {"run": "for i in $(seq 60); do sleep 86400 & done; echo all", "shell": "sh"}],
        resources={"pids": 24}), "failed", "completed")
    assert "can't fork" in hub.logs(job["id"]) and "all" not in hub.logs(job["id"])


def test_resources_are_applied(hub: Hub) -> None:
    job_id = hub.delegate(["sleep 86400"], resources={"cpus": 0.5, "memory": "64m", "pids": 99})
    job = hub.wait_status(job_id, "running")
    config = hub.engine.inspect(job["containerId"])["HostConfig"]
    assert config["NanoCpus"] == 500_000_000 and config["PidsLimit"] == 99
    assert config["Memory"] == config["MemorySwap"] == 64 << 20
    assert config["RestartPolicy"]["Name"] in ("", "no")
    hub.post(f"/api/jobs/{job_id}/cancel")


def test_default_resources_are_applied(hub: Hub) -> None:
    job_id = hub.delegate(["sleep 86400"])
    job = hub.wait_status(job_id, "running")
    config = hub.engine.inspect(job["containerId"])["HostConfig"]
    assert config["PidsLimit"] == 512 and config["Memory"] == 128 << 20
    cpus = hub.get("/api/system").data["engine"]["cpus"]
    assert config["NanoCpus"] == min(2, cpus) * 1_000_000_000
    hub.post(f"/api/jobs/{job_id}/cancel")


@pytest.mark.parametrize("resources, named", [
    ({"memory": "9999g"}, "resources.memory"), ({"cpus": 1000}, "resources.cpus")])
def test_more_than_there_is_is_refused(hub: Hub, resources: dict, named: str) -> None:
    wait_for(lambda: hub.get("/api/system").data["engine"]["up"])
    reply = hub.post("/api/jobs/delegate", {"jobId": "1", "runId": "1", "repository": "a/b",
                                            "resources": resources})
    assert reply.status == 400 and named in reply.json["error"]
