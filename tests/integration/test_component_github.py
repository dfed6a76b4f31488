"""Components whose source is at GitHub, from the request to the page: a whole
hub, the real engine, and a GitHub of the tests' own."""

import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import Portal, containers_of, page, remove_images  # noqa: E402
from engine_api import Engine  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from fake_repositories import Repository  # noqa: E402
from hub import Hub, free_port, wait_for  # noqa: E402

# The web sites of as many GitHubs; all have the one fake for their API, which
# is where an integration's apiBaseUrl leads.
ENTERPRISE, LIMITED, WRONG, APP, PUBLIC = (f"127.0.0.{n}:1" for n in range(2, 7))


class Lab:
    def __init__(self, root: Path, image: str):
        self.root, self.image = root, image
        self.github = FakeGithub()
        self.at = self.github.url.removeprefix("http://")
        self.repositories = self.github.repositories
        self.port = free_port()
        self.hub: Any = None
        self.api: Any = None

    def files(self, said: str, below: str = "") -> dict[str, bytes]:
        """One that serves what it was told to say."""
        config = ("runner:\n  type: docker\n  dockerfile: Dockerfile\n"
                  f"  ports: ['{self.port}:8080']\n  stopGracePeriod: 1s\n"
                  "  healthCheck: {path: /, interval: 1s}\n")
        dockerfile = (f"FROM {self.image}\nCOPY said /www/index.html\nENTRYPOINT []\n"
                      'CMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n')
        return {f"{below}.runner/config.yml": config.encode(),
                f"{below}Dockerfile": dockerfile.encode(), f"{below}said": said.encode()}

    def app_config(self, key: str) -> str:
        rows = [(self.at, "token: ${ACME_TOKEN}"), (ENTERPRISE, "token: ${ACME_TOKEN}"),
                (LIMITED, "token: ${ACME_TOKEN}"), (WRONG, "token: ghp_wrong"),
                (APP, f"apps: [{{appId: 42, privateKey: {{$file: {key}}}}}]"), (PUBLIC, "token:")]
        path = self.root / "app-config.yaml"
        path.write_text("integrations:\n  github:\n" + "".join(
            f"    - host: {host}\n      apiBaseUrl: {self.github.url}/api/v3\n      {how}\n"
            for host, how in rows))
        return str(path)

    def add(self, name: str, source: str, extra: str = "") -> str:
        """The reference of a component with that source."""
        path = self.root / "catalog" / name / "catalog-info.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  annotations:
    runner.backstage.io/enabled: "true"
    backstage.io/source-location: "{source}"
{extra}spec: {{type: service, lifecycle: production, owner: team-a}}
""")
        return f"component:default/{name}"

    def serves(self, name: str, source: str, said: str, extra: str = "") -> dict:
        """Starts it and looks at its page."""
        instance = self.api.running(self.add(name, source, extra))
        assert page(self.port) == said
        assert self.api.stop(instance["id"]).status == 200
        return instance

    def fails(self, name: str, source: str, code: str, extra: str = "") -> dict:
        """The error that GET .../errors has of it."""
        instance = self.api.settled(self.api.started(self.add(name, source, extra)), "error")
        errors = self.api.errors(instance["id"])
        assert [e["code"] for e in errors] == [code] == [instance["errorCode"]], errors
        step = next(s for s in instance["deploymentProgress"]["steps"] if s["status"] == "failed")
        assert step["type"] == "downloading_repository"
        assert self.api.stop(instance["id"]).status == 200
        return errors[0]


@pytest.fixture(scope="module")
def lab(make_module_hub: Callable[..., Hub], image: str, engine: Engine,
        tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("github"), image)
    app = made.github.apps.add("42", {"acme": {"acme/private"}})
    (made.root / "key.pem").write_text(app.pem)
    (made.root / "catalog").mkdir()
    private = made.repositories.add("acme/private", private=True)
    private.commit("main", made.files("from main") | {
        f"services/a/{k}": v for k, v in made.files("main's a").items()})
    private.commit("feature/x", made.files("from feature/x") | {
        f"services/a/{k}": v for k, v in made.files("a of feature/x").items()})
    made.repositories.add("acme/public").commit("main", made.files("public"))
    made.hub = make_module_hub({
        "RUNNERHUB_APP_CONFIG": made.app_config("key.pem"), "ACME_TOKEN": TOKEN,
        "RUNNERHUB_CATALOG": str(made.root / "catalog")}).start()
    made.api = Portal(made.hub)
    yield made
    made.github.released.set()
    if made.hub.process is not None:
        made.api.stop_all()
    remove_images(engine, made.hub)
    made.github.close()


@pytest.fixture(autouse=True)
def fresh(lab: Lab) -> Iterator[None]:
    lab.github.faults.clear()
    lab.github.seen.clear()
    lab.github.released.clear()
    lab.repositories.archives_seen.clear()
    lab.repositories.remaining, lab.repositories.reset = 5000, int(time.time()) + 3600
    yield
    lab.api.stop_all()


@pytest.fixture
def private(lab: Lab) -> Repository:
    return lab.repositories.all["acme/private"]


# -- from a request to a page -----------------------------------------------------------

def test_a_directory_of_a_branch_with_slashes(lab: Lab, private: Repository) -> None:
    """Private, by a token that goes to the API and not to the second host."""
    lab.serves("mono", f"url:http://{lab.at}/acme/private/tree/feature/x/services/a/",
               "a of feature/x")
    api = [seen.headers.get("Authorization") for seen in lab.github.seen]
    assert set(api) == {f"Bearer {TOKEN}"}
    (path, headers), = lab.repositories.archives_seen
    assert private.heads["feature/x"] in path and "Authorization" not in headers
    refs = [seen.path for seen in lab.github.seen if "?ref=" in seen.path]
    assert refs and all(private.heads["feature/x"] in ref for ref in refs)


def test_an_enterprise_server_with_an_app(lab: Lab, private: Repository) -> None:
    lab.serves("by-app", f"https://{APP}/acme/private", "from main")
    token = lab.github.apps.tokens[-1]
    used = {seen.headers["Authorization"] for seen in lab.github.seen if "/contents/" in seen.path}
    assert used == {f"Bearer {getattr(token, 'value', token)}"}


def test_a_branch_that_moves_meanwhile(lab: Lab) -> None:
    """Configuration and content are of the commit that was found first."""
    moving = lab.repositories.add("acme/moving")
    first = moving.commit("main", lab.files("first"))
    answer = lab.repositories.answer

    def move(api: str, path: str, query: dict, headers: dict) -> Any:
        answered = answer(api, path, query, headers)
        if "/commits/" in path or "/contents/" in path:
            moving.commit("main", lab.files(f"later, after {path}"))
        return answered

    lab.repositories.answer = move
    try:
        lab.serves("moving", f"https://{ENTERPRISE}/acme/moving", "first")
    finally:
        lab.repositories.answer = answer
    assert len(moving.commits) >= 3
    assert all(first in path for path, _ in lab.repositories.archives_seen)


def test_a_short_limit_is_waited_for(lab: Lab) -> None:
    lab.repositories.remaining, lab.repositories.reset = 0, int(time.time()) + 1
    instance = lab.api.started(lab.add("patient", f"https://{PUBLIC}/acme/public"))
    wait_for(lambda: lab.github.seen, what="GitHub was asked")
    lab.repositories.remaining = 5000
    lab.api.settled(instance, "running")
    assert page(lab.port) == "public"


# -- faults, as GET .../errors has them ----------------------------------------------------

@pytest.mark.parametrize("source, code, words", [
    (f"https://{PUBLIC}/acme/nothing", "REPOSITORY_NOT_FOUND", "acme/nothing"),
    (f"https://{PUBLIC}/acme/private", "REPOSITORY_NOT_FOUND", "needs a token"),
    (f"https://{ENTERPRISE}/acme/private/tree/gone/x", "REF_NOT_FOUND", "gone"),
    (f"https://{ENTERPRISE}/acme/private?ref=v9", "REF_NOT_FOUND", "v9"),
    (f"https://{WRONG}/acme/private", "GIT_AUTHENTICATION_FAILED", "refuses the token"),
    ("https://unknown.example/acme/private", "INVALID_SOURCE_LOCATION", "unknown.example"),
])
def test_what_github_does_not_give(lab: Lab, source: str, code: str, words: str) -> None:
    error = lab.fails("fault", source, code)
    assert words in error["message"]
    assert (error["severity"], error["retryable"]) == ("high", False)
    assert TOKEN not in str(error) and "ghp_wrong" not in str(error)


def test_a_configuration_that_is_nowhere(lab: Lab) -> None:
    lab.fails("bare", f"https://{ENTERPRISE}/acme/private/tree/main/services/a",
              "CONFIG_NOT_FOUND", "    runner.backstage.io/config-path: other.yml\n")


def test_a_token_without_the_right(lab: Lab) -> None:
    lab.github.fail(status=403, times=100,
                    body={"message": "Resource not accessible by personal access token"})
    error = lab.fails("denied", f"https://{ENTERPRISE}/acme/public", "GIT_AUTHENTICATION_FAILED")
    assert "Contents" in error["message"]


def test_an_archive_that_is_gone(lab: Lab) -> None:
    lab.github.fail(path="archive:", status=404, body=b"404: Not Found")
    lab.fails("no-archive", f"https://{ENTERPRISE}/acme/public", "REF_NOT_FOUND")


def test_a_long_limit_is_told_and_kept(lab: Lab) -> None:
    lab.repositories.remaining = 0
    error = lab.fails("limited", f"https://{LIMITED}/acme/public", "GITHUB_RATE_LIMITED")
    assert error["retryable"] and error["recoverable"]
    assert 0 < error["context"]["metadata"]["retryAfter"] <= 3601
    asked = len(lab.github.seen)
    lab.repositories.remaining = 5000
    lab.fails("limited", f"https://{LIMITED}/acme/public", "GITHUB_RATE_LIMITED")
    assert len(lab.github.seen) == asked  # it is not asked before its time
    told = next(b for b in lab.hub.get("/api/system").data["github"] if b["host"] == LIMITED)
    assert told["remaining"] == 0 and told["limit"] == 5000
    assert told["blockedUntil"] >= told["resetAt"]


@pytest.mark.parametrize("body", [b"<html>no archive</html>" * 100, b"\x1f\x8b\x08broken"])
def test_an_archive_that_is_none(lab: Lab, body: bytes) -> None:
    lab.github.fail(path="archive:", status=200, body=body)
    error = lab.fails("broken", f"https://{ENTERPRISE}/acme/public", "GIT_OPERATION_FAILED")
    assert error["retryable"]


def test_an_archive_that_breaks_off(lab: Lab) -> None:
    lab.github.fail(path="archive:", status=200, times=100, headers={"Content-Length": "100000"})
    error = lab.fails("cut", f"https://{ENTERPRISE}/acme/public", "GIT_OPERATION_FAILED")
    assert error["retryable"]


# -- in the middle of a download -------------------------------------------------------------

def downloading(lab: Lab, name: str) -> str:
    """A start whose archive stands still halfway."""
    lab.github.fail(path="archive:", status=200, seconds=60)
    instance = lab.api.started(lab.add(name, f"https://{ENTERPRISE}/acme/public"))
    wait_for(lambda: lab.repositories.archives_seen, what="the download has begun")
    return instance


def test_a_stop_in_a_download(lab: Lab, engine: Engine) -> None:
    instance = downloading(lab, "slow")
    assert lab.api.show(instance)["deploymentProgress"]["currentStep"] == "downloading_repository"
    assert lab.api.stop(instance).status == 200  # long before the rest would come
    assert lab.api.show(instance)["status"] == "stopped"
    assert os.listdir(os.path.join(lab.hub.state_dir, "components")) == []
    assert containers_of(engine, lab.hub) == []


def test_a_hub_that_dies_in_a_download(lab: Lab) -> None:
    instance = downloading(lab, "cut-short")
    lab.hub.kill9()
    # Gone from the catalog meanwhile: what was admitted is gone on with.
    (lab.root / "catalog" / "cut-short" / "catalog-info.yaml").unlink()
    lab.hub.start()
    lab.api.settled(instance, "running")
    assert page(lab.port) == "public" and len(lab.repositories.archives_seen) == 2
