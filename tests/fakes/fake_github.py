"""A GitHub Enterprise Server for tests: the REST calls about self-hosted
runners and (fake_repositories.py) repositories, with the shapes that GitHub
documents, and faults on demand.

Written from GitHub's REST API reference alone; shares nothing with src/github.
"""

import re
import time
from typing import Any
from urllib.parse import unquote

from fake_apps import Apps
from fake_http import FakeServer, Seen
from fake_repositories import Repositories

TOKEN = "ghp_fake0123456789"

_SCOPE = r"/(repos/[^/]+/[^/]+|orgs/[^/]+|enterprises/[^/]+)"


class FakeGithub(FakeServer):
    def __init__(self, certificate: tuple[str, str] | None = None):
        self.runners: dict[str, list[dict]] = {}   # by scope, "repos/o/r"
        self.scopes = {"repos/acme/app", "orgs/acme"}
        self.minted: list[tuple[str, str, str]] = []  # scope, kind, token
        self._next_id = 23
        self.apps = Apps()
        super().__init__(certificate)
        self.repositories = Repositories(self.take_fault, self.released, TOKEN, self.apps)

    def close(self) -> None:
        super().close()
        self.repositories.close()

    # -- what tests arrange --------------------------------------------------
    def add_runner(self, scope: str, name: str, busy: bool = False,
                   ephemeral: bool = False) -> dict:
        with self._lock:
            self._next_id += 1
            runner = {"id": self._next_id, "runner_group_id": 1, "name": name,
                      "os": "linux", "status": "online", "busy": busy,
                      "ephemeral": ephemeral,
                      "labels": [{"id": 20, "name": "self-hosted", "type": "read-only"}]}
            self.runners.setdefault(scope, []).append(runner)
            return runner

    def names(self, scope: str) -> list[str]:
        return [runner["name"] for runner in self.runners.get(scope, [])]

    # -- the calls -----------------------------------------------------------
    def mint(self, scope: str, kind: str) -> tuple[int, Any]:
        token = f"A{kind[:3].upper()}{len(self.minted):06}TOKEN"
        self.minted.append((scope, kind, token))
        return 201, {"token": token, "expires_at": "2099-01-01T00:00:00.000-08:00"}

    def list(self, scope: str, query: dict[str, str]) -> tuple[int, Any]:
        found = [r for r in self.runners.get(scope, [])
                 if query.get("name") in (None, r["name"])]
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, {"total_count": len(found),
                     "runners": found[(page - 1) * size:page * size]}

    def one(self, scope: str, method: str, runner_id: int) -> tuple[int, Any]:
        runners = self.runners.get(scope, [])
        for runner in runners:
            if runner["id"] != runner_id:
                continue
            if method == "GET":
                return 200, runner
            if runner["busy"]:
                return 422, {"message": f"Bad request - Runner \"{runner['name']}\" is "
                             "still running a job"}
            runners.remove(runner)
            return 204, None
        return 404, {"message": "Not Found"}

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        match = re.fullmatch(_SCOPE + r"/actions/runners(?:/([a-z0-9-]+))?", path)
        if not match or match.group(1) not in self.scopes:
            return 404, {"message": "Not Found"}
        scope, rest = match.groups()
        if method == "POST" and rest in ("registration-token", "remove-token"):
            return self.mint(scope, rest.removesuffix("-token"))
        if method == "GET" and rest is None:
            return self.list(scope, query)
        if rest is not None and rest.isdigit():
            return self.one(scope, method, int(rest))
        return 404, {"message": "Not Found"}

    # -- answers -------------------------------------------------------------
    @staticmethod
    def _refusal(headers: dict[str, str]) -> tuple[int, Any] | None:
        """What GitHub refuses before it looks at the path."""
        if not headers.get("User-Agent"):
            return 403, {"message": "Request forbidden by administrative rules"}
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if (headers.get("Accept") != "application/vnd.github+json"
                or not headers.get("X-GitHub-Api-Version")):
            return 415, {"message": "Unsupported Media Type"}
        return None

    def respond(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        path, _, text = seen.path.partition("?")
        query = {k: unquote(v) for k, v in
                 (part.split("=", 1) for part in text.split("&") if part)}
        if not path.startswith("/api/v3/"):
            return 404, {"message": "Not Found"}, {}
        path = path.removeprefix("/api/v3")
        if self.apps.takes(seen.method, path):
            return *self.apps.answer(path, seen.headers, seen.body), {}
        if self.repositories.takes(seen.method, path):
            return self.repositories.answer(f"{self.url}/api/v3", path, query, seen.headers)
        return *(self._refusal(seen.headers)
                 or self.answer(seen.method, path, query)), {}


def main() -> None:
    """By hand: python3 tests/fakes/fake_github.py"""
    fake = FakeGithub()
    print(f"RUNNERHUB_GITHUB_URL={fake.url} GITHUB_TOKEN={TOKEN}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
