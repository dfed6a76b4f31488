"""The dashboard with much of everything: a log of a million lines, a hundred
thousand jobs, a log that grows faster than anyone reads."""

import json
import time
from typing import Callable

import pytest

from browser import Browser
from dashboard_lab import (Page, add_people, browser, ended_job,  # noqa: F401
                           insert_jobs, page, visit)
from hub import Hub

LINES = 1_000_000
JOBS = 100_000
ELEMENTS_MAX = 3000  # of a page with a log, however long


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    made = make_module_hub({"JWT_SECRET": "a secret for the tests", "LOG_LEVEL": "info"}).start()
    made.terminate()
    now = time.time()
    insert_jobs(made, (ended_job(n, now - n * 0.8, status=("completed", "completed", "failed")[n % 3])
                       for n in range(1, JOBS + 1)))
    return made.start()


@pytest.fixture(scope="module")
def people(hub: Hub) -> dict[str, dict[str, str]]:
    return add_people(hub)


@pytest.fixture(scope="module")
def long_job(hub: Hub, people: dict) -> str:
    """Two steps, of which the second prints a million lines."""
    job = hub.delegate([{"name": "Prepare", "run": "echo prepared"},
                        {"name": "Talk", "run": f"busybox seq {LINES - 2} | busybox sed 's,.*,line & of many,'"},
                        {"name": "Tidy", "run": "echo tidied"}],
                       headers=people["ann"], repository="acme/talks")
    hub.wait_status(job, "completed", headers=people["ann"])
    return job


def elements(shown: Browser) -> int:
    return shown.run("return document.querySelectorAll('*').length")


def scroll_to(shown: Browser, share: float) -> None:
    shown.run("const e = document.querySelector('.log-scroll');"
              "e.scrollTop = (e.scrollHeight - e.clientHeight) * arguments[0]", share)


def test_a_million_lines_from_end_to_end(hub: Hub, people: dict, page: Page, long_job: str) -> None:
    shown = page.enter(hub, "vera", f"/jobs/{long_job}")
    shown.see("prepared", ".log")
    counts = [elements(shown)]
    scroll_to(shown, 1)
    shown.see("tidied", ".log")
    shown.see(f"line {LINES - 2} of many", ".log")
    counts.append(elements(shown))
    for share in (0.5, 0.25, 0.75):
        scroll_to(shown, share)
        shown.until("Number(document.querySelector('.log-line:not(.blank) .log-n')?.textContent) > 0")
        there = shown.until("""(() => { const n = arguments[0]; const lines =
            [...document.querySelectorAll('.log-line:not(.blank) .log-n')].map((e) => Number(e.textContent));
            return lines.some((x) => Math.abs(x - n) < 20000) })()""", int(share * LINES))
        assert there
        counts.append(elements(shown))
    assert max(counts) < ELEMENTS_MAX and max(counts) - min(counts) < 600, counts
    assert shown.run("return performance.memory.usedJSHeapSize") < 64 << 20
    shown.shot("million")


def test_search_jump_and_link_in_a_million_lines(hub: Hub, people: dict, page: Page,
                                                 long_job: str) -> None:
    shown = page.enter(hub, "vera", f"/jobs/{long_job}")
    shown.see("prepared", ".log")
    shown.fill(".log input[type=search]", "line 765432 of")
    shown.keys("\n")
    shown.see("line 765432 of many", ".log")
    shown.see("1", ".log-count")
    assert shown.find(".log mark").text == "line 765432 of"
    shown.run("[...document.querySelectorAll('.step-button')].at(-1).click()")
    shown.see("tidied", ".log")
    visit(shown, "/jobs")
    visit(shown, f"/jobs/{long_job}#L500001")
    shown.see("line 500000 of many", ".log")
    assert elements(shown) < ELEMENTS_MAX


def test_the_whole_of_it_is_saved(hub: Hub, people: dict, page: Page, long_job: str) -> None:
    shown = page.enter(hub, "vera", f"/jobs/{long_job}")
    shown.click(".log button", "Download")
    shown.see("Saved")
    text = shown.saved(f"{long_job}.log")
    assert text.count("\n") == LINES and text.endswith("tidied\n")


def test_a_log_is_followed_left_and_caught_up(hub: Hub, people: dict, page: Page) -> None:
    job = hub.delegate(["for i in $(seq 1 200); do echo early $i; done; "
                        "while [ ! -e /tmp/go ]; do sleep 0.05; echo tick; done; echo the end"],
                       headers=people["ann"], repository="acme/follows", timeoutSeconds=300)
    shown = page.enter(hub, "ann", f"/jobs/{job}")
    shown.see("tick", ".log")
    shown.until("document.querySelector('.log-tools .button').getAttribute('aria-pressed') === 'true'")
    scroll_to(shown, 0)
    shown.see("early 1", ".log")
    shown.see("Jump to newest", ".log")
    before = shown.shown(".log-status")
    shown.until("document.querySelector('.log-status').innerText !== arguments[0]", before)
    assert "early 1\n" in shown.shown(".log") + "\n", "who reads is not carried off"
    shown.click(".log-newest")
    shown.see("tick", ".log")
    shown.click("button", "Cancel")
    shown.click("dialog button", "Cancel the job")
    shown.see("cancelled", ".page-head")


def test_a_hundred_thousand_jobs(hub: Hub, people: dict, page: Page) -> None:
    shown = page.enter(hub, "vera")
    shown.see("Failed lately")
    shown.run("performance.clearResourceTimings()")
    begun = time.monotonic()
    visit(shown, "/jobs")
    shown.find("main tbody a[href^='/dashboard/jobs/']")
    took = time.monotonic() - begun
    shown.see("100\u202f00", "main")  # and a few more
    asked = shown.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert len([name for name in asked if "/api/jobs" in name]) == 1, asked
    assert len(asked) <= 3, asked
    assert elements(shown) < ELEMENTS_MAX
    shown.shot("jobs")
    print(f"the first page of {JOBS} jobs: {took * 1000:.0f} ms, {len(asked)} requests")
    visit(shown, "/system")
    shown.see("Jobs that ended")
    values = json.loads(shown.run("""return JSON.stringify([...document.querySelectorAll(
        ".chart-figure:first-child svg rect")].length)"""))
    assert values > 100
    shown.shot("system")
