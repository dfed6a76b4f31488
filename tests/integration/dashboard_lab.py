"""What the tests of the dashboard share: a hub with people, a browser that
looks at it, and jobs of any number and state without running them."""

import collections
import contextlib
import json
import os
import sqlite3
import time
import uuid
from typing import Any, Iterator

import pytest

from browser import WIDE, Browser
from hub import Hub, Reply

PASSWORD = "correct horse battery"
PEOPLE = {"ann": "admin", "otto": "operator", "vera": "viewer"}
NOWHERE = "unix:///nonexistent/engine.sock"

# Answers that a page provokes by design when nobody is logged in (yet): the
# browser notes every refused request in its console.
ASKED = ("/api/auth/me - Failed to load resource: the server responded with a status of 401",
         "/api/auth/refresh - Failed to load resource: the server responded with a status of 401")


# -- people --------------------------------------------------------------------

def log_in(hub: Hub, name: str, password: str = PASSWORD) -> Reply:
    return hub.post("/api/auth/login", {"username": name, "password": password})


def headers_of(hub: Hub, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {log_in(hub, name).data['accessToken']}"}


def add_people(hub: Hub) -> dict[str, dict[str, str]]:
    """Ends open mode. The headers of each."""
    made = hub.post("/api/users", {"name": "ann", "password": PASSWORD, "first": True})
    assert made.status == 201, made.text
    admin = headers_of(hub, "ann")
    for name, role in PEOPLE.items():
        if name != "ann":
            made = hub.post("/api/users", {"name": name, "role": role, "password": PASSWORD},
                            headers=admin)
            assert made.status == 201, made.text
    return {name: headers_of(hub, name) for name in PEOPLE}


# -- a look at it ----------------------------------------------------------------

class Page:
    """The dashboard of a hub, in a browser. What a test expects the console
    to hold beside ASKED is named with expect()."""

    def __init__(self, browser: Browser):
        self.browser = browser
        self.expected = list(ASKED)

    def expect(self, *texts: str) -> None:
        self.expected += texts

    def open(self, hub: Hub, path: str = "") -> Browser:
        self.browser.open(f"{hub.url}/dashboard{path}")
        return self.browser

    def enter(self, hub: Hub, name: str | None = None, path: str = "") -> Browser:
        """As this person; None: the hub is open."""
        browser = self.open(hub, path)
        if name is not None:
            browser.fill("input[name=username]", name)
            browser.fill("input[name=password]", PASSWORD)
            browser.click("button[type=submit]", "Log in")
        browser.find("nav")
        browser.find("main h1")
        return browser

    def close(self) -> None:
        complaints = self.browser.complaints(*self.expected)
        self.browser.forget()
        self.browser.theme("light")
        self.browser.size(WIDE)
        assert not complaints, "\n".join(complaints)


def visit(browser: Browser, path: str) -> None:
    """As a link of the page does it: nothing is loaded anew."""
    browser.run("""history.pushState(null, "", arguments[0]);
        dispatchEvent(new PopStateEvent("popstate"))""", f"/dashboard{path}")


@pytest.fixture(scope="module")
def browser(build_dir: str, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """One for the tests of a file; its pictures go to the build directory."""
    made = Browser(os.path.join(build_dir, "screenshots", request.module.__name__))
    made.theme("light")
    made.size(WIDE)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The browser as new; asserts at the end that no page did what it must
    not: words in the console, violations of the policy, dialogs."""
    made = Page(browser)
    yield made
    made.close()


# -- jobs that never ran -----------------------------------------------------------

COLUMNS = ("id", "repository", "workflow_name", "job_name", "run_id", "attempt", "status",
           "runner_name", "image", "labels", "metadata", "is_session", "has_secrets", "priority",
           "spec_hash", "tries", "exit_code", "reason_code", "reason", "created_at",
           "started_at", "completed_at", "updated_at")


def uuid7(at_ms: int, number: int) -> str:
    return str(uuid.UUID(int=(at_ms & (1 << 48) - 1) << 80 | 7 << 76 | (number >> 62 & 0xfff) << 64
                         | 2 << 62 | number & (1 << 62) - 1))


def iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def ended_job(number: int, at: float, **fields: Any) -> dict[str, Any]:
    """A row of the store for a job that ended `at` (seconds), a minute after
    it was delegated."""
    status = fields.get("status", "completed")
    return {"id": uuid7(int((at - 60) * 1000), number), "repository": f"acme/app-{number % 7}",
            "workflow_name": "Build", "job_name": f"job-{number}", "run_id": str(number),
            "attempt": 1, "status": status, "runner_name": None, "image": None,
            "labels": json.dumps(["self-hosted"]), "metadata": "{}", "is_session": 0,
            "has_secrets": 0, "priority": 50, "spec_hash": number, "tries": 1,
            "exit_code": 0 if status == "completed" else 1,
            "reason_code": "step_failed" if status == "failed" else None,
            "reason": "step 1 exited with code 1" if status == "failed" else None,
            "created_at": iso(at - 60), "started_at": iso(at - 50), "completed_at": iso(at),
            "updated_at": iso(at), **fields}


def insert_jobs(hub: Hub, rows: Iterator[dict[str, Any]]) -> None:
    """In one transaction, into the store of a hub that does not run."""
    assert hub.process is None
    path = os.path.join(hub.state_dir, "runnerhub.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        known = [row[1] for row in db.execute("PRAGMA table_info(jobs)")]
        names = [name for name in COLUMNS if name in known]
        extra = {"spec": "{}", "result": "{}"}
        names += [name for name in extra if name in known]
        states: collections.Counter[str] = collections.Counter()

        def values(row: dict[str, Any]) -> list[Any]:
            states[row["status"]] += 1
            return [{**extra, **row}[name] for name in names]

        with db:
            db.executemany(
                f"INSERT INTO jobs ({','.join(names)}) VALUES ({','.join('?' * len(names))})",
                (values(row) for row in rows))
            db.executemany(  # as the hub counts them
                "INSERT INTO counters (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                [(f"{kind}_{state}", n) for state, n in states.items()
                 for kind in ("present", "ended")])
