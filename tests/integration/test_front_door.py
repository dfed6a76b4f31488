"""A new admin's first ten minutes, as docs/SECURITY.md and docs/OPERATIONS.md
tell them: TLS, the first user, a login for the command line, a runner's token, the
dashboard in a browser, and Prometheus with the alert rules."""

import base64
import hashlib
import json
import os
import re
import ssl
import stat
import subprocess
import time
import urllib.request
from typing import Any, Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from browser import Browser
from hub import Hub, free_port, wait_for

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("admin"))


@pytest.fixture(scope="module")
def certificate(place: str) -> str:
    """By the command of docs/SECURITY.md, with other names and places."""
    with open(os.path.join(ROOT, "docs", "SECURITY.md"), encoding="utf-8") as file:
        command = re.search(r"^openssl req -x509 .*tls\.crt$", file.read(), re.M).group()
    command = (command.replace("hub.example.com", "localhost").replace("192.0.2.10", "127.0.0.1")
               .replace("/etc/runnerhub/", f"{place}/"))
    subprocess.run(["sh", "-euc", command], check=True, capture_output=True)
    return f"{place}/tls.crt"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], certificate: str) -> Hub:
    made = make_module_hub({"RUNNERHUB_TLS_CERT": certificate,
                            "RUNNERHUB_TLS_KEY": certificate[:-3] + "key"})
    made.tls = ssl.create_default_context(cafile=certificate)
    return made.start()


def run(hub: Hub, place: str, *words: str, given: str = "",
        url: str = "") -> subprocess.CompletedProcess[str]:
    """As on another machine, which was given the certificate."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RUNNERHUB_")}
    return subprocess.run(
        [hub.binary, *words, "--url", url or hub.url], text=True, input=given, capture_output=True,
        env={**env, "NO_COLOR": "1", "HOME": place, "RUNNERHUB_CA_FILE": f"{place}/tls.crt"})


def done(hub: Hub, place: str, *words: str, given: str = "") -> str:
    result = run(hub, place, *words, given=given)
    assert result.returncode == 0, (words, result.stdout, result.stderr)
    return result.stdout


def test_a_login_for_the_command_line(hub: Hub, place: str) -> None:
    assert "not open any more" in done(hub, place, "user", "bootstrap", "ann", given=PASSWORD)
    kept = os.path.join(place, ".config", "runnerhub", "tokens")
    assert run(hub, place, "user", "list").returncode == 1
    wrong = run(hub, place, "login", "ann", given="not the password")
    assert wrong.returncode == 1 and "password is wrong" in wrong.stderr
    assert not os.path.exists(kept)
    said = done(hub, place, "login", "ann", given=PASSWORD)
    assert "ann (admin)" in said and kept in said and "rha_" not in said
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    assert "ann" in done(hub, place, "user", "list")
    # One token for each hub, and only one.
    done(hub, place, "login", "ann", "--days", "1", given=PASSWORD)
    with open(kept, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"{hub.url} rha_")
    # What was kept for one hub is for no other: the same one, by another name.
    other = run(hub, place, "user", "list", url=hub.url.replace("127.0.0.1", "localhost"))
    assert other.returncode == 1 and "wants a valid key" in other.stderr
    assert run(hub, place, "login", "ann", "--days", "many", given=PASSWORD).returncode != 0


def test_a_logout_leaves_nothing(hub: Hub, place: str) -> None:
    with open(os.path.join(place, ".config", "runnerhub", "tokens"), encoding="utf-8") as file:
        token = file.read().split()[1]
    bearer = {"Authorization": f"Bearer {token}"}
    assert hub.get("/api/users", headers=bearer).status == 200
    assert "Logged out" in done(hub, place, "logout")
    assert hub.get("/api/users", headers=bearer).status == 401
    assert "Nobody is logged in" in done(hub, place, "logout")
    done(hub, place, "login", "ann", given=PASSWORD)


def test_a_runner_gets_its_token(hub: Hub, place: str) -> None:
    said = done(hub, place, "runner", "register", "box-7", "--json")
    token = json.loads(said)["token"]
    assert hub.post("/api/runners/self/heartbeat", {"status": "idle"},
                    headers={"Authorization": f"Bearer {token}"}).status == 200
    assert hub.get("/api/users", headers={"Authorization": f"Bearer {token}"}).status == 403


@pytest.fixture
def browser(build_dir: str, certificate: str) -> Iterator[Browser]:
    """It trusts this certificate's key and no other that nobody vouches for."""
    with open(certificate, "rb") as file:
        key = x509.load_pem_x509_certificate(file.read()).public_key()
    pin = base64.b64encode(hashlib.sha256(key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest())
    made = Browser(os.path.join(build_dir, "screenshots", "front_door"),
                   f"--ignore-certificate-errors-spki-list={pin.decode()}")
    yield made
    made.close()


def test_the_dashboard_behind_tls(hub: Hub, browser: Browser) -> None:
    browser.open(f"{hub.url}/dashboard")
    browser.fill("input[name=username]", "ann")
    browser.fill("input[name=password]", PASSWORD)
    browser.click("button[type=submit]", "Log in")
    browser.see("Overview", "h1")
    cookies = browser.driver.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
    (renewal,) = cookies
    assert renewal["secure"] and renewal["httpOnly"] and renewal["sameSite"] == "Strict"
    browser.click("nav a", "Runners")
    browser.see("box-7")
    assert browser.run("return isSecureContext")


@pytest.fixture
def prometheus(hub: Hub, place: str) -> Iterator[str]:
    """Debian's, with the configuration of deploy/ and what its comments say."""
    with open(os.path.join(place, "runnerhub.token"), "w", encoding="utf-8") as file:
        file.write(done(hub, place, "token", "create", "prometheus", "--role", "viewer").strip())
    deploy = os.path.join(ROOT, "deploy", "prometheus")
    with open(os.path.join(deploy, "prometheus.yml"), encoding="utf-8") as file:
        config = file.read()
    config = (config.replace("15s", "1s").replace("127.0.0.1:3000", f"127.0.0.1:{hub.port}")
              .replace("  - runnerhub.rules.yml", f"  - {deploy}/runnerhub.rules.yml")
              .replace("/etc/prometheus/", f"{place}/").replace("    # ", "    "))
    path = os.path.join(place, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config)
    subprocess.run(["promtool", "check", "config", path], check=True, capture_output=True)
    port = free_port()
    with open(os.path.join(place, "prometheus.log"), "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={place}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_prometheus_scrapes_and_knows_the_alerts(hub: Hub, prometheus: str) -> None:
    def asked(path: str) -> Any:
        try:
            with urllib.request.urlopen(prometheus + path, timeout=60) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None  # it is starting

    def up() -> bool:
        targets = (asked("/api/v1/targets") or {}).get("activeTargets", [])
        return any(target["health"] == "up" for target in targets)
    wait_for(up, what="the hub is scraped")
    rules = asked("/api/v1/rules")["groups"]
    assert any(rule["type"] == "alerting" for group in rules for rule in group["rules"])
    (certificate,) = wait_for(lambda: asked(
        "/api/v1/query?query=github_runnerhub_tls_certificate_expiry_timestamp_seconds")["result"],
        what="a scraped figure")
    assert float(certificate["value"][1]) > time.time() + 300 * 86400
