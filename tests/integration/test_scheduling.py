"""What runs when, why a job waits, what is tried again, and the warm pool."""

from typing import Any, Callable

import pytest

from hub import Hub, wait_for

MISSING = "127.0.0.1:1/no/such-image:latest"  # a registry that refuses at once


def one_at_a_time(make_hub: Callable[..., Hub], **env: str) -> tuple[Hub, str]:
    """A hub of one slot, and the job that holds it until it is cancelled."""
    hub = make_hub({"RUNNERHUB_CAPACITY": "1", "RUNNER_MEMORY_MB": "64", **env}).start()
    blocker = hub.delegate(["sleep 86400"], repository="the/blocker")
    hub.wait_status(blocker, "running")
    return hub, blocker


def order_of(hub: Hub, names: dict[str, str], blocker: str) -> list[str]:
    """Lets them run; their names in the order of their starts."""
    hub.post(f"/api/jobs/{blocker}/cancel")
    jobs = [hub.wait_status(job_id, "completed") for job_id in names]
    starts = {job["id"]: [e for e in hub.get(f"/api/jobs/{job['id']}/events").data
                          if e["status"] == "assigned"][0]["id"] for job in jobs}
    return [names[job_id] for job_id in sorted(starts, key=lambda one: starts[one])]


# -- capacity and order -----------------------------------------------------------

def test_capacity_is_used_and_respected(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "2", "RUNNER_MEMORY_MB": "64"}).start()
    ids = [hub.delegate(["sleep 0.3"]) for _ in range(6)]
    jobs = [hub.wait_status(job_id, "completed") for job_id in ids]
    moments = [(job["phases"]["assigned"], 1) for job in jobs]
    moments += [(job["completedAt"], -1) for job in jobs]
    running = peak = 0
    for _, change in sorted(moments):  # an end before a start of the same time
        running += change
        peak = max(peak, running)
    assert peak == 2
    assert hub.get("/api/system").data["capacity"]["slots"] == 2


def test_urgent_jobs_go_first_and_old_ones_before_new(make_hub: Callable[..., Hub]) -> None:
    hub, blocker = one_at_a_time(make_hub)
    names = {hub.delegate(["true"], priority=priority): name for name, priority in (
        ("low", 0), ("first", 50), ("second", 50), ("high", 100), ("above", 51))}
    assert order_of(hub, names, blocker) == ["high", "above", "first", "second", "low"]


def test_repositories_take_turns(make_hub: Callable[..., Hub]) -> None:
    hub, blocker = one_at_a_time(make_hub)
    names = {hub.delegate(["true"], repository="busy/repo"): f"busy {n}" for n in range(4)}
    names |= {hub.delegate(["true"], repository="small/repo"): f"small {n}" for n in range(2)}
    assert order_of(hub, names, blocker) == ["busy 0", "small 0", "busy 1", "small 1",
                                             "busy 2", "busy 3"]


def test_the_queue_has_an_end(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_QUEUE_MAX": "3", "DOCKER_HOST": "unix:///nonexistent.sock"}).start()
    ids = [hub.delegate() for _ in range(3)]
    body = {"jobId": "1", "runId": "one-too-many", "repository": "a/b"}
    reply = hub.post("/api/jobs/delegate", body)
    assert reply.status == 503 and reply.json["code"] == "queue_full"
    assert int(reply.headers["Retry-After"]) > 0
    hub.post(f"/api/jobs/{ids[0]}/cancel")
    assert hub.post("/api/jobs/delegate", body).status == 201


# -- why it waits ---------------------------------------------------------------------

def test_waiting_for_a_slot(make_hub: Callable[..., Hub]) -> None:
    hub, _ = one_at_a_time(make_hub)
    ids = [hub.delegate(["true"]) for _ in range(2)]
    waiting = [hub.job(job_id)["waiting"] for job_id in ids]
    assert {one["code"] for one in waiting} == {"capacity"}
    assert "1 of 1 slots" in waiting[0]["reason"]
    assert "about 0 jobs are ahead" in waiting[0]["reason"]
    assert "about 1 job is ahead" in waiting[1]["reason"]
    listed = {job["id"]: job["waiting"] for job in hub.get("/api/jobs?status=queued").data}
    assert listed == dict(zip(ids, waiting))
    for job_id in ids:
        hub.post(f"/api/jobs/{job_id}/cancel")
        assert hub.job(job_id)["waiting"] is None


def test_waiting_for_memory(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "8", "RUNNER_MEMORY_MB": "64",
                    "RUNNERHUB_MEMORY_PERCENT": "1"}).start()
    budget = wait_for(lambda: hub.get("/api/system").data["capacity"]["memoryBytes"])
    half = budget * 2 // 3
    first = hub.delegate(["sleep 86400"], resources={"memory": half})
    hub.wait_status(first, "running")
    second = hub.delegate(["true"], resources={"memory": half})
    waiting = hub.job(second)["waiting"]
    assert waiting["code"] == "memory" and f"{half >> 20} MiB" in waiting["reason"]
    hub.post(f"/api/jobs/{first}/cancel")
    hub.wait_status(second, "completed")


# -- tried again -------------------------------------------------------------------------

def test_a_pull_that_fails_is_tried_again_and_told(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_JOB_RETRIES": "2",
                    "RUNNERHUB_RETRY_BACKOFF": "500ms"}).start()
    job_id = hub.delegate(["true"], image=MISSING)

    def waiting() -> Any:
        job = hub.job(job_id)
        return job["status"] == "pending" and job["waiting"] and job
    job = wait_for(waiting, what="the job waits for its next try")
    assert job["waiting"]["code"] == "image_pull_failed" and MISSING in job["waiting"]["reason"]
    job = hub.wait_status(job_id, "failed")
    assert job["code"] == "image_pull_failed" and job["tries"] == 3
    assert MISSING in job["error"] and "pull" in job["error"]
    path = [e["status"] for e in hub.get(f"/api/jobs/{job_id}/events").data if e["status"]]
    assert path == ["queued", "assigned", "pending", "queued", "assigned", "pending",
                    "queued", "assigned", "failed"]
    assert job["startedAt"] is None and job["exitCode"] is None
    waits = [line.split("again_in_ms=")[1].split()[0] for line in hub.log().splitlines()
             if f"job={job_id}" in line and "again_in_ms=" in line]
    assert waits == ["500", "1000"]
    assert "github_runnerhub_job_retries_total 2\n" in hub.get("/metrics").text


def test_a_pending_job_is_cancelled(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_RETRY_BACKOFF": "60s"}).start()
    job_id = hub.delegate(["true"], image=MISSING)
    hub.wait_status(job_id, "pending")
    assert hub.post(f"/api/jobs/{job_id}/cancel").status == 200
    assert hub.job(job_id)["status"] == "cancelled"


def test_an_image_that_may_not_be_pulled(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate(["true"], image="no/such:image"), "failed")
    assert job["code"] == "image_not_found" and job["tries"] == 1
    assert "no/such:image" in job["error"] and "RUNNER_PULL_POLICY" in job["error"]


def test_the_engine_comes_back(make_hub: Callable[..., Hub], tmp_path: Any) -> None:
    """A job that was delegated without an engine runs as soon as there is one."""
    hub = make_hub()
    path = hub.engine.host.removeprefix("unix://")
    socket = tmp_path / "engine.sock"
    hub.env["DOCKER_HOST"] = f"unix://{socket}"
    hub.start()
    job_id = hub.delegate(["echo at last"])
    wait_for(lambda: hub.job(job_id)["waiting"]["code"] == "engine_down")
    socket.symlink_to(path)
    hub.wait_status(job_id, "completed")
    assert hub.logs(job_id) == "at last\n"
    wait_for(lambda: hub.get("/health").status == 200)


# -- the warm pool ---------------------------------------------------------------------------

@pytest.fixture
def warm(make_hub: Callable[..., Hub]) -> Hub:
    hub = make_hub({"RUNNERHUB_POOL_SIZE": "1", "RUNNER_MEMORY_MB": "128",
                    "RUNNERHUB_CAPACITY": "2"}).start()
    wait_warm(hub)
    return hub


def pool(hub: Hub) -> dict[str, Any]:
    return hub.get("/api/system").data["pool"]


def wait_warm(hub: Hub) -> dict:
    """The one warm container, once there is one and nothing else."""
    def there() -> Any:
        containers = hub.containers()
        return pool(hub)["ready"] == 1 and len(containers) == 1 and containers[0]
    return wait_for(there, what="a warm sandbox")


def test_a_job_gets_a_warm_sandbox_of_its_own(warm: Hub) -> None:
    seen = set()
    for n in range(1, 4):
        container = wait_warm(warm)
        assert "runnerhub.job.id" not in container["Labels"]
        assert "runnerhub.repository" not in container["Labels"]
        job = warm.wait_status(warm.delegate(["hostname; touch /tmp/mine"]), "completed")
        assert job["containerId"] == container["Id"], "not the warm one"
        assert pool(warm)["hits"] == n and pool(warm)["misses"] == 0
        seen.add((container["Id"], warm.logs(job["id"])))
    assert len(seen) == 3, "a sandbox served two jobs"
    assert len({hostname for _, hostname in seen}) == 3


def test_another_image_or_network_starts_cold(warm: Hub, runner_image: str) -> None:
    container = wait_warm(warm)
    job = warm.wait_status(warm.delegate(["true"], image=runner_image), "completed")
    assert job["containerId"] != container["Id"] and pool(warm)["misses"] == 1
    job = warm.wait_status(warm.delegate(["true"], network="none"), "completed")
    assert job["containerId"] != container["Id"]


def test_other_resources_are_set_on_the_warm_one(warm: Hub) -> None:
    container = wait_warm(warm)
    job_id = warm.delegate(["sleep 86400"], resources={"memory": "64m", "pids": 77, "cpus": 0.5})
    job = warm.wait_status(job_id, "running")
    assert job["containerId"] == container["Id"]
    config = warm.engine.inspect(job["containerId"])["HostConfig"]
    assert config["Memory"] == config["MemorySwap"] == 64 << 20
    assert config["PidsLimit"] == 77 and config["NanoCpus"] == 500_000_000
    warm.post(f"/api/jobs/{job_id}/cancel")
    warm.wait_status(job_id, "cancelled")


def test_more_memory_than_the_pools_is_set_too(warm: Hub) -> None:
    container = wait_warm(warm)
    job_id = warm.delegate(["dd if=/dev/zero of=/dev/null bs=180M count=1"],
                           resources={"memory": "256m"})
    job = warm.wait_status(job_id, "completed")
    assert job["containerId"] == container["Id"]


def test_a_warm_sandbox_that_died_is_replaced(warm: Hub) -> None:
    container = wait_warm(warm)
    warm.engine.kill(container["Id"])
    wait_for(lambda: wait_warm(warm)["Id"] != container["Id"])
    job = warm.wait_status(warm.delegate(["true"]), "completed")
    assert job["containerId"] != container["Id"]


def test_a_burst_beyond_the_pool(warm: Hub) -> None:
    ids = [warm.delegate(["true"]) for _ in range(6)]
    jobs = [warm.wait_status(job_id, "completed") for job_id in ids]
    assert len({job["containerId"] for job in jobs}) == 6
    stats = pool(warm)
    assert stats["hits"] >= 1 and stats["hits"] + stats["misses"] == 6
