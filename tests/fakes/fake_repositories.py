"""The repositories of the fake GitHub: what a component's source is read from.

Written from GitHub's REST API reference ("Repositories", "Git refs",
"Commits", "Contents"); shares nothing with src/github.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import unquote

from fake_apps import Apps

Answer = tuple[int, Any, dict[str, str]]

NOT_FOUND: Answer = (404, {"message": "Not Found", "documentation_url": "https://docs"}, {})


@dataclass
class Repository:
    name: str                                 # "acme/app"
    default_branch: str = "main"
    private: bool = False
    heads: dict[str, str] = field(default_factory=dict)           # name, commit
    tags: dict[str, tuple[str, str]] = field(default_factory=dict)  # object, commit
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    archive: bytes | None = None              # instead of the true one

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(repr((branch, sorted(files.items()), len(self.commits)))
                           .encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.heads[branch] = sha
        return sha

    def tag(self, name: str, commit: str) -> None:
        """An annotated one: an object of its own."""
        self.tags[name] = (hashlib.sha1(name.encode()).hexdigest(), commit)

    def find(self, ref: str) -> str | None:
        if ref.startswith("heads/"):
            return self.heads.get(ref[6:])
        if ref.startswith("tags/"):
            return self.tags.get(ref[5:], (None, None))[1]
        if ref == "HEAD":
            return self.heads.get(self.default_branch)
        if ref in self.heads:
            return self.heads[ref]
        if ref in self.tags:
            return self.tags[ref][1]
        found = [sha for sha in self.commits if len(ref) >= 4 and sha.startswith(ref)]
        return found[0] if len(found) == 1 else None

    def tarball(self, sha: str) -> bytes:
        if self.archive is not None:
            return self.archive
        out = io.BytesIO()
        top = f"{self.name.replace('/', '-')}-{sha[:7]}"
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT,
                          pax_headers={"comment": sha}) as tar:
            for path, content in sorted(self.commits[sha].items()):
                info = tarfile.TarInfo(f"{top}/{path}")
                info.size, info.mode = len(content), 0o664
                tar.addfile(info, io.BytesIO(content))
        return gzip.compress(out.getvalue(), 1)


class Repositories:
    """All of one GitHub, and the second host that its archives come from."""

    def __init__(self, take_fault: Callable[[str], Any], released: threading.Event,
                 token: str, apps: Apps | None = None):
        self.all: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}       # old name, new name
        self.limit, self.remaining = 5000, 5000
        self.reset = int(time.time()) + 3600
        self.archives_seen: list[tuple[str, dict[str, str]]] = []
        self.archive_redirect: str | None = None  # instead of the second host
        self._token = token
        self._apps = apps or Apps()
        self._apps.renamed = self.renamed
        self._take_fault = take_fault
        self._released = released
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._archive_handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def archive_host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, name: str, **fields: Any) -> Repository:
        self.all[name] = Repository(name, **fields)
        return self.all[name]

    # -- the calls -----------------------------------------------------------
    def takes(self, method: str, path: str) -> bool:
        return method == "GET" and bool(re.fullmatch(
            r"/(repos/[^/]+/[^/]+|repositories/\d+)"
            r"(|/(git/matching-refs|commits|contents|tarball)/.+)", path))

    def answer(self, api: str, path: str, query: dict[str, str],
               headers: dict[str, str]) -> Answer:
        """Status, body and headers, of which each costs one of the limit."""
        status, body, extra = self._judge(api, path, query, headers)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        extra.setdefault("Content-Type", "application/json; charset=utf-8")
        if status == 200:
            extra["ETag"] = f'W/"{hashlib.sha1(data).hexdigest()}"'
            if headers.get("If-None-Match") == extra["ETag"]:
                status, data = 304, b""
        if status not in (304, 401):
            self.remaining = max(self.remaining - 1, 0)
        extra |= {"X-RateLimit-Limit": str(self.limit),
                  "X-RateLimit-Remaining": str(self.remaining),
                  "X-RateLimit-Reset": str(self.reset)}
        return status, data, extra

    def _judge(self, api: str, path: str, query: dict[str, str],
               headers: dict[str, str]) -> Answer:
        given = headers.get("Authorization")
        of_app = self._apps.token(given)
        if given not in (None, f"Bearer {self._token}") and of_app is None:
            return 401, {"message": "Bad credentials"}, {}
        if self.remaining <= 0:
            return 403, {"message": "API rate limit exceeded for 127.0.0.1."}, {}
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        if match and match.group(1) in self.renamed:
            number = list(self.all).index(self.renamed[match.group(1)])
            return 301, {"message": "Moved Permanently"}, {
                "Location": f"{api}/repositories/{number}{match.group(2) or ''}"
                            + (f"?ref={query['ref']}" if "ref" in query else "")}
        if not match:
            match = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
            name = list(self.all)[int(match.group(1))]
        else:  # case does not count
            name = next((n for n in self.all if n.lower() == match.group(1).lower()), "")
        repository = self.all.get(name)
        if repository is None or (repository.private and (
                given is None or (of_app and not of_app.reads(repository.name)))):
            return NOT_FOUND
        return self._about(repository, unquote(match.group(2) or ""), query, headers)

    def _about(self, repository: Repository, rest: str, query: dict[str, str],
               headers: dict[str, str]) -> Answer:
        if rest == "":
            return 200, {"id": 1, "full_name": repository.name, "private": repository.private,
                         "default_branch": repository.default_branch}, {}
        if not repository.commits:
            return 409, {"message": "Git Repository is empty."}, {}
        kind, _, name = rest.removeprefix("/").partition("/")
        if kind == "git":
            return self._matching(repository, name.removeprefix("matching-refs/"))
        if kind == "commits":
            sha = repository.find(name)
            if headers.get("Accept") != "application/vnd.github.sha":
                return 415, {"message": "this fake knows SHAs only"}, {}
            if sha is None:
                return 422, {"message": f"No commit found for SHA: {name}"}, {}
            return 200, sha.encode(), {"Content-Type": "application/vnd.github.sha"}
        if kind == "contents":
            return self._contents(repository, name, query, headers)
        if repository.find(name) is None:
            return NOT_FOUND
        return 302, b"", {"Location": self.archive_redirect or
                          f"{self.archive_host}/{repository.name}/legacy.tar.gz/{name}"
                          "?token=once"}

    def _matching(self, repository: Repository, prefix: str) -> Answer:
        refs = {f"heads/{name}": sha for name, sha in repository.heads.items()}
        refs |= {f"tags/{name}": made[0] for name, made in repository.tags.items()}
        return 200, [{"ref": f"refs/{name}", "node_id": "x", "url": "https://x",
                      "object": {"type": "commit", "sha": sha, "url": "https://x"}}
                     for name, sha in sorted(refs.items()) if name.startswith(prefix)], {}

    def _contents(self, repository: Repository, path: str, query: dict[str, str],
                  headers: dict[str, str]) -> Answer:
        sha = repository.find(query.get("ref", repository.default_branch))
        files = repository.commits.get(sha or "", {})
        if path in files:
            raw = headers.get("Accept") == "application/vnd.github.raw+json"
            return (200, files[path], {"Content-Type": "application/vnd.github.raw+json"}) \
                if raw else (415, {"message": "this fake gives raw files only"}, {})
        below = [name for name in files if name.startswith(path + "/")]
        return (200, [{"path": name} for name in below], {}) if below else NOT_FOUND

    # -- the second host -----------------------------------------------------
    def _archive_handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                try:
                    self._give()
                except OSError:
                    self.close_connection = True  # the peer has given up

            def _give(self) -> None:
                path = self.path.partition("?")[0]
                fake.archives_seen.append((self.path, dict(self.headers)))
                owner, name, _, ref = path.strip("/").split("/", 3)
                repository = fake.all[f"{owner}/{name}"]
                data = repository.tarball(repository.find(ref))
                fault = fake._take_fault(f"archive:{path}")
                status = fault.status if fault else 200
                if fault and isinstance(fault.body, bytes):
                    data = fault.body
                self.send_response(status)
                for header, value in (fault.headers if fault else {}).items():
                    self.send_header(header, value)
                self.send_header("Content-Type", "application/x-gzip")
                if not fault or "Content-Length" not in fault.headers:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if fault and fault.seconds:  # half of it, and then silence
                    self.wfile.write(data[:len(data) // 2])
                    self.wfile.flush()
                    fake._released.wait(fault.seconds)
                    data = data[len(data) // 2:]
                self.wfile.write(data)
                self.close_connection = fault is not None

        return Handler
