"""Live events and the history of a job: what dashboards are made of."""

from typing import Callable

import pytest

from hub import Hub, wait_for
from sse import Event, Follower

NOWHERE = "unix:///nonexistent/engine.sock"


@pytest.fixture(scope="module")
def parked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


def some_events(hub: Hub, **fields: str) -> str:
    """A job's three events: delegated, the wish to cancel, cancelled."""
    job_id = hub.delegate(["true"], **fields)
    assert hub.post(f"/api/jobs/{job_id}/cancel").status == 200
    return job_id


def numbers(events: list[Event]) -> list[int]:
    return [event.id for event in events]


def test_events_of_a_job_arrive_live(hub: Hub) -> None:
    with Follower(hub) as follower:
        job_id = hub.delegate(["true"], repository="live/events")
        events = [e for e in follower.wait_job(job_id, "completed")
                  if e.data["jobId"] == job_id]
    assert events[0].name == "job:delegated"
    assert {e.name for e in events[1:]} == {"job:status"}
    assert [e.data["status"] for e in events] == ["queued", "assigned", "running", "completed"]
    assert all(e.data["repository"] == "live/events" for e in events)
    assert numbers(events) == sorted(set(numbers(events)))


def test_a_follower_resumes_without_gap_or_duplicate(parked: Hub) -> None:
    with Follower(parked) as follower:
        for _ in range(5):
            some_events(parked)
        all_of_it = follower.wait(15)
    for seen in (1, 4, 14):
        with Follower(parked, last=all_of_it[seen - 1].id) as again:
            last = some_events(parked)
            assert again.wait_job(last, "cancelled")[:15 - seen] == all_of_it[seen:]
    by_query = f"?lastEventId={all_of_it[3].id}"
    with Follower(parked, by_query) as again:
        assert again.wait(11)[:11] == all_of_it[4:]


def test_a_follower_resumes_across_a_restart(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    with Follower(hub) as follower:
        some_events(hub)
        some_events(hub)
        before = follower.wait(6)
        hub.restart()
        assert follower.ended.wait(60), "the stream ends with its hub"
    with Follower(hub, last=before[1].id) as again:
        job_id = some_events(hub)
        events = again.wait_job(job_id, "cancelled")
    assert events[:4] == before[2:]
    assert [e.data["jobId"] for e in events[4:]] == [job_id] * 3
    assert numbers(events) == sorted(set(numbers(events)))


def test_a_killed_hub_repeats_no_number(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    with Follower(hub) as follower:
        some_events(hub)
        before = follower.wait(3)
        hub.kill9()
    hub.start()
    with Follower(hub, last=before[-1].id) as again:
        some_events(hub)
        assert min(numbers(again.wait(3))) > before[-1].id


def test_filters(parked: Hub) -> None:
    with Follower(parked, "?repository=wanted/repo") as by_repository:
        some_events(parked, repository="other/repo")
        wanted = some_events(parked, repository="wanted/repo")
        events = by_repository.wait_job(wanted, "cancelled")
        assert {e.data["repository"] for e in events} == {"wanted/repo"} and len(events) == 3
    job_id = parked.delegate(["true"])
    start = max(numbers(events))
    with Follower(parked, f"?jobId={job_id}", last=start) as by_job:
        some_events(parked)
        parked.post(f"/api/jobs/{job_id}/cancel")
        events = by_job.wait_job(job_id, "cancelled")
        assert {e.data["jobId"] for e in events} == {job_id}
        assert [e.name for e in events] == ["job:delegated", "job:cancel_requested", "job:status"]


@pytest.mark.parametrize("query, headers, name", [
    ("?jobId=abc", {}, "jobId"), ("?lastEventId=x", {}, "lastEventId"),
    ("", {"Last-Event-ID": "x"}, "Last-Event-ID"), ("", {"Last-Event-ID": "-1"}, "Last-Event-ID")])
def test_a_bad_position_or_filter_is_named(parked: Hub, query: str, headers: dict,
                                           name: str) -> None:
    reply = parked.get("/api/events" + query, headers=headers)
    assert reply.status == 400 and f'"{name}"' in reply.json["error"]


def test_many_followers_see_the_same(parked: Hub) -> None:
    followers = [Follower(parked) for _ in range(50)]
    last = [some_events(parked) for _ in range(4)][-1]
    seen = [tuple(numbers(f.wait_job(last, "cancelled"))) for f in followers]
    assert len(set(seen)) == 1 and len(seen[0]) == 12
    for follower in followers:
        follower.__exit__()

    def streams_are_gone() -> bool:
        return "github_runnerhub_http_streams 0\n" in parked.get("/metrics").text
    wait_for(streams_are_gone, what="the hub notices that its followers have left")


def test_the_hubs_figures_come_by_themselves(parked: Hub) -> None:
    with Follower(parked) as follower:
        wait_for(lambda: follower.figures, what="the first figures")
        assert isinstance(follower.figures[0], dict) and follower.figures[0]
    with Follower(parked, f"?jobId={parked.delegate()}") as of_one_job:
        with Follower(parked) as follower:
            wait_for(lambda: follower.figures)
        assert of_one_job.figures == []


def test_the_history_of_a_job(hub: Hub) -> None:
    job = hub.wait_status(hub.delegate(["exit 3"]), "failed")
    path = f"/api/jobs/{job['id']}/events"
    events = hub.get(path).data
    assert [(e["from"], e["status"]) for e in events if e["status"]] == [
        (None, "queued"), ("queued", "assigned"), ("assigned", "running"), ("running", "failed")]
    assert events[-1]["code"] == "step_failed" and "exited with code 3" in events[-1]["reason"]
    times = [e["at"] for e in events]
    assert times == sorted(times)
    assert hub.get(f"{path}?limit=2").data == events[:2]
    assert hub.get(f"{path}?after={events[1]['id']}").data == events[2:]
    for query in ("limit=0", "limit=1001", "after=-1", "after=x"):
        assert hub.get(f"{path}?{query}").status == 400


def test_runners_tell_their_status(parked: Hub) -> None:
    with Follower(parked) as follower, Follower(parked, "?repository=test/repo") as other:
        runner = parked.post("/api/runners/register", {"name": "told"}).data
        token = {"Authorization": f"Bearer {runner['token']}"}
        for status in ("idle", "idle", "offline"):
            assert parked.post("/api/runners/self/heartbeat", {"status": status},
                               headers=token).status == 200
        wait_for(lambda: [one["status"] for one in follower.runners][-1:] == ["offline"],
                 what="the last one is told")
        some_events(parked)
        other.wait(3)
    told = [(one["from"], one["status"]) for one in follower.runners]
    assert told[-2:] == [("offline", "idle"), ("idle", "offline")] or \
        told == [(None, "idle"), ("idle", "offline")], told
    assert {one["name"] for one in follower.runners} == {"told"}
    assert {one["id"] for one in follower.runners} == {runner["id"]}
    assert other.runners == [], "they are of no repository"
    assert parked.delete(f"/api/runners/{runner['id']}").status == 200
