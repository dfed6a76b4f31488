"""A job's log by the numbers of its lines, and a text in them."""

import urllib.parse
from typing import Any, Callable

import pytest

from hub import Hub, wait_for

LINES = 20000


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub().start()


@pytest.fixture(scope="module")
def job(hub: Hub) -> str:
    """A long step, then one with both streams and words without a newline."""
    ended = hub.delegate([f"seq {LINES}", "echo Straße; echo ÄRGER >&2; printf 'no end'"])
    hub.wait_status(ended, "completed")
    return ended


def lines(hub: Hub, job: str, **query: Any) -> dict:
    return hub.get(f"/api/jobs/{job}/logs/lines?" + urllib.parse.urlencode(query)).data


def search(hub: Hub, job: str, **query: Any) -> dict:
    return hub.get(f"/api/jobs/{job}/logs/search?" + urllib.parse.urlencode(query)).data


def test_a_jump_gives_numbered_lines(hub: Hub, job: str) -> None:
    shown = lines(hub, job, **{"from": 12345, "limit": 3})
    assert (shown["from"], shown["total"], shown["complete"]) == (12345, LINES + 3, True)
    assert [(line["n"], line["text"], line["stream"], line["step"], line["cut"])
            for line in shown["lines"]] == [
                (12345, "12346", "stdout", 0, False), (12346, "12347", "stdout", 0, False),
                (12347, "12348", "stdout", 0, False)]
    started, ended = (hub.job(job)[key] for key in ("startedAt", "completedAt"))
    assert all(started <= line["at"] <= ended for line in shown["lines"])


def test_the_last_lines_know_stream_and_step(hub: Hub, job: str) -> None:
    shown = lines(hub, job, **{"from": -1, "limit": 3})["lines"]
    # the streams of one step may overtake one another
    assert {(line["text"], line["stream"], line["step"]) for line in shown} == {
        ("Straße", "stdout", 1), ("ÄRGER", "stderr", 1), ("no end", "stdout", 1)}
    assert [line["n"] for line in shown] == [LINES, LINES + 1, LINES + 2]
    assert len(lines(hub, job)["lines"]) == 500
    assert lines(hub, job, **{"from": LINES + 3})["lines"] == []


def test_lines_of_a_running_job_grow(hub: Hub) -> None:
    running = hub.delegate(["echo one; printf two; sleep 86400"])
    wait_for(lambda: hub.get(f"/api/jobs/{running}/logs").data["logs"].endswith("two"))
    shown = lines(hub, running)
    assert [line["text"] for line in shown["lines"]] == ["one", "two"]
    assert shown["total"] == 2 and shown["complete"] is False
    hub.post(f"/api/jobs/{running}/cancel")
    hub.wait_status(running, "cancelled")


def test_a_search_is_literal_folds_case_and_goes_on(hub: Hub, job: str) -> None:
    first = search(hub, job, q="1999", limit=2)
    assert [(m["n"], m["column"]) for m in first["matches"]] == [(1998, 0), (11998, 1)]
    assert first["next"] == 11999 and first["scanned"] == 11999
    rest = search(hub, job, q="1999", **{"from": first["next"]})
    assert [m["n"] for m in rest["matches"]] == list(range(19989, 19999)) and rest["next"] is None
    assert len(search(hub, job, q="straSSe")["matches"]) == 0  # no full folding
    assert len(search(hub, job, q="STRAßE")["matches"]) == 1
    assert len(search(hub, job, q="ärger")["matches"]) == 1
    assert search(hub, job, q="ärger", case="true")["matches"] == []
    assert search(hub, job, q=".*")["matches"] == []


def test_what_is_wrong_is_named(hub: Hub, job: str) -> None:
    for path, parameter in (("lines?from=-2", "from"), ("lines?limit=2001", "limit"),
                            ("lines?limit=0", "limit"), ("search", "q"),
                            ("search?q=" + "x" * 1025, "q"), ("search?q=x&case=maybe", "case")):
        refused = hub.get(f"/api/jobs/{job}/logs/{path}")
        assert refused.status == 400 and f'"{parameter}"' in refused.json["error"]
    missing = hub.get("/api/jobs/00000000-0000-7000-8000-000000000000/logs/lines")
    assert (missing.status, missing.json["code"]) == (404, "job_not_found")


def test_a_job_that_waits_has_no_lines(hub: Hub) -> None:
    hub.post("/api/queue/pause")
    waiting = hub.delegate(["true"])
    assert lines(hub, waiting) == {"from": 0, "total": 0, "complete": False, "lines": []}
    assert search(hub, waiting, q="x") == {"matches": [], "next": None, "scanned": 0}
    hub.post(f"/api/jobs/{waiting}/cancel")
    hub.post("/api/queue/resume")
    assert lines(hub, waiting)["complete"] is True
