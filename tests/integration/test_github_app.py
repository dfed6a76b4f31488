"""GitHub Apps in place of a token, against a fake GitHub."""

import base64
import json
import os
import subprocess
import sys
import time
from typing import Any, Callable

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from engine_probe import ProbeError  # noqa: E402
from fake_apps import App  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from line_probe import LineProbe  # noqa: E402

OPEN = Callable[..., LineProbe]


@pytest.fixture(scope="module")
def github():
    fake = FakeGithub()
    for name, private in (("acme/app", True), ("acme/lib", True), ("other/open", False)):
        fake.repositories.add(name, private=private).commit("main", {"Dockerfile": b"FROM x\n"})
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def fresh(github) -> None:
    github.apps.clear()
    github.faults.clear()
    github.seen.clear()
    github.repositories.renamed.clear()
    github.repositories.archives_seen.clear()


@pytest.fixture
def opened(build_dir, github, tmp_path) -> OPEN:
    """A probe with these apps: (app, installation or 0, owner or "-")."""
    probes: list[LineProbe] = []

    def make(*apps: tuple[App, int, str] | App, token: str = "-") -> LineProbe:
        words: list[Any] = []
        for app in apps:
            app, installation, owner = app if isinstance(app, tuple) else (app, 0, "-")
            file = tmp_path / f"{app.id}.pem"
            file.write_text(app.pem)
            words += [app.id, file, installation, owner]
        probes.append(LineProbe(build_dir, "github_probe", github.url,
                                f"{github.url}/api/v3", token, *words))
        return probes[-1]

    yield make
    for probe in probes:
        probe.close()


@pytest.fixture
def app(github) -> App:
    return github.apps.add("12345", {"acme": None})


def bearers(github: FakeGithub, path: str) -> list[str | None]:
    return [seen.headers.get("Authorization") for seen in github.seen if path in seen.path]


def minted(github: FakeGithub) -> int:
    return sum(seen.path.endswith("/access_tokens") for seen in github.seen)


# -- what it is given --------------------------------------------------------

def test_a_private_repository_is_read(opened, github, app) -> None:
    probe = opened(app)
    assert probe("repository", "acme/app") == {
        "name": "acme/app", "branch": "main", "private": True}
    assert [f"{seen.method} {seen.path.removeprefix('/api/v3')}" for seen in github.seen] == [
        "GET /repos/acme/app/installation", "POST /app/installations/100/access_tokens",
        "GET /repos/acme/app"]
    assert github.seen[-1].headers["Authorization"] == f"Bearer {github.apps.tokens[0].value}"
    for seen in github.seen:
        assert seen.headers["Accept"] == "application/vnd.github+json"
        assert seen.headers["X-GitHub-Api-Version"] == "2022-11-28"


def test_the_app_says_who_it_is_for_ten_minutes_at_most(opened, github, app) -> None:
    opened(app)("repository", "acme/app")
    claims = github.seen[0].headers["Authorization"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert said["iss"] == "12345"
    assert said["iat"] <= time.time() - 50 and said["exp"] - said["iat"] <= 600


def test_a_token_is_for_one_repository_and_for_reading(opened, github, app) -> None:
    opened(app)("repository", "acme/app")
    token = github.apps.tokens[0]
    assert token.repositories == {"acme/app"}
    assert not token.reads("acme/lib")


def test_one_that_is_renamed(opened, github, app) -> None:
    github.repositories.renamed["acme/old"] = "acme/app"
    assert opened(app)("repository", "acme/old")["name"] == "acme/app"
    assert github.apps.tokens[-1].repositories is None


def test_a_token_is_kept_till_shortly_before_its_end(opened, github, app) -> None:
    probe = opened(app)
    for _ in range(3):
        probe("repository", "acme/app")
        probe("repository", "Acme/App")
    assert minted(github) == 1
    probe("repository", "acme/lib")
    assert minted(github) == 2
    # The probe's clock alone goes on: to GitHub it says a time that is ahead.
    github.apps.lifetime = 400
    fresh = opened(app)
    fresh("repository", "acme/app")
    fresh("later", 50)
    fresh("repository", "acme/app")
    assert minted(github) == 3
    fresh("later", 51)
    assert fresh.fails("repository", "acme/app").code == "GIT_AUTHENTICATION_FAILED"


def test_a_revoked_token_is_replaced(opened, github, app) -> None:
    probe = opened(app)
    probe("repository", "acme/app")
    github.apps.revoke()
    assert probe("repository", "acme/app")["name"] == "acme/app"
    assert minted(github) == 2
    github.apps.revoke()
    sha = github.repositories.all["acme/app"].heads["main"]
    assert probe("archive", "acme/app", sha)["bytes"] > 0
    assert minted(github) == 3


def test_the_archive_too_and_its_host_gets_no_token(opened, github, app) -> None:
    sha = github.repositories.all["acme/app"].heads["main"]
    size = len(github.repositories.all["acme/app"].tarball(sha))
    assert opened(app)("archive", "acme/app", sha)["bytes"] == size
    assert bearers(github, "/tarball/") == [f"Bearer {github.apps.tokens[0].value}"]
    assert [headers.get("Authorization") for _, headers in
            github.repositories.archives_seen] == [None]


def test_an_installation_that_is_told_is_not_looked_for(opened, github, app) -> None:
    assert opened((app, 100, "-"))("repository", "acme/app")["private"]
    assert bearers(github, "/installation") == bearers(github, "/access_tokens")


# -- several, and none that fits ---------------------------------------------

def test_the_first_that_is_installed_there(opened, github) -> None:
    away = github.apps.add("1", {"elsewhere": None})
    some = github.apps.add("2", {"acme": {"acme/lib"}})
    here = github.apps.add("3", {"acme": None})
    opened(away, some, here)("repository", "acme/app")
    assert github.apps.tokens[-1].app is here
    opened(away, some, here)("repository", "acme/lib")
    assert github.apps.tokens[-1].app is some


def test_an_app_for_other_owners_is_not_asked(opened, github) -> None:
    one = github.apps.add("1", {"acme": None})
    two = github.apps.add("2", {"acme": None})
    opened((one, 0, "other"), (two, 0, "ACME"))("repository", "acme/app")
    assert [token.app for token in github.apps.tokens] == [two]
    assert len(bearers(github, "/acme/app/installation")) == 1


def test_where_none_is_installed_the_token_serves(opened, github) -> None:
    app = github.apps.add("1", {"elsewhere": None})
    with_token, without = opened(app, token=TOKEN), opened(app)
    for _ in range(3):
        assert with_token("repository", "acme/app")["private"]
    assert len(bearers(github, "/acme/app/installation")) == 1  # believed for a while
    assert bearers(github, "/repos/acme/app")[-1] == f"Bearer {TOKEN}"
    assert without("repository", "other/open")["private"] is False
    refused = without.fails("repository", "acme/app")
    assert refused.code == "REPOSITORY_NOT_FOUND"
    assert "must be installed there" in refused.msg


# -- what goes wrong ---------------------------------------------------------

def test_a_key_that_is_not_the_apps(opened, github, app, tmp_path) -> None:
    other = github.apps.add("777", {"acme": None})
    app.key, other.key = other.key, app.key
    probe = opened(app)
    app.key, other.key = other.key, app.key
    error = probe.fails("repository", "acme/app")
    assert (error.kind, error.code) == ("unauthorized", "GIT_AUTHENTICATION_FAILED")
    assert "private key" in error.msg and "PRIVATE" not in error.msg


def test_an_app_without_the_permission(opened, github) -> None:
    app = github.apps.add("1", {"acme": None}, contents=False)
    error = opened(app).fails("repository", "acme/app")
    assert (error.kind, error.code) == ("forbidden", "GIT_AUTHENTICATION_FAILED")
    assert '"Contents": read' in error.msg and "not granted" in error.msg


def test_an_installation_that_there_is_not(opened, github, app) -> None:
    error = opened((app, 999, "-")).fails("repository", "acme/app")
    assert (error.kind, error.code) == ("forbidden", "GIT_AUTHENTICATION_FAILED")
    assert "installation 999" in error.msg


@pytest.mark.parametrize("body", [
    b"<html>", {}, {"token": 7}, {"token": "x"}, {"token": "", "expires_at": "2099-01-01"},
    {"token": "a b", "expires_at": "2099-01-01T00:00:00Z"},
    {"token": "x" * 2000, "expires_at": "2099-01-01T00:00:00Z"},
    {"token": "x", "expires_at": "soon"}], ids=range(8))
def test_replies_that_are_none(opened, github, app, body) -> None:
    github.fail(path="/access_tokens", status=201, body=body)
    error = opened(app).fails("repository", "acme/app")
    assert (error.kind, error.code) == ("unavailable", "GIT_OPERATION_FAILED")
    assert bearers(github, "/repos/acme/app")[-1].startswith("Bearer ey")


def test_a_rate_limit_is_told(opened, github, app) -> None:
    github.fail(path="/installation", status=403, headers={
        "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 3000)},
        body={"message": "API rate limit exceeded"})
    assert opened(app).fails("repository", "acme/app").code == "GITHUB_RATE_LIMITED"


@pytest.mark.parametrize("pem, words", [
    ("", "no private key"), ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", "no private key")])
def test_what_is_no_key(build_dir, github, tmp_path, pem, words) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem)
    with pytest.raises(ProbeError) as caught:
        LineProbe(build_dir, "github_probe", github.url, f"{github.url}/api/v3", "-", "12345",
                  file, 0, "-")
    assert (caught.value.kind, caught.value.code) == ("invalid", "github_app_key")
    assert "GitHub App 12345" in caught.value.msg and words in caught.value.msg


@pytest.mark.parametrize("command", [
    ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ["openssl", "genrsa", "-traditional", "1024"], ["openssl", "genrsa", "1024"],
    ["openssl", "genrsa", "-traditional", "-aes128", "-passout", "pass:secret", "2048"]])
def test_keys_of_another_kind(build_dir, github, tmp_path, command) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    with pytest.raises(ProbeError) as caught:
        LineProbe(build_dir, "github_probe", github.url, f"{github.url}/api/v3", "-", "12345",
                  file, 0, "-")
    assert caught.value.code == "github_app_key"


def test_without_libcrypto_it_says_so(build_dir, github, app, tmp_path) -> None:
    (tmp_path / "libcrypto.so.3").write_text("no library")
    (tmp_path / "key.pem").write_text(app.pem)
    # Not before it is needed: an idle hub does not load it.
    probe = LineProbe(build_dir, "github_probe", github.url, f"{github.url}/api/v3", "-", "12345",
                      tmp_path / "key.pem", 0, "-", env={"LD_LIBRARY_PATH": str(tmp_path)})
    error = probe.fails("repository", "acme/app")
    assert (error.kind, error.code) == ("internal", "jwt_no_library")
    assert "install Debian's package libssl3" in error.msg
    probe.close()
