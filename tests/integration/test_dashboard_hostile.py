"""What a job, a repository, a catalog, a user or a component's container can
say reaches the dashboard as text: it is shown, and never interpreted."""

import json
import time
from typing import Callable, Iterator

import pytest

from browser import Browser
from component_lab import Catalog, remove_images
from dashboard_lab import (Page, add_people, browser, ended_job,  # noqa: F401
                           insert_jobs, page, visit)
from hub import Hub

# Each would set window.pwned, ask something, or fetch, were it markup.
TAGS = ("<script>window.pwned=1;alert(1)</script>"
        "<img src=x onerror=\"window.pwned=2\">\"'><svg/onload=window.pwned=3>"
        "<a href=\"javascript:window.pwned=4\">go</a><style>*{display:none}</style>"
        "<iframe srcdoc=\"<script>parent.pwned=5</script>\"></iframe>{{7*7}}${7*7}&lt;b&gt;")
BIDI = "abc\u202egnp.exe\u2066\u2069"
SCRIPT_URL = "javascript:window.pwned=6//"
LINES = [TAGS, BIDI, "line\u2028separator\u2029end", "zero\u0000byte",
         "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.pwned=7\x07link\x1b]8;;\x07",
         "\x1b]0;title\x07\x1b[2J\x1b[1;1H\x1b]52;c;cHduZWQ=\x07cleared?", "\x1bPq#0;2;0;0;0\x1b\\sixel",
         "<!--", "]]>", "</script><script>window.pwned=8</script>"]


@pytest.fixture(scope="module")
def catalog(image: str) -> Iterator[Catalog]:
    made = Catalog(image)
    talker = "FROM {image}\nENTRYPOINT []\nCOPY said /www/index.html\n" \
             "CMD [\"sh\", \"-c\", \"cat /www/index.html; exec busybox httpd -f -p 8080 -h /www\"]\n"
    made.add("evil", dockerfile=talker)
    made.write("evil", "said", "\n".join(LINES) + "\n")
    entity = json.loads(json.dumps({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": "evil", "title": TAGS, "description": TAGS, "tags": ["a"],
                     "links": [{"url": SCRIPT_URL, "title": TAGS}],
                     "annotations": {"runner.backstage.io/enabled": "true"}},
        "spec": {"type": "service", "lifecycle": "production", "owner": TAGS}}))
    made.write("evil", "catalog-info.yaml", json.dumps(entity))
    made.write("broken", "catalog-info.yaml", json.dumps(
        {**entity, "metadata": {**entity["metadata"], "name": TAGS}}))
    yield made
    made.close()


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], catalog: Catalog) -> Hub:
    made = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir,
                            "JWT_SECRET": "a secret for the tests"}).start()
    made.terminate()
    insert_jobs(made, iter([ended_job(
        1, time.time() - 60, status="failed", repository=TAGS, workflow_name=TAGS, job_name=TAGS,
        run_id=TAGS, runner_name=TAGS, image=TAGS, labels=json.dumps([TAGS, BIDI]),
        reason_code=TAGS, reason=TAGS + BIDI,
        metadata=json.dumps({"ref": TAGS, "sha": TAGS, "actor": TAGS, "eventName": TAGS}))]))
    return made.start()


@pytest.fixture(scope="module")
def people(hub: Hub) -> Iterator[dict[str, dict[str, str]]]:
    made = add_people(hub)
    yield made
    for instance in instances(hub, made):
        hub.post("/api/runner/stop", {"instanceId": instance["id"]}, headers=made["ann"])
    remove_images(hub.engine, hub)


def instances(hub: Hub, people: dict) -> list[dict]:
    return hub.get("/api/runner/instances", headers=people["ann"]).json["items"]


def unharmed(shown: Browser) -> None:
    """Nothing ran, nothing was hidden, and no link leads to a script."""
    assert shown.run("return window.pwned === undefined && parent.pwned === undefined")
    assert shown.run("""return [...document.querySelectorAll("a[href], [src]")].every((e) =>
        !/^\\s*(javascript|data|vbscript):/i.test(e.getAttribute("href") || e.getAttribute("src")))""")
    assert shown.run("return !document.querySelector('main script, main style, main iframe, main img')")
    assert "RunnerHub" in shown.run("return document.title")


def test_a_job_that_says_evil_things(hub: Hub, people: dict, page: Page) -> None:
    spoken = "".join(f"printf '%b\\n' '{line_of(line)}'; " for line in LINES)
    job = hub.delegate([{"name": TAGS[:200], "run": spoken + "exit 1"}], headers=people["ann"],
                       repository="acme/evil", workflow=TAGS, runnerName=TAGS[:200],
                       labels=[TAGS[:200], BIDI], ref=TAGS, sha=BIDI, actor=TAGS, eventName=TAGS)
    hub.wait_status(job, "failed", headers=people["ann"])
    shown = page.enter(hub, "ann")
    shown.see("<script>", "main")
    unharmed(shown)
    for path in ("/jobs", f"/jobs/{job}"):
        visit(shown, path)
        shown.see("<script>window.pwned=1", "main")
        unharmed(shown)
    shown.see("<img src=x onerror=", ".log")
    shown.see("abcU+202Egnp.exe", ".job-details")
    shown.see("cleared?", ".log")
    shown.see("red", ".log .fg1")
    assert not shown.all(".log .log-text a")
    unharmed(shown)
    shown.shot("job")
    visit(shown, "/audit?action=job.delegate")
    shown.see("acme/evil")
    unharmed(shown)


def line_of(line: str) -> str:
    """As printf '%b' of a shell prints it."""
    return "".join(f"\\0{byte:03o}" if byte < 32 or byte in b"'\\%" or byte > 126 else chr(byte)
                   for byte in line.encode())


def test_a_row_that_nobody_checked(hub: Hub, people: dict, page: Page) -> None:
    """Whatever stands in the store."""
    shown = page.enter(hub, "vera", "/jobs?status=failed")
    shown.see("onerror", "main tbody")
    unharmed(shown)
    link = shown.run("""return [...document.querySelectorAll("main a[href^='/dashboard/jobs/']")]
        .map((e) => e.getAttribute("href")).pop()""")
    visit(shown, link.removeprefix("/dashboard"))
    shown.see("<svg/onload", "main")
    unharmed(shown)
    visit(shown, "")
    shown.see("onerror", "[aria-label='Failed lately']")
    unharmed(shown)


def test_a_million_characters_in_a_line(hub: Hub, people: dict, page: Page) -> None:
    job = hub.delegate(["head -c 1000000 /dev/zero | tr '\\0' 'x'; echo; echo behind it; exit 1"],
                       headers=people["ann"], repository="acme/wide")
    hub.wait_status(job, "failed", headers=people["ann"])
    shown = page.enter(hub, "vera", f"/jobs/{job}")
    shown.see("behind it", ".log")
    assert len(shown.shown(".log")) < 100_000
    assert shown.run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_component_of_an_evil_catalog(hub: Hub, people: dict, page: Page) -> None:
    shown = page.enter(hub, "ann", "/components")
    shown.see("<script>", "main tbody")
    unharmed(shown)
    shown.click("main tbody button", "Start")
    shown.see("running", "main tbody")
    unharmed(shown)
    shown.click("main tbody a.row-link")
    shown.see("<img src=x", ".log")
    shown.see("healthy", "[aria-label=Health]")
    unharmed(shown)
    shown.shot("component")
    shown.click("button", "Stop")
    shown.click("dialog button", "Stop")
    shown.see("stopped", "[aria-label=Instance]")
    assert [i["status"] for i in instances(hub, people)] == ["stopped"]


def test_names_that_people_choose(hub: Hub, people: dict, page: Page) -> None:
    made = hub.post("/api/tokens", {"name": TAGS[:120], "role": "viewer"}, headers=people["ann"])
    shown = page.enter(hub, "ann", "/admin")
    if made.status == 201:
        shown.see("<script>", "[aria-label='Your API tokens']")
    unharmed(shown)
    reply = hub.get("/api/jobs?repository=" + "%3Cscript%3Ealert(1)%3C/script%3E", headers=people["ann"])
    assert "text/html" not in reply.headers["Content-Type"]
    for query in ("?q=<script>window.pwned=9</script>", "?repository=%22%3E%3Cimg%20src=x%20onerror=pwned=1%3E",
                  "?action=%3Cscript%3E&actor=javascript:alert(1)"):
        for path in ("/jobs", "/components", "/audit", "/runners"):
            visit(shown, path + query)
            shown.find("main h1")
            unharmed(shown)
