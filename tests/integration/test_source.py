"""From a source location to a directory, against a fake GitHub."""

import gzip
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from engine_probe import ProbeError  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from fake_repositories import Repository  # noqa: E402
from source_probe import SourceProbe  # noqa: E402

CONFIG = ".runner/config.yml"
FILES = {CONFIG: b"runner: root\n", "Dockerfile": b"FROM scratch\n",
         "services/a/.runner/config.yml": b"runner: a\n", "services/a/main.c": b"int main;\n",
         "services/a/catalog-info.yaml": b"kind: Component\n", "docs/x.md": b"# x\n"}


@pytest.fixture(scope="module")
def github():
    fake = FakeGithub()
    yield fake
    fake.close()


@pytest.fixture(autouse=True)
def fresh(github) -> None:
    github.faults.clear()
    github.seen.clear()
    github.repositories.archives_seen.clear()
    github.repositories.archive_redirect = None
    github.repositories.renamed.clear()
    github.repositories.remaining = 5000
    github.repositories.reset = int(time.time()) + 3600


@pytest.fixture(scope="module")
def app(github) -> Repository:
    repository = github.repositories.add("acme/app")
    repository.commit("feature/x", {**FILES, "docs/x.md": b"# feature\n"})
    repository.commit("feature/xy", {**FILES, "docs/x.md": b"# other\n"})
    repository.commit("release", FILES)
    repository.tag("v1/final", repository.heads["release"])
    repository.commit("main", {**FILES, "new": b"1"})
    return repository


class Source:
    """The probe, given one integration and a location in its host."""

    def __init__(self, build_dir: str, github: FakeGithub):
        self.probe = SourceProbe(build_dir)
        self.host = github.url.removeprefix("http://")
        self.api = f"{github.url}/api/v3"

    def at(self, location: str) -> str:
        return location.replace("GITHUB", f"http://{self.host}")

    def resolve(self, location: str, token: str = TOKEN, config: str = CONFIG,
                times: int = 1) -> dict[str, Any]:
        return self.probe("resolve", self.host, self.api, token, self.at(location), config, times)

    def fetch(self, location: str, into: Path, token: str = TOKEN, timeout_ms: int = 60_000,
              bytes_max: int = 0) -> dict[str, Any]:
        return self.probe("fetch", self.host, self.api, token, self.at(location), CONFIG, into,
                          timeout_ms, bytes_max)

    def error(self, location: str, **options: Any) -> ProbeError:
        with pytest.raises(ProbeError) as caught:
            if "into" in options:
                self.fetch(location, **options)
            else:
                self.resolve(location, **options)
        return caught.value


@pytest.fixture(scope="module")
def source(build_dir, github, app) -> Source:
    return Source(build_dir, github)


# -- which commit, which directory ---------------------------------------------

@pytest.mark.parametrize("location, ref, directory", [
    ("url:GITHUB/acme/app", "main", ""),
    ("GITHUB/acme/app/tree/main/", "main", ""),
    ("GITHUB/acme/app/tree/main/services/a/", "main", "services/a"),
    ("GITHUB/acme/app/blob/main/services/a/catalog-info.yaml", "main", "services/a"),
    ("GITHUB/acme/app/tree/feature/x", "feature/x", ""),
    ("GITHUB/acme/app/tree/feature%2Fx/services/a", "feature/x", "services/a"),
    ("GITHUB/acme/app/tree/feature/xy/services/a", "feature/xy", "services/a"),
    ("GITHUB/acme/app/tree/v1/final/services/a", "v1/final", "services/a"),
    ("GITHUB/acme/app/tree/release/docs", "release", ""),
    ("GITHUB/acme/app?ref=release", "release", ""),
    ("GITHUB/acme/app/releases/tag/v1/final", "v1/final", ""),
])
def test_a_location_becomes_a_commit(source, app, location, ref, directory) -> None:
    found = source.resolve(location)
    tagged = app.tags.get(ref, (None, None))[1]
    assert (found["repo"], found["ref"], found["sha"]) == (
        "acme/app", ref, tagged or app.heads[ref])
    assert found["directory"] == directory
    assert found["configPath"] == (f"{directory}/" if directory else "") + CONFIG
    assert found["config"] == ("runner: a\n" if directory else "runner: root\n")


@pytest.mark.parametrize("form", ["GITHUB/acme/app/commit/{}", "GITHUB/acme/app/tree/{}/docs"])
@pytest.mark.parametrize("digits", [7, 40])
def test_a_commit_by_its_name(source, app, form, digits) -> None:
    sha = app.heads["release"]
    assert source.resolve(form.format(sha[:digits]))["sha"] == sha


def test_another_default_branch(source, github) -> None:
    trunk = github.repositories.add("acme/trunk", default_branch="trunk/of all")
    sha = trunk.commit("trunk/of all", FILES)
    found = source.resolve("GITHUB/acme/trunk")
    assert (found["ref"], found["sha"]) == ("trunk/of all", sha)


def test_config_and_archive_are_of_one_commit(source, github, tmp_path) -> None:
    """The branch moves between the two."""
    moving = github.repositories.add("acme/moving")
    first = moving.commit("main", FILES)
    original = moving.tarball

    def move(sha: str) -> bytes:
        moving.commit("main", {CONFIG: b"moved on\n"})
        return original(sha)

    moving.tarball = move
    found = source.fetch("GITHUB/acme/moving", tmp_path)
    assert found["sha"] == first
    assert (tmp_path / CONFIG).read_bytes() == FILES[CONFIG]


def test_a_renamed_repository(source, github, app) -> None:
    github.repositories.renamed["acme/old"] = "acme/app"
    assert source.resolve("GITHUB/acme/old")["repo"] == "acme/app"
    assert source.resolve("GITHUB/acme/old/tree/release")["sha"] == app.heads["release"]
    assert all(seen.headers.get("Authorization") == f"Bearer {TOKEN}" for seen in github.seen)


def test_another_letter_case(source, app) -> None:
    assert source.resolve("GITHUB/Acme/APP")["sha"] == app.heads["main"]


def test_private_with_a_token(source, github) -> None:
    secret = github.repositories.add("acme/secret", private=True)
    sha = secret.commit("main", FILES)
    assert source.resolve("GITHUB/acme/secret")["sha"] == sha
    error = source.error("GITHUB/acme/secret", token="-")
    assert (error.kind, error.code) == ("not_found", "REPOSITORY_NOT_FOUND")
    assert "private" in error.msg and "token" in error.msg


def test_public_without_a_token(source, github, app, tmp_path) -> None:
    assert source.fetch("GITHUB/acme/app", tmp_path, token="-")["sha"] == app.heads["main"]
    assert all("Authorization" not in seen.headers for seen in github.seen)


# -- the content ---------------------------------------------------------------

def test_an_archive_is_fetched_from_the_second_host(source, github, app, tmp_path) -> None:
    found = source.fetch("GITHUB/acme/app/tree/main/services/a", tmp_path)
    expected = app.commits[app.heads["main"]]
    there = {str(path.relative_to(tmp_path)): path.read_bytes()
             for path in tmp_path.rglob("*") if path.is_file()}
    assert there == expected
    path, headers = github.repositories.archives_seen[-1]
    assert app.heads["main"] in path and path.endswith("?token=once")
    assert "Authorization" not in headers
    assert TOKEN not in str(headers)
    assert found["packed"] == found["progressPacked"] == found["progressTotal"] > 0


def test_a_large_archive_in_flat_memory(source, github, tmp_path) -> None:
    large = github.repositories.add("acme/large")
    large.commit("main", {**FILES, "blob": os.urandom(24 << 20)})
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    small = source.fetch("GITHUB/acme/app", tmp_path / "small")
    found = source.fetch("GITHUB/acme/large", tmp_path / "large")
    assert found["bytes"] > 24 << 20
    assert (tmp_path / "large/blob").read_bytes() == large.commits[found["sha"]]["blob"]
    assert found["peakKiB"] < small["peakKiB"] + 12 * 1024


def test_a_directory_of_this_machine(source, tmp_path) -> None:
    (tmp_path / "origin/.runner").mkdir(parents=True)
    (tmp_path / "origin" / CONFIG).write_text("runner: here\n")
    (tmp_path / "copy").mkdir()
    found = source.fetch(f"file:{tmp_path}/origin", tmp_path / "copy")
    assert (found["origin"], found["config"]) == (f"{tmp_path}/origin", "runner: here\n")
    assert (tmp_path / "copy" / CONFIG).read_text() == "runner: here\n"


# -- faults --------------------------------------------------------------------

@pytest.mark.parametrize("location, code, words", [
    ("GITHUB/acme/none", "REPOSITORY_NOT_FOUND", "acme/none"),
    ("GITHUB/acme/none/tree/main", "REPOSITORY_NOT_FOUND", "acme/none"),
    ("GITHUB/acme/app/tree/nobranch/x", "REF_NOT_FOUND", "nobranch/x"),
    ("GITHUB/acme/app?ref=gone", "REF_NOT_FOUND", "gone"),
    ("GITHUB/acme/none?ref=gone", "REPOSITORY_NOT_FOUND", "acme/none"),
    ("GITHUB/acme/app/commit/" + "0" * 40, "REF_NOT_FOUND", "0000"),
    ("https://gitlab.com/o/r", "INVALID_SOURCE_LOCATION", "gitlab.com"),
    ("file:/no/such/directory", "REPOSITORY_NOT_FOUND", "/no/such/directory"),
])
def test_what_is_not_there(source, location, code, words) -> None:
    error = source.error(location)
    assert error.code == code, error
    assert words in error.msg


def test_an_empty_repository(source, github) -> None:
    github.repositories.add("acme/empty")
    assert source.error("GITHUB/acme/empty").code == "REF_NOT_FOUND"
    assert source.error("GITHUB/acme/empty/tree/main").code == "REF_NOT_FOUND"


@pytest.mark.parametrize("config, code", [
    (".runner/other.yml", "CONFIG_NOT_FOUND"), ("services", "CONFIG_NOT_FOUND"),
    ("../x", "INVALID_CONFIGURATION"), ("", "INVALID_CONFIGURATION")])
def test_a_config_that_is_not_there(source, config, code) -> None:
    assert source.error("GITHUB/acme/app/tree/main/docs", config=config).code == code


def test_a_wrong_token(source) -> None:
    error = source.error("GITHUB/acme/app", token="ghp_wrong")
    assert (error.kind, error.code) == ("unauthorized", "GIT_AUTHENTICATION_FAILED")
    assert "ghp_wrong" not in error.msg


def test_a_token_without_the_right(source, github) -> None:
    github.fail(status=403, body={"message": "Resource not accessible by personal access token"})
    error = source.error("GITHUB/acme/app")
    assert (error.kind, error.code) == ("forbidden", "GIT_AUTHENTICATION_FAILED")
    assert "Contents" in error.msg


def test_the_rate_limit(source, github) -> None:
    github.repositories.remaining = 0
    answer = source.error("GITHUB/acme/app", times=3)
    assert (answer.kind, answer.code) == ("unavailable", "GITHUB_RATE_LIMITED")
    budget = answer.answer["budget"]
    assert (budget["limit"], budget["resetAt"]) == (5000, github.repositories.reset)
    assert abs(budget["blockedUntil"] - github.repositories.reset) <= 2
    assert len(github.seen) == 1  # then it was not asked any more


def test_a_short_pause_is_kept(source, github, app) -> None:
    github.fail(status=429, body={"message": "You have exceeded a secondary rate limit"},
                headers={"Retry-After": "1"})
    before = time.monotonic()
    assert source.resolve("GITHUB/acme/app")["sha"] == app.heads["main"]
    assert time.monotonic() - before >= 1


def test_asking_again_costs_nothing(source, github) -> None:
    once = source.resolve("GITHUB/acme/app/tree/main/services/a")["budget"]
    assert (once["asked"], once["unchanged"]) == (2, 0)
    left = github.repositories.remaining
    again = source.resolve("GITHUB/acme/app/tree/main/services/a", times=5)
    assert again["config"] == "runner: a\n"
    assert (again["budget"]["asked"], again["budget"]["unchanged"]) == (10, 8)
    assert github.repositories.remaining == left - 2 == again["budget"]["remaining"]


def test_github_has_a_problem(source, github) -> None:
    github.fail(status=502, body=b"<html>", times=2)
    source.resolve("GITHUB/acme/app")
    github.fail(status=502, body=b"<html>", times=100)
    error = source.error("GITHUB/acme/app")
    assert (error.kind, error.code) == ("unavailable", "GIT_OPERATION_FAILED")


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b'{"full_name": 1}', b"\xff" * 100,
                                  b'{"full_name":"a/b","default_branch":""}',
                                  b"[" * 100_000])
def test_replies_that_github_would_not_send(source, github, body) -> None:
    github.fail(status=200, body=body, times=100)
    assert source.error("GITHUB/acme/app").code == "GIT_OPERATION_FAILED"
    assert source.error("GITHUB/acme/app/tree/main").code == "GIT_OPERATION_FAILED"
    assert source.error("GITHUB/acme/app?ref=main").code == "GIT_OPERATION_FAILED"


@pytest.mark.parametrize("to", ["http://example.com/x", "ftp://127.0.0.1/x", "file:///etc/passwd",
                                "https://user@127.0.0.1/x", "//127.0.0.1/x", "", "x",
                                "https://127.0.0.1\\@example.com/"])
def test_redirects_that_are_not_followed(source, github, tmp_path, to) -> None:
    github.repositories.archive_redirect = to or " "
    error = source.error("GITHUB/acme/app", into=tmp_path)
    assert error.code == "GIT_OPERATION_FAILED", error
    assert os.listdir(tmp_path) == []


def test_a_circle_of_redirects(source, github, tmp_path) -> None:
    github.fail(status=302, path="tarball", times=100,
                headers={"Location": f"{github.url}/api/v3/repos/acme/app/tarball/x"})
    assert "place to place" in source.error("GITHUB/acme/app", into=tmp_path).msg


def test_an_archive_that_breaks_off(source, github, tmp_path) -> None:
    github.fail(path="archive:", status=200, times=100,
                headers={"Content-Length": "100000"})
    error = source.error("GITHUB/acme/app", into=tmp_path)
    assert (error.kind, error.code) == ("unavailable", "GIT_OPERATION_FAILED")


@pytest.mark.parametrize("body", [b"", b"<html>no archive</html>" * 100, gzip.compress(b"x" * 999)])
def test_an_archive_that_is_none(source, github, tmp_path, body) -> None:
    github.fail(path="archive:", status=200, body=body)
    error = source.error("GITHUB/acme/app", into=tmp_path)
    assert error.code == "GIT_OPERATION_FAILED"
    assert "acme/app" in error.msg


def test_an_archive_that_is_gone(source, github, tmp_path) -> None:
    github.fail(path="archive:", status=404, body=b"404: Not Found")
    assert source.error("GITHUB/acme/app", into=tmp_path).code == "REF_NOT_FOUND"


def test_an_archive_that_is_too_large(source, tmp_path) -> None:
    error = source.error("GITHUB/acme/app", into=tmp_path, bytes_max=20)
    assert (error.kind, error.code) == ("limit", "SOURCE_TOO_LARGE")


def test_an_archive_that_stands_still(source, github, tmp_path) -> None:
    """The caller's deadline counts, in the middle of it."""
    github.fail(path="archive:", status=200, seconds=60)
    before = time.monotonic()
    error = source.error("GITHUB/acme/app", into=tmp_path, timeout_ms=1500)
    assert error.kind == "timeout"
    assert time.monotonic() - before < 20
