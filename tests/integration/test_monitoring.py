"""Figures over time, lists of jobs that are searched, and what the system page
tells of a hub."""

from datetime import datetime, timedelta
from typing import Any, Callable

import pytest

from hub import Hub


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_CAPACITY": "2", "RUNNER_MEMORY_MB": "64"}).start()


@pytest.fixture(scope="module")
def jobs(hub: Hub) -> list[dict]:
    """One of each end."""
    done = hub.delegate(["sleep 0.2"], repository="octo/Web", jobId="build", workflow="CI",
                        runnerName="alpha")
    failed = hub.delegate(["exit 3"], repository="octo/api", jobId="unit_tests",
                          workflow="Nightly 100%", runnerName="beta")
    gone = hub.delegate(["sleep 86400"], repository="other/web", jobId="deploy", runnerName="alpha")
    hub.wait_status(gone, "running")
    hub.post(f"/api/jobs/{gone}/cancel")
    return [hub.wait_status(done, "completed"), hub.wait_status(failed, "failed"),
            hub.wait_status(gone, "cancelled")]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# -- figures ------------------------------------------------------------------------

def test_the_figures_count_each_job_once(hub: Hub, jobs: list[dict]) -> None:
    figures = hub.get("/api/monitoring?hours=2&step=3600").data
    points = figures["points"]
    assert figures["step"] == 3600 and len(points) == 3
    assert [moment(p["at"]) - moment(figures["from"]) for p in points] == [
        timedelta(seconds=3600 * n) for n in range(3)]
    assert moment(figures["to"]) - moment(points[-1]["at"]) == timedelta(seconds=3600)
    total = {key: sum(p[key] for p in points)
             for key in ("completed", "failed", "cancelled", "delegated")}
    assert total == {"completed": 1, "failed": 1, "cancelled": 1, "delegated": 3}


def test_percentiles_are_those_of_the_jobs(hub: Hub, jobs: list[dict]) -> None:
    points = hub.get("/api/monitoring?hours=1&step=86400").data["points"]
    waits = sorted((moment(j["phases"]["started"]) - moment(j["phases"]["queued"]))
                   .total_seconds() for j in jobs)
    runs = sorted((moment(j["phases"]["ended"]) - moment(j["phases"]["started"]))
                  .total_seconds() for j in jobs)
    if len(points) > 1:  # the day has just begun
        points = [p for p in points if p["waitP50"] is not None]
    point = points[-1]
    for key, want in (("waitP50", waits[1]), ("waitP95", waits[2]),
                      ("durationP50", runs[1]), ("durationP95", runs[2])):
        assert point[key] == pytest.approx(want, abs=0.002), key


def test_points_without_jobs_have_no_percentiles(hub: Hub) -> None:
    point = hub.get("/api/monitoring?hours=168&step=3600").data["points"][0]
    assert {key: value for key, value in point.items() if key != "at"} == {
        "completed": 0, "failed": 0, "cancelled": 0, "delegated": 0, "waitP50": None,
        "waitP95": None, "durationP50": None, "durationP95": None}


def test_figures_are_bounded(hub: Hub) -> None:
    for query, code in (("hours=168&step=60", "too_many_points"), ("hours=169", "invalid_parameter"),
                        ("hours=0", "invalid_parameter"), ("step=1", "invalid_parameter")):
        refused = hub.get(f"/api/monitoring?{query}")
        assert (refused.status, refused.json["code"]) == (400, code)


# -- lists --------------------------------------------------------------------------

def found(hub: Hub, query: str) -> tuple[set[str], int]:
    reply = hub.get(f"/api/jobs?{query}").json
    return {job["jobId"] for job in reply["data"]}, reply["pagination"]["total"]


@pytest.mark.parametrize("query, names", [
    ("q=WEB", {"build", "deploy"}), ("q=octo/", {"build", "unit_tests"}),
    ("q=nightly%20100%25", {"unit_tests"}), ("q=0%25", {"unit_tests"}), ("q=%25x", set()),
    ("q=t_t", {"unit_tests"}), ("q=i_t", set()), ("q=ci", {"build"}), ("q=", None),
    ("runner=alpha", {"build", "deploy"}), ("runner=alpha&q=octo", {"build"}),
    ("q=web&status=cancelled", {"deploy"}), ("q=web&repository=octo/Web", {"build"}),
    ("runner=alpha&status=failed", set()), ("q=web&since=2999-01-01", set()),
    ("since=2999-01-01", set()),
    ("runner=00000000-0000-7000-8000-000000000000", set())])
def test_a_list_is_searched(hub: Hub, jobs: list[dict], query: str, names: Any) -> None:
    want = {"build", "unit_tests", "deploy"} if names is None else names
    assert found(hub, query) == (want, len(want))


def test_a_search_has_pages(hub: Hub, jobs: list[dict]) -> None:
    pages = [hub.get(f"/api/jobs?q=e&limit=2&page={n}").json for n in (1, 2, 3)]
    assert [len(page["data"]) for page in pages] == [2, 1, 0]
    assert [job["id"] for page in pages for job in page["data"]] == sorted(
        (job["id"] for job in jobs), reverse=True)
    assert all(page["pagination"]["total"] == 3 for page in pages)
    refused = hub.get("/api/jobs?q=" + "x" * 101)
    assert (refused.status, refused.json["code"]) == (400, "invalid_parameter")


# -- the hub itself -------------------------------------------------------------------

def test_the_system_counts_what_there_is(hub: Hub, jobs: list[dict]) -> None:
    hub.post("/api/runners/register", {"name": "counted", "type": "dedicated"})
    system = hub.get("/api/system").data
    assert {key: system["jobs"][key] for key in ("completed", "failed", "cancelled", "running")} \
        == {"completed": 1, "failed": 1, "cancelled": 1, "running": 0}
    assert sum(system["runners"].values()) == 1 and system["components"] == {}
    assert system["uptimeSeconds"] >= 0 and system["queue"]["paused"] is False
    for part, keys in (("capacity", ("slots", "running", "waiting")),
                       ("engine", ("up", "since", "version", "product")),
                       ("pool", ("wanted", "ready")),
                       ("storage", ("databaseBytes", "logBytes", "diskFreeBytes",
                                    "diskReserveBytes", "diskFull"))):
        assert all(key in system[part] for key in keys), part


def test_a_job_tells_when_each_phase_began(jobs: list[dict]) -> None:
    for job in jobs:
        moments = [job["phases"][key] for key in ("queued", "assigned", "created", "started",
                                                  "ended")]
        assert None not in moments and moments == sorted(moments)
        assert set(job["phases"]) == {"queued", "assigned", "created", "started",
                                      "firstOutput", "ended", "removed"}
