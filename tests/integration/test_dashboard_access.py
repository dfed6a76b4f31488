"""The dashboard for everybody: by keyboard alone, on a phone, with little
light, heard instead of seen; and for nobody else: other sites' pages get
neither into it nor through it."""

import http.server
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from selenium.webdriver.common.keys import Keys

import http_raw
from browser import PHONE, Browser
from dashboard_lab import (NOWHERE, PASSWORD, Page, add_people, browser, ended_job,  # noqa: F401
                           insert_jobs, page, visit)
from hub import Hub

PATHS = ("", "/jobs", "/runners", "/components", "/system", "/audit", "/admin", "/nowhere")


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    """Without an engine: what waits goes on waiting."""
    made = make_module_hub({"DOCKER_HOST": NOWHERE, "JWT_SECRET": "a secret for the tests"}).start()
    made.terminate()
    now = time.time()
    insert_jobs(made, (ended_job(n, now - 900 * n, status=("completed", "failed")[n % 2],
                                 repository="an-owner-with-a-long-name/" + "a" * 60)
                       for n in range(1, 40)))
    return made.start()


@pytest.fixture(scope="module")
def people(hub: Hub) -> dict[str, dict[str, str]]:
    made = add_people(hub)
    hub.delegate(["true"], repository="acme/waits", headers=made["ann"])
    reply = hub.post("/api/runners/register", {"name": "r" * 60, "labels": ["l" * 80] * 3,
                                               "repository": "acme/shop"}, headers=made["ann"])
    assert reply.status == 201, reply.text
    return made


def every_page(hub: Hub, page: Page, name: str = "ann") -> Iterator[tuple[str, Browser]]:
    """Each page with its content there."""
    shown = page.enter(hub, name)
    one = shown.run("return fetch ? '/jobs/' : ''") + newest_job(hub, page)
    for path in (*PATHS, one):
        visit(shown, path)
        shown.until("document.querySelector('main h1') && !document.querySelector('[aria-busy]') &&"
                    " !document.querySelector('main').innerText.includes('Loading…')")
        yield path, shown


def newest_job(hub: Hub, page: Page) -> str:
    visit(page.browser, "/jobs")
    link = page.browser.find("main a[href^='/dashboard/jobs/']")
    return (link.get_attribute("href") or "").rsplit("/", 1)[1]


# -- seen and heard ------------------------------------------------------------------

# What a reader of a screen would stumble over: [what, which] of each.
FAULTS = """
const faults = [], main = document.querySelectorAll("main");
const words = (e) => (e.getAttribute("aria-label") || e.title || e.innerText ||
  (e.labels && [...e.labels].map((l) => l.innerText).join(" ")) || "").trim();
const say = (what, e) => faults.push(`${what}: ${e.outerHTML.slice(0, 160)}`);
const seen = (e) => e.checkVisibility ? e.checkVisibility() : e.getClientRects().length > 0;
if (main.length !== 1) faults.push(`${main.length} mains`);
if (document.querySelectorAll("nav").length < 1) faults.push("no navigation");
if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
if (!document.documentElement.lang) faults.push("no language");
if (!/\\S · RunnerHub$/.test(document.title)) faults.push(`the title is ${document.title}`);
for (const e of document.querySelectorAll("button, a[href]")) if (seen(e) && !words(e)) say("no name", e);
for (const e of document.querySelectorAll("input, select, textarea"))
  if (seen(e) && !(e.getAttribute("aria-label") || (e.labels && e.labels.length))) say("no label", e);
for (const e of document.querySelectorAll("svg"))
  if (!e.closest("[aria-hidden=true]") && !e.getAttribute("aria-label")) say("a picture without words", e);
for (const e of document.querySelectorAll("table")) {
  if (!e.caption) say("no caption", e);
  for (const th of e.querySelectorAll("th")) if (!th.scope) say("no scope", th);
}
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
ids.filter((id, n) => ids.indexOf(id) !== n).forEach((id) => faults.push(`twice the id ${id}`));
for (const e of document.querySelectorAll("[aria-controls],[aria-labelledby],[aria-describedby]"))
  for (const name of ["aria-controls", "aria-labelledby", "aria-describedby"])
    if (e.hasAttribute(name) && !document.getElementById(e.getAttribute(name))) say(`${name} names nothing`, e);
let last = 1;
for (const e of document.querySelectorAll("main h1, main h2, main h3")) {
  const level = Number(e.tagName[1]);
  if (level > last + 1) say(`h${level} behind h${last}`, e);
  last = level;
}
return faults;
"""

# WCAG 2.1, 1.4.3: the contrast of every text with what is behind it.
CONTRAST = """
const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number);
  const c = text.startsWith("color(") ? n.slice(0, 3).map((x) => x * 255).concat(n[3] ?? 1) : n;
  return [c[0], c[1], c[2], c[3] ?? 1]; };
const over = (a, b) => a.slice(0, 3).map((x, i) => x * a[3] + b[i] * (1 - a[3])).concat(1);
const ground = (e) => { const layers = [];
  for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    layers.push(c); if (c[3] === 1) break; }
  return layers.reduceRight((below, c) => over(c, below), [255, 255, 255, 1]); };
const light = (c) => { const [r, g, b] = c.slice(0, 3).map((x) => { x /= 255;
    return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const bad = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement, style = getComputedStyle(e);
  if (!walk.currentNode.data.trim() || !e.checkVisibility({visibilityProperty: true}) || e.closest(".unseen, script, style") ||
      e.closest("button:disabled") || e.closest("svg")) continue;
  let dim = 1;
  for (let p = e; p; p = p.parentElement) dim *= getComputedStyle(p).opacity;
  const behind = ground(e), ink = parse(style.color);
  const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * dim], behind)), light(behind)].sort((x, y) => y - x);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)}: ${walk.currentNode.data.trim().slice(0, 40)} in ${e.outerHTML.slice(0, 90)}`);
}
return bad;
"""


def test_nothing_to_stumble_over(hub: Hub, people: dict, page: Page) -> None:
    page.open(hub).find("input[name=username]")
    faults = [f"login: {fault}" for fault in page.browser.run(FAULTS)
              if "navigation" not in fault]
    for path, shown in every_page(hub, page):
        faults += [f"{path}: {fault}" for fault in shown.run(FAULTS)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(hub: Hub, people: dict, page: Page, theme: str) -> None:
    page.browser.theme(theme)
    page.open(hub).find("input[name=username]")
    faults = [f"login: {fault}" for fault in page.browser.run(CONTRAST)]
    for path, shown in every_page(hub, page):
        faults += [f"{path}: {fault}" for fault in shown.run(CONTRAST)]
    assert not faults, "\n".join(faults)


def test_a_phone_shows_all_of_it(hub: Hub, people: dict, page: Page) -> None:
    page.browser.size(PHONE)
    wide = """return [...document.querySelectorAll("main *")].filter((e) => {
        const box = e.getBoundingClientRect();
        return box.width > 0 && box.right > innerWidth + 1 && !e.closest(".log, .scroll, .unseen, svg");
    }).map((e) => e.outerHTML.slice(0, 120))"""
    too_wide = []
    for path, shown in every_page(hub, page):
        if shown.run("return document.documentElement.scrollWidth > innerWidth"):
            too_wide += [f"{path}: {text}" for text in shown.run(wide)[:3] or ["something"]]
        shown.shot(f"phone{path.replace('/', '-')[:12]}")
    assert not too_wide, "\n".join(too_wide)
    page.browser.click("button.menu")
    page.browser.click("nav a", "Runners")
    page.browser.see("Runners", "h1")


# -- by keyboard ---------------------------------------------------------------------

def tab_to(shown: Browser, words: str) -> None:
    """By Tab alone, in no more steps than the page has."""
    for _ in range(120):
        shown.keys(Keys.TAB)
        if words in shown.focused():
            ring = shown.run("""const s = getComputedStyle(document.activeElement);
                return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1""")
            assert ring, f"the focus on {words} is not seen"
            return
    raise AssertionError(f"no way to {words} by Tab")


def test_all_of_it_by_keyboard(hub: Hub, people: dict, page: Page) -> None:
    shown = page.open(hub)
    shown.until("document.activeElement.name === 'username'")
    shown.keys("ann", Keys.TAB, PASSWORD, Keys.ENTER)
    shown.see("Overview", "h1")
    tab_to(shown, "To the content")
    shown.keys(Keys.ENTER)
    tab_to(shown, "Running")
    shown.keys("g", "s")
    shown.see("System", "h1")
    assert shown.run("return document.activeElement.tagName") == "MAIN", "the focus follows"
    shown.see("Pause", "main button")
    tab_to(shown, "Pause")
    shown.keys(Keys.ENTER)
    shown.see("Pause the queue?", "dialog")
    for _ in range(5):
        shown.keys(Keys.TAB)
        assert shown.run("return !document.hasFocus() || document.activeElement === document.body ||"
                         " !!document.activeElement.closest('dialog')"), "the focus stays inside"
    shown.keys(Keys.ESCAPE)
    shown.gone("dialog")
    assert "Pause" in shown.focused(), "and goes back to where it was"
    tab_to(shown, "Jobs that ended")
    before = shown.shown(".readout")
    shown.keys(Keys.ARROW_LEFT, Keys.HOME)
    assert shown.shown(".readout") != before and "completed" in shown.shown(".readout")
    value = shown.run("return document.activeElement.getAttribute('aria-valuetext')")
    assert "completed" in value
    shown.keys("g", "j")
    shown.see("Jobs", "h1")
    shown.find("main a[href^='/dashboard/jobs/']")
    shown.keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    shown.until("/jobs\\/[0-9a-f-]{36}/.test(location.pathname)")
    shown.keys("?")
    shown.see("Keys", "dialog")
    shown.keys(Keys.ESCAPE)
    shown.gone("dialog")


# -- and nobody else --------------------------------------------------------------------

def test_no_site_frames_it_and_nothing_is_fetched(hub: Hub, page: Page) -> None:
    for path in ("/dashboard", "/dashboard/jobs/x"):
        reply = hub.get(path)
        policy = reply.headers["Content-Security-Policy"]
        assert reply.status == 200
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy and "form-action 'none'" in policy
        assert "unsafe" not in policy and "http:" not in policy and "*" not in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers.get("Referrer-Policy") in ("no-referrer", "same-origin")
    packed = hub.get("/dashboard", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and len(packed.body) < 100_000
    shown = page.open(hub)
    shown.find("input[name=username]")
    loaded = shown.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert all("/api/auth/" in name for name in loaded), loaded


class OtherSite(http.server.BaseHTTPRequestHandler):
    """Serves one page; on another port, which is another origin."""
    html = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(type(self).html.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def other_site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


ATTACK = """<!doctype html><title>evil</title>
<iframe id="frame" src="HUB/dashboard"></iframe>
<iframe name="sink"></iframe>
<form id="form" method="post" action="HUB/api/auth/logout" target="sink"><input name="a"></form>
<form id="delegate" method="post" action="HUB/api/jobs/delegate" target="sink" enctype="text/plain">
<input name='{"jobId":"x","runId":"y","repository":"evil/job","x":"' value='"}'></form>
<script>
const said = [];
const go = async () => {
  for (const [path, init] of [["/api/auth/refresh", {method: "POST"}],
      ["/api/auth/refresh", {method: "POST", headers: {"X-RunnerHub": "1"}}],
      ["/api/auth/logout", {method: "POST"}], ["/api/jobs", {}],
      ["/api/queue/pause", {method: "POST"}]])
    try {
      const reply = await fetch("HUB" + path, {credentials: "include", ...init});
      said.push(`${path}: ${reply.status}`);
    } catch (error) { said.push(`${path}: no`); }
  document.getElementById("form").submit();
  document.getElementById("delegate").submit();
  window.said = said;
};
go();
</script>"""


def test_another_site_does_nothing_with_a_login(hub: Hub, people: dict, page: Page,
                                                other_site: str) -> None:
    shown = page.enter(hub, "ann")
    page.expect("blocked by CORS", "Failed to load resource", "Refused to frame", "frame-ancestors")
    OtherSite.html = ATTACK.replace("HUB", hub.url)
    shown.open(other_site)
    said = shown.until("window.said")
    assert all(line.endswith(": no") for line in said), said
    framed = shown.run("""try { return document.getElementById("frame").contentDocument?.body.innerText }
        catch { return "" }""")
    assert "RunnerHub" not in (framed or "")
    page.open(hub)
    shown.see("Overview", "h1")
    assert not hub.get("/api/queue", headers=people["ann"]).data["paused"]
    jobs = hub.get("/api/jobs?repository=evil/job", headers=people["ann"])
    assert jobs.json["pagination"]["total"] == 0


def test_the_ways_back_lead_nowhere_else(hub: Hub, people: dict, page: Page) -> None:
    """Whatever stands behind /dashboard: a login leads to this hub."""
    for path in ("//evil.example/", "/%2f%2fevil.example", "?next=//evil.example", "#//evil.example"):
        shown = page.enter(hub, "vera", path)
        assert shown.run("return location.origin") == hub.url
        page.browser.forget()


def test_raw_requests_below_the_dashboard_are_a_page(hub: Hub) -> None:
    with http_raw.Peer(hub.port) as peer:
        peer.send(b"POST /dashboard HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        assert peer.reply().status == 405
