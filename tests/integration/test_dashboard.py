"""The dashboard in a real browser: who gets in, what each role sees, and what
changes before one's eyes."""

import time
from typing import Callable, Iterator

import pytest

from dashboard_lab import (PASSWORD, Page, add_people, browser, ended_job,  # noqa: F401
                           insert_jobs, log_in, page, visit)
from hub import Hub

PAGES = {  # path: what a reader finds there
    "": ("Overview", ["Running", "Waiting, oldest first", "Failed lately"]),
    "/jobs": ("Jobs", ["acme/app-1"]),
    "/runners": ("Runners", ["build-1", "acme/shop"]),
    "/components": ("Components", ["No components"]),
    "/system": ("System", ["Queue", "Engine", "Store and disk"]),
    "/audit": ("Audit log", ["user:ann", "user.create"]),
    "/admin": ("Access", ["API tokens"]),
}
ADMINS_ONLY = {"/audit"}


People = dict[str, dict[str, str]]  # the headers of each


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    """With jobs of the last hours, two runners and three people."""
    made = make_module_hub({"JWT_SECRET": "a secret for the tests' tokens"}).start()
    made.terminate()
    now = time.time()
    insert_jobs(made, (ended_job(n, now - 1500 * n, status=("completed", "failed", "cancelled")[n % 3])
                       for n in range(1, 31)))
    return made.start()


@pytest.fixture(scope="module")
def people(hub: Hub) -> People:
    made = add_people(hub)
    for name, scope in (("build-1", {"repository": "acme/shop"}), ("build-2", {"organization": "acme"})):
        reply = hub.post("/api/runners/register", {"name": name, **scope}, headers=made["ann"])
        assert reply.status == 201, reply.text
    return made


@pytest.fixture
def running(hub: Hub, people: People) -> Iterator[str]:
    """A job that runs until it is cancelled."""
    job = hub.delegate(["echo it begins; exec sleep 1000"], headers=people["ann"],
                       repository="acme/live", workflow="Runs for long")
    yield job
    hub.post(f"/api/jobs/{job}/cancel", headers=people["ann"])
    hub.wait_status(job, "cancelled", headers=people["ann"])


def refusals(hub: Hub, people: People) -> int:
    """How many requests the audit log has as refused."""
    return len(hub.get("/api/audit?result=refused&limit=1000", headers=people["ann"]).data)


# -- getting in --------------------------------------------------------------------

def test_an_open_hub_needs_no_login(make_hub: Callable[..., Hub], page: Page) -> None:
    hub = make_hub().start()
    browser = page.enter(hub)
    browser.see("this machine only")
    browser.see("Nothing runs")
    for path, (title, _) in PAGES.items():
        visit(browser, path)
        browser.see(title, "h1")
    assert not browser.all("input[name=password]")


def test_a_login_survives_a_reload_and_ends(hub: Hub, people: People, page: Page) -> None:
    browser = page.open(hub, "/jobs?status=failed")
    page.expect("/api/auth/login - Failed to load resource")
    browser.fill("input[name=username]", "vera")
    browser.fill("input[name=password]", "not her password")
    browser.click("button[type=submit]", "Log in")
    browser.see("The name or the password is wrong")
    browser.fill("input[name=password]", PASSWORD)
    browser.click("button[type=submit]", "Log in")
    browser.see("Jobs", "h1")
    assert browser.url.endswith("/dashboard/jobs?status=failed"), "back to where it was asked for"
    assert browser.shown("#who") == "vera" and browser.shown("#role") == "viewer"
    before = refusals(hub, people)
    browser.reload()
    browser.see("Jobs", "h1")
    assert refusals(hub, people) == before, "a reload is nothing that was refused"
    kept = browser.run("""return JSON.stringify([document.cookie, {...localStorage},
        {...sessionStorage}])""")
    assert "eyJ" not in kept and "rhl_" not in kept, "no token where a script could find it"
    browser.click("button", "Log out")
    browser.find("input[name=password]")
    browser.reload()
    browser.find("input[name=password]")
    assert "acme/" not in browser.shown()


def test_a_login_that_is_over_brings_back_to_where_one_was(hub: Hub, people: People,
                                                           page: Page) -> None:
    browser = page.enter(hub, "otto", "/runners")
    page.expect("status of 401")
    changed = hub.patch("/api/users/otto", {"password": PASSWORD}, headers=people["ann"])
    assert changed.status == 200
    people["otto"] = {"Authorization": f"Bearer {log_in(hub, 'otto').data['accessToken']}"}
    browser.find("input[name=password]")
    browser.fill("input[name=username]", "otto")
    browser.fill("input[name=password]", PASSWORD)
    browser.click("button[type=submit]", "Log in")
    browser.see("build-1")
    assert browser.url.endswith("/dashboard/runners")


def test_an_api_token_gets_in(hub: Hub, people: People, page: Page) -> None:
    token = hub.post("/api/tokens", {"name": "a screen on the wall", "role": "viewer"},
                     headers=people["ann"]).data["token"]
    browser = page.open(hub)
    browser.click("summary")
    browser.fill("input[name=key]", token)
    browser.click("button[type=submit]", "Use it")
    browser.see("Overview", "h1")
    assert browser.shown("#role") == "viewer"
    browser.reload()
    browser.find("input[name=username]")


# -- every page, each role, both themes -----------------------------------------------

@pytest.mark.parametrize("name", ["ann", "vera"])
def test_every_page_in_both_themes(hub: Hub, people: People, page: Page, name: str) -> None:
    browser = page.enter(hub, name)
    grounds = set()
    for theme in ("light", "dark"):
        browser.theme(theme)
        for path, (title, texts) in PAGES.items():
            if path in ADMINS_ONLY and name != "ann":
                continue
            visit(browser, path)
            browser.see(title, "h1")
            for text in texts:
                browser.see(text, "main")
            grounds.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
            browser.shot(f"{name}-{theme}-{title.split()[0].lower()}")
    assert len(grounds) == 2


def test_a_viewer_is_shown_nothing_to_do(hub: Hub, people: People, page: Page, running: str) -> None:
    browser = page.enter(hub, "vera")
    links = browser.shown("nav")
    assert "Audit" not in links and "Jobs" in links
    for path in ("/runners", "/components", "/system", f"/jobs/{running}"):
        visit(browser, path)
        browser.until("document.querySelector('main h1') && !document.querySelector('[aria-busy]')")
        words = browser.shown("main button")
        for word in ("Drain", "Remove", "Start", "Stop", "Pause", "Cancel"):
            assert word not in words.split("\n"), (path, words)
    visit(browser, "/audit")
    browser.see("For admins")
    visit(browser, "/admin")
    browser.see("Change your password")
    assert "Add somebody" not in browser.shown() and "Secrets" not in browser.shown()
    # What the page does not offer the API refuses.
    for method, path in (("POST", "/api/queue/pause"), ("DELETE", "/api/runners/build-1"),
                         ("POST", f"/api/jobs/{running}/cancel"), ("GET", "/api/audit")):
        assert hub.request(method, path, headers=people["vera"]).status == 403, path


# -- live ---------------------------------------------------------------------------

def test_a_job_appears_and_goes_without_a_reload(hub: Hub, people: People, page: Page) -> None:
    browser = page.enter(hub, "vera")
    browser.see("Nothing runs")
    browser.run("window.mark = 'the same page'")
    job = hub.delegate(["echo a line of acme/appears; exec sleep 1000"], headers=people["ann"],
                       repository="acme/appears")
    browser.see("acme/appears", "[aria-label=Running]")
    browser.see("a line of acme/appears", "[aria-label=Running]")
    browser.click("[aria-label=Running] a.job-line")
    browser.see("running", "main")
    hub.post(f"/api/jobs/{job}/cancel", headers=people["ann"])
    browser.see("cancelled", "main")
    browser.back()
    browser.see("Nothing runs")
    assert browser.run("return window.mark") == "the same page"


def test_a_lost_connection_is_told_and_mended(hub: Hub, people: People, page: Page) -> None:
    browser = page.enter(hub, "vera")
    browser.see("Live", ".live")
    page.expect("net::ERR_", "/api/events", "status of 503", "status of 401")
    hub.terminate()
    browser.see("Reconnecting", ".live")
    assert "Overview" in browser.shown("h1"), "what was read stays"
    hub.start()
    browser.click(".live")
    browser.see("Live", ".live")
    job = hub.delegate(["true"], headers=people["ann"], repository="acme/behind-the-gap",
                       env={"SLOW": "1"})
    hub.wait_status(job, "completed", headers=people["ann"])
    visit(browser, "/jobs")
    browser.see("acme/behind-the-gap")


# -- addresses ------------------------------------------------------------------------

def test_filters_live_in_the_address(hub: Hub, people: People, page: Page) -> None:
    browser = page.enter(hub, "ann", "/audit?action=user.create&result=ok")
    browser.see("vera")
    assert "auth.login" not in browser.shown("main tbody")
    assert browser.find("input[name=action]").get_attribute("value") == "user.create"
    browser.fill("input[name=object]", "otto")
    browser.click("main button[type=submit]", "Filter")
    browser.until("!document.querySelector('main tbody').innerText.includes('vera')")
    assert "object=otto" in browser.url
    browser.reload()
    browser.see("otto", "main tbody")
    assert browser.find("input[name=object]").get_attribute("value") == "otto"
    browser.back()
    browser.see("vera", "main tbody")
    visit(browser, "/runners?status=offline&repository=acme%2Fshop")
    browser.find("main h1")
    assert browser.find("input[type=search]").get_attribute("value") == "acme/shop"
    visit(browser, "/jobs?status=failed")
    browser.see("failed", "main")
    browser.click("main a[href^='/dashboard/jobs/']")
    browser.see("step 1 exited with code 1")
    browser.back()
    assert browser.url.endswith("status=failed")


def test_an_address_that_names_nothing(hub: Hub, people: People, page: Page) -> None:
    browser = page.enter(hub, "vera", "/nowhere/at/all")
    browser.see("No such page")
    page.expect("/api/jobs/00000000-0000-4000-8000-000000000000", "/instances/none")
    visit(browser, "/jobs/00000000-0000-4000-8000-000000000000")
    browser.see("Job not found")
    visit(browser, "/components/none")
    browser.find(".problem")
