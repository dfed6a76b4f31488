"""The four ways in which a portal reaches the component API, with what each
of them does to requests, answers and readers that leave."""

import os
from typing import Callable, Iterator

import pytest

import component_api_lab
from browser import Browser
from component_api_lab import TICKER
from component_lab import Catalog, remove_images
from engine_api import Engine
from hub import Hub, wait_for
from mount_lab import Nginx, PageServer, Proxy
from raw_portal import Client, ask

ORIGIN = "https://portal.example"
KEY, STARTS, LOOKS = "a-key-for-tests-1", "token-that-starts-1", "token-that-looks-2"
TOKENS = f"""\
- token: {STARTS}
  subject: previews
  allowStart: true
- token: {LOOKS}
  subject: dashboard
"""


# What a portal's frontend does in a browser, without the portal.
PAGE = """<!doctype html><title>portal</title><script>
async function ask(path, token, method = "GET", body = undefined) {
  const answer = await fetch(HUB + "/api/runner" + path, {method, body, credentials: "include",
    headers: {"Authorization": `Bearer ${token}`, "Content-Type": "application/json"}});
  return [answer.status, await answer.json()];
}
async function follow(path, token, lines) {
  const abort = new AbortController();
  const answer = await fetch(HUB + "/api/runner" + path,
    {signal: abort.signal, headers: {"Authorization": `Bearer ${token}`}});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split("\\n").length <= lines) text += (await reader.read()).value;
  abort.abort();
  return text;
}
</script>"""


@pytest.fixture(scope="module")
def portal_page() -> Iterator[PageServer]:
    server = PageServer(PAGE)
    yield server
    server.close()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], image: str, engine: Engine,
         portal_page: PageServer) -> Iterator[Hub]:
    catalog = Catalog(image)
    catalog.add("Ticker", health="", dockerfile=TICKER)
    catalog.write("Tokens", "tokens.txt", TOKENS)
    hub = make_module_hub({
        "RUNNERHUB_CATALOG": catalog.path("ticker"),
        "RUNNERHUB_PORTAL_TOKENS": catalog.path("tokens", "tokens.txt"),
        "RUNNERHUB_API_KEY": KEY,
        "RUNNERHUB_COMPONENTS_FOLLOWERS": "2",
        "CORS_ORIGIN": f"{ORIGIN},{portal_page.origin}",
    }).start()
    yield hub
    own = Client(hub.port, headers={"Authorization": f"Bearer {STARTS}"})
    for instance in own.list().json["items"]:
        assert own.stop(instance["id"]).status == 200
    remove_images(engine, hub)
    catalog.close()


@pytest.fixture(scope="module")
def ticker(live: Hub) -> str:
    own = Client(live.port, headers={"Authorization": f"Bearer {STARTS}"})
    started = own.start("component:ticker", "?wait=true")
    assert started.json["status"] == "running", started
    return started.json["id"]


def followers(hub: Hub) -> float:
    return component_api_lab.followers(hub, KEY)


def frontend(port: int, base: str = "/api/runner", token: str | None = LOOKS) -> Client:
    return Client(port, base, {"Authorization": f"Bearer {token}"} if token else {})


def check(client: Client, ticker: str) -> None:
    """What every mounting must keep: shapes, reasons, the URL in errors."""
    assert client.status(ticker).json["status"] == "running"
    assert [i["id"] for i in client.list().json["items"]] == [ticker]
    assert "tick" in client.logs(ticker, "tail=3").json["logs"]
    missing = client.logs("nobody")
    assert missing.line == "HTTP/1.1 404 Not Found"
    assert missing.error(404, "NotFoundError")["request"]["url"] == "/instances/nobody/logs?"


def check_live(client: Client, ticker: str, hub: Hub) -> None:
    wait_for(lambda: followers(hub) == 0, what="nobody follows")
    with client.follow(f"/instances/{ticker}/logs?follow=true&tail=1",
                       {"Accept-Encoding": "gzip"}) as stream:
        head = stream.head()
        assert head.status == 200 and head.header("Content-Encoding") is None
        for _ in range(3):
            stream.until(b"tick\n")
        assert followers(hub) == 1


def test_a_directly_from_a_page_of_another_origin(live: Hub, ticker: str) -> None:
    answer = ask(live.port, "OPTIONS", "/api/runner/start", headers={
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type"})
    assert answer.status == 204  # nobody sends credentials with it
    page = Client(live.port, headers={"Authorization": f"Bearer {LOOKS}", "Origin": ORIGIN})
    check(page, ticker)
    for answer in (page.list(), page.start("component:ticker"), page.status("nobody"),
                   Client(live.port, headers={"Origin": ORIGIN}).list()):
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN, answer
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Vary") == "Origin"
    # A page elsewhere may ask with a token; its browser does not show it.
    elsewhere = Client(live.port, headers={"Authorization": f"Bearer {LOOKS}",
                                           "Origin": "https://evil.example"}).list()
    assert elsewhere.header("Access-Control-Allow-Origin") is None
    check_live(page, ticker, live)


@pytest.fixture(scope="module")
def browser(build_dir: str) -> Iterator[Browser]:
    browser = Browser(os.path.join(build_dir, "shots"))
    yield browser
    browser.close()


def test_a_in_a_browser(live: Hub, ticker: str, portal_page: PageServer,
                        browser: Browser) -> None:
    """What a browser makes of the answers to a page of another origin."""
    def asked(script: str) -> object:
        return browser.driver.execute_async_script(
            f"const done = arguments[arguments.length - 1]; const HUB = '{live.url}'; "
            f"window.HUB = HUB; {script}.then(done, (e) => done(String(e)))")
    browser.driver.set_script_timeout(120)
    browser.open(f"{portal_page.origin}/")
    status, listed = asked(f"ask('/instances', '{LOOKS}')")
    assert status == 200 and [i["id"] for i in listed["items"]] == [ticker]
    status, said = asked(f"ask('/start', '{LOOKS}', 'POST', '{{\"entityRef\":\"x:y/z\"}}')")
    assert status == 403 and said["error"]["name"] == "NotAllowedError"
    assert asked("ask('/instances', 'wrong')")[0] == 401
    text = asked(f"follow('/instances/{ticker}/logs?follow=true', '{LOOKS}', 3)")
    assert "tick" in text
    wait_for(lambda: followers(live) == 0, what="the page that stopped reading is noticed")
    # The same page at an origin that was not named gets nothing to read.
    stranger = PageServer(PAGE)
    try:
        browser.open(f"{stranger.origin}/")
        assert "Failed to fetch" in asked(f"ask('/instances', '{LOOKS}')")
    finally:
        stranger.close()


def test_b_behind_the_proxy_of_a_portal(live: Hub, ticker: str) -> None:
    with Proxy(f"{live.url}/api/runner", prefix="/api/proxy/runner", kept=False,
               tells=False) as proxy:
        client = frontend(proxy.port, "/api/proxy/runner")
        check(client, ticker)
        client.start("component:ticker").error(403, "NotAllowedError")
        check_live(client, ticker, live)
        # Its reader has left: nobody tells the hub, which counts it still.
        assert followers(live) == 1
        with client.follow(f"/instances/{ticker}/logs?follow=true") as second:
            assert second.head().status == 200
            refused = client.get(f"/instances/{ticker}/logs?follow=true")
            refused.error(503, "ServiceUnavailableError")  # all that is needed is in it
    wait_for(lambda: followers(live) == 0, what="the proxy's end is the end of both")


def test_b_with_a_header_in_place_of_the_users_token(live: Hub, ticker: str) -> None:
    for given, status in ((LOOKS, 200), ("wrong-token", 401), (KEY, 401)):
        with Proxy(f"{live.url}/api/runner", prefix="/api/proxy/runner", kept=False,
                   forwards=False, adds={"X-Runner-Token": given}) as proxy:
            client = frontend(proxy.port, "/api/proxy/runner", "what a user has")
            assert client.list().status == status
            if status == 200:
                check(client, ticker)


def test_c_through_a_plugin_that_pipes(live: Hub, ticker: str) -> None:
    with Proxy(f"{live.url}/api/runner", gzips=True) as proxy:
        client = frontend(proxy.port)
        check(client, ticker)
        squeezed = client.get("/instances", {"Accept-Encoding": "gzip"})
        assert squeezed.header("Content-Encoding") == "gzip"
        check_live(client, ticker, live)
        wait_for(lambda: followers(live) == 0, what="its end is passed on")


def test_d_behind_a_reverse_proxy(live: Hub, ticker: str) -> None:
    with Proxy(live.url, prefix="") as proxy:
        client = frontend(proxy.port)
        check(client, ticker)
        tag = client.status(ticker).header("ETag")
        assert client.get(f"/instances/{ticker}", {"If-None-Match": str(tag)}).status == 304
        check_live(client, ticker, live)
        wait_for(lambda: followers(live) == 0, what="its end is passed on")


def test_d_behind_nginx(live: Hub, ticker: str) -> None:
    with Nginx(live.url) as proxy:
        client = frontend(proxy.port)
        check(client, ticker)
        check_live(client, ticker, live)
        wait_for(lambda: followers(live) == 0, what="its end is passed on")
        assert ask(proxy.port, "GET", "/api/jobs").status == 404, "it opens nothing else"


def test_what_service_tokens_may(live: Hub, ticker: str) -> None:
    looks, key = frontend(live.port), frontend(live.port, token=KEY)
    frontend(live.port, token=None).list().error(401, "AuthenticationError")
    frontend(live.port, token=LOOKS + "x").list().error(401, "AuthenticationError")
    # What the body says counts before who sent it.
    looks.start(7).error(400, "InputError")
    message = looks.start("component:nobody").error(403, "NotAllowedError")["error"]["message"]
    assert message == "This endpoint does not allow 'service' credentials"
    for client in (key, frontend(live.port, token=STARTS)):
        client.start("component:nobody").error(404, "NotFoundError")

    def actors() -> set[str]:
        entries = live.get("/api/audit?action=component.start",
                           headers={"Authorization": f"Bearer {KEY}"}).data
        return {e["actor"] for e in entries}

    wait_for(lambda: {"external:previews", "external:dashboard", "key"} <= actors(),
             what="the audit log has them")
    # They open nothing else.
    assert live.get("/api/jobs", headers={"Authorization": f"Bearer {STARTS}"}).status == 401
    assert STARTS not in live.log()


def test_a_file_of_tokens_that_is_wrong(make_hub: Callable[..., Hub], tmp_path: object) -> None:
    path = f"{tmp_path}/tokens.yaml"
    with open(path, "w", encoding="ascii") as file:
        file.write("- {token: token-number-one, subject: a}\n- {token: short, subject: b}\n")
    hub = make_hub({"RUNNERHUB_PORTAL_TOKENS": path})
    hub.start(wait_healthy=False)
    assert hub.process is not None and hub.process.wait(60) != 0
    hub.process = None
    assert f"{path}:2: token: expected 8" in hub.log()
    assert "token-number-one" not in hub.log() and "short," not in hub.log()


@pytest.mark.parametrize("env,words", [
    ({"CORS_ORIGIN": "*"}, "every web page"),
    ({"RUNNERHUB_COMPONENTS_LISTEN": "0.0.0.0:1"}, "every host"),
    ({"RUNNERHUB_COMPONENTS_PATH": "/"}, "at least one segment"),
    ({"RUNNERHUB_COMPONENTS_PATH": "/api/runner,/API"}, "\"/API\" would hide /api/"),
    ({"RUNNERHUB_COMPONENTS_PATH": "/dashboard"}, "would hide /dashboard of the hub"),
    ({"RUNNERHUB_COMPONENTS_PATH": "/dashboard/components"}, "would hide /dashboard/*"),
    ({"RUNNERHUB_PORTAL_OWNERS": "start"}, "off or stop"),
])
def test_doors_that_nobody_guards(make_hub: Callable[..., Hub], env: dict[str, str],
                                  words: str) -> None:
    hub = make_hub(env)
    hub.start(wait_healthy=False)
    assert hub.process is not None and hub.process.wait(60) != 0
    hub.process = None
    assert words in hub.log()
