"""How the dashboard is served: one page, small, guarded by its policy."""

import base64
import gzip
import hashlib
import os
import re
import subprocess
from typing import Callable

import pytest

from fixtures import ROOT
from http_raw import Peer
from hub import Hub

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"
FIRST_PAINT_MAX = 100_000


@pytest.fixture(scope="module")
def parked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


@pytest.fixture(scope="module")
def locked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/", "/dashboard/jobs",
                                  "/dashboard/jobs/01a1ff8b-473b-75c1-bcf4-c0460e20c49c",
                                  "/dashboard/no/such/page", "/dashboard/jobs?status=failed"])
def test_every_address_below_gives_the_page(locked: Hub, path: str) -> None:
    """Without credentials: it holds no data, and shows the login."""
    reply = locked.get(path)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.text == locked.get("/dashboard").text and "<title>RunnerHub" in reply.text


@pytest.mark.parametrize("path", ["/dashboardx", "/dashboard.html", "/Dashboard"])
def test_what_only_looks_like_it_is_not_there(parked: Hub, path: str) -> None:
    assert parked.get(path).status == 404


def test_the_first_paint_is_one_small_request(parked: Hub) -> None:
    page = parked.get("/dashboard").text
    sent = parked.get("/dashboard", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert len(sent.body) < FIRST_PAINT_MAX
    page = re.sub(r"(?s)<script>.*?</script>", "", page)
    # Nothing that a browser would fetch besides.
    assert not re.search(r"(?i)<(?:script|img|iframe|link)[^>]*\s(?:src|href)=[\"'](?!data:)", page)
    assert not re.search(r"(?i)url\((?!['\"]?data:)|@import", page)


def test_it_is_sent_compressed_to_who_takes_that(parked: Hub) -> None:
    plain = parked.get("/dashboard")
    assert "Content-Encoding" not in plain.headers and plain.headers["Vary"] == "Accept-Encoding"
    packed = parked.get("/dashboard", headers={"Accept-Encoding": "br, GZIP;q=0.8"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    for refused in ("gzip;q=0", "gzip; q=0.000, br", "br", "xgzip", "gzipped", ""):
        reply = parked.get("/dashboard", headers={"Accept-Encoding": refused})
        assert "Content-Encoding" not in reply.headers, refused


def test_it_is_sent_once(parked: Hub) -> None:
    tag = parked.get("/dashboard").headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        reply = parked.get("/dashboard/jobs", headers={"If-None-Match": known})
        assert (reply.status, reply.body) == (304, b"") and reply.headers["ETag"] == tag
    assert parked.get("/dashboard", headers={"If-None-Match": '"other"'}).status == 200
    assert parked.get("/dashboard").headers["Cache-Control"] == "no-cache"


def test_head_and_other_methods(parked: Hub) -> None:
    whole = parked.get("/dashboard")
    head = parked.request("HEAD", "/dashboard/jobs")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.body))
    refused = parked.post("/dashboard/jobs", {})
    assert refused.status == 405 and refused.headers["Allow"] == "GET"


def test_only_its_own_script_and_style_may_run(parked: Hub) -> None:
    reply = parked.get("/dashboard")
    rules = dict(rule.strip().split(" ", 1)
                 for rule in reply.headers["Content-Security-Policy"].split(";"))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        parts = re.findall(f"(?s)<{tag}>(.*?)</{tag}>", reply.text)
        hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
                  for part in parts]
        assert rules[rule].split() == [f"'sha256-{h}'" for h in hashes] and len(hashes) == 1
    for rule in ("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert rules[rule] == "'none'"
    assert rules["connect-src"] == "'self'" and rules["img-src"] == "'self' data:"
    assert not re.search(r"(?i)<[^>]*\s(?:on\w+|style)=", re.sub(
        r"(?s)<(script|style)>.*?</\1>", "", reply.text))
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert reply.headers["X-Frame-Options"] == "DENY" and "Permissions-Policy" in reply.headers


def test_a_browser_finds_it_from_the_root(parked: Hub) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    with Peer(parked.port) as peer:
        reply = peer.ask(f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: {browser}\r\n\r\n".encode())
    assert reply.status == 302 and reply.headers["location"] == "/dashboard"
    for accept in ("*/*", "application/json", ""):
        reply = parked.get("/", headers={"Accept": accept})
        assert reply.status == 404 and reply.json["code"] == "endpoint_not_found"


def test_an_open_hub_shows_it_to_its_own_machine_only(parked: Hub, locked: Hub) -> None:
    for path in ("/dashboard", "/dashboard/jobs", "/"):
        assert parked.get(path, headers={"Host": "evil.example"}).status == 403
    assert locked.get("/dashboard", headers={"Host": "hub.example"}).status == 200


def test_it_is_no_part_of_the_description(parked: Hub) -> None:
    paths = parked.get("/api/openapi.json").json["paths"]
    assert not [path for path in paths if "dashboard" in path or path == "/"]


def test_modules_without_a_browser() -> None:
    """Formats, routes, colours of a terminal, the arithmetic of long lists."""
    folder = os.path.join(ROOT, "dashboard", "tests")
    names = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".test.mjs"))
    result = subprocess.run(["node", "--test", *names], capture_output=True, text=True)
    assert names and result.returncode == 0, result.stdout + result.stderr
