"""A real hub for a test: its own state directory, port and log."""

import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Callable, Iterator

from engine_api import Engine

FINAL = ("completed", "failed", "cancelled")

_HUB_IDS: set[str] = set()  # of the hubs that were closed


def sweep(engine: Engine) -> None:
    """Networks that the engine finished making for a hub that had died in the
    middle of asking for one, after its close() had looked."""
    for hub_id in _HUB_IDS:
        for network in engine.networks(f"runnerhub.hub={hub_id}"):
            engine.remove_network(network["Id"])


# What a sanitizer or our own panic leaves in a log.
_REPORTS = re.compile(
    r"ERROR: (Address|Leak|Memory)Sanitizer|WARNING: ThreadSanitizer|"
    r"runtime error: |SUMMARY: \w+Sanitizer|runnerhub: panic at ")


def wait_for(condition: Callable[[], Any], timeout: float = 60,
             what: str = "the condition") -> Any:
    """Calls condition until it is true and returns what it returned.

    A deadline is generous on purpose: a slow machine must not fail a test.
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so within {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def free_port() -> int:
    """Below the ports that the kernel hands out, so that no connection of a
    test beside this one takes it before our server does, or while it is down
    between two starts."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The "data" of a successful answer."""
        assert self.status < 300, f"status {self.status}: {self.text}"
        return self.json["data"]


class Hub:
    """`runnerhub serve` under test. Use it as a context manager: leaving
    stops it, then asserts that no sanitizer spoke and no container of this
    hub is left on the engine."""

    def __init__(self, binary: str, engine: Engine, image: str,
                 env: dict[str, str] | None = None,
                 args: list[str] | None = None):
        self.binary = binary
        self.engine = engine
        self.dir = tempfile.mkdtemp(prefix="runnerhub-test-")
        self.state_dir = os.path.join(self.dir, "state")
        self.log_path = os.path.join(self.dir, "hub.log")
        self.port = free_port()
        self.args = args or []
        self.env = self._environment(image, env or {})
        self.tls: ssl.SSLContext | None = None  # whom requests trust, over https
        self.process: subprocess.Popen | None = None
        self._may_owe = False  # died without the chance to clean up
        self._abandoned = False

    def _environment(self, image: str, overrides: dict[str, str]) -> dict[str, str]:
        # Only what every program needs comes from outside: a variable of
        # the developer's shell must not change a test.
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
                "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS",
                "GCOV_PREFIX", "GCOV_PREFIX_STRIP")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        env.update({
            "PORT": str(self.port),
            "RUNNERHUB_STATE_DIR": self.state_dir,
            "RUNNER_IMAGE": image,
            "RUNNER_PULL_POLICY": "never",
            "DOCKER_HOST": self.engine.host,
            "RUNNERHUB_POOL_SIZE": "0",
            "RUNNERHUB_SHUTDOWN_MODE": "drain",
            "API_RATE_LIMIT": "0",  # tests ask more than people do
            "LOG_LEVEL": "debug",
        })
        env.update(overrides)
        return env

    # -- life ----------------------------------------------------------------
    def start(self, timeout: float = 60, wait_healthy: bool = True) -> "Hub":
        assert self.process is None, "the hub runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", *self.args], env=self.env, cwd=self.dir,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait_healthy:
            wait_for(self._answers, timeout, "the hub answers /health")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, (
            f"the hub ended with {code} at start; its log:\n{self.log_tail()}")
        try:
            self.get("/health", timeout=10)
            return True
        except OSError:
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None, "the hub does not run"
        return self.process.pid

    def kill9(self) -> None:
        """Dies at once, like at a power cut of the process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        self._may_owe = True

    def terminate(self, timeout: float = 120) -> int:
        """SIGTERM and its end; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self.process = None
        self._may_owe = self.env["RUNNERHUB_SHUTDOWN_MODE"] != "drain"
        return code

    def abandon(self) -> None:
        """Kills it and leaves the cleaning to close(), which then asserts
        nothing: for a hub with more queued jobs than anyone wants to run."""
        if self.process is not None:
            self.kill9()
        self._may_owe = False
        self._abandoned = True

    def restart(self, env: dict[str, str] | None = None) -> "Hub":
        if self.process is not None:
            self.terminate()
        self.env.update(env or {})
        return self.start()

    # -- requests ------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: Any = None,
                headers: dict[str, str] | None = None,
                timeout: float = 60) -> Reply:
        """Any status is an answer; OSError only when there is none."""
        data = body
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data, headers,
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.tls) as answer:
                return Reply(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, dict(error.headers), error.read())

    def get(self, path: str, **kwargs: Any) -> Reply:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Reply:
        return self.request("POST", path, body, **kwargs)

    def patch(self, path: str, body: Any = None, **kwargs: Any) -> Reply:
        return self.request("PATCH", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Reply:
        return self.request("DELETE", path, **kwargs)

    # -- jobs ----------------------------------------------------------------
    def cli(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The same program as a client of this hub."""
        env = {**self.env, "RUNNERHUB_URL": self.url}
        return subprocess.run([self.binary, *args], cwd=self.dir, env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    def delegate(self, steps: list[dict] | list[str] | None = None,
                 headers: dict[str, str] | None = None, **fields: Any) -> str:
        """Delegates a job (a step may be given as its command) and returns
        its id; the run id is unique unless given."""
        body = {"jobId": "test", "runId": f"run-{time.monotonic_ns()}",
                "repository": "test/repo", **fields}
        if steps is not None:
            body["steps"] = [{"name": f"step {n}", "run": step}
                             if isinstance(step, str) else step
                             for n, step in enumerate(steps, 1)]
        reply = self.post("/api/jobs/delegate", body, headers=headers)
        assert reply.status == 201, f"status {reply.status}: {reply.text}"
        return reply.data["delegationId"]

    def job(self, job_id: str, headers: dict[str, str] | None = None) -> dict:
        return self.get(f"/api/jobs/{job_id}", headers=headers).data

    def wait_status(self, job_id: str, *wanted: str, timeout: float = 120,
                    headers: dict[str, str] | None = None) -> dict:
        """Waits for one of the statuses; another final one fails at once."""
        def there() -> dict | None:
            job = self.job(job_id, headers)
            if job["status"] in wanted:
                return job
            assert job["status"] not in FINAL, (
                f"job is {job['status']} ({job.get('error')}), not {wanted}\n"
                f"{self.log_tail()}")
            return None
        return wait_for(there, timeout, f"job {job_id} is {' or '.join(wanted)}")

    def wait_end(self, job_id: str, timeout: float = 120) -> dict:
        return self.wait_status(job_id, *FINAL, timeout=timeout)

    def logs(self, job_id: str) -> str:
        return self.get(f"/api/jobs/{job_id}/logs").data["logs"]

    # -- what it left --------------------------------------------------------
    def log(self) -> str:
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines: int = 60) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def _mounts_our_state(self, container: dict) -> bool:
        return any(mount.get("Source", "").startswith(self.state_dir + "/")
                   for mount in container.get("Mounts", []))

    def containers(self) -> list[dict]:
        """The containers of this hub: by label, and by the state directory
        that they mount, so that a wrong label does not hide one."""
        hub_id = self.hub_id
        return [c for c in self.engine.containers("runnerhub.managed=true")
                if (hub_id and c["Labels"].get("runnerhub.hub") == hub_id)
                or self._mounts_our_state(c)]

    def networks(self) -> list[dict]:
        return (self.engine.networks(f"runnerhub.hub={self.hub_id}")
                if self.hub_id else [])

    @property
    def hub_id(self) -> str | None:
        """The value of the label runnerhub.hub, from the state directory."""
        try:
            with open(os.path.join(self.state_dir, "hub-id"), encoding="ascii") as f:
                return f.read().strip() or None
        except FileNotFoundError:
            return None

    def _sanitizer_reports(self) -> Iterator[str]:
        lines = self.log().splitlines()
        for number, line in enumerate(lines):
            if _REPORTS.search(line):
                yield "\n".join(lines[number:number + 40])

    def _remove_leftovers(self) -> list[str]:
        left = []
        for container in self.containers():
            left.append(f"container {container['Id'][:12]} {container['Status']}")
            self.engine.remove(container["Id"])
        return left

    def _remove_kept(self) -> None:
        """What a hub keeps for its next start, which never comes here: its
        network and its firewall table."""
        if self.hub_id:
            _HUB_IDS.add(self.hub_id)
        for network in self.networks():
            self.engine.remove_network(network["Id"])
        if self.hub_id and os.geteuid() == 0 and shutil.which("nft"):
            # Not there (hostServices=warn, no network made) is fine.
            subprocess.run(["nft", "delete", "table", "inet",
                            f"runnerhub_{self.hub_id[:8]}"], stderr=subprocess.DEVNULL)

    def close(self, check: bool = True) -> None:
        """Stops the hub, removes what it left, and says what that was."""
        try:
            code = self._stop_and_clean()
            reports = list(self._sanitizer_reports())
            left = self._remove_leftovers()
            self._remove_kept()
            tail = self.log_tail()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
        if not check or self._abandoned:
            return
        assert not reports, "the hub's log holds a report:\n" + reports[0]
        assert code == 0, f"the hub ended with {code}; its log:\n{tail}"
        assert not left, f"the hub left behind: {', '.join(left)}; its log:\n{tail}"

    def _stop(self) -> int:
        # Jobs still running are ended first: what stays must be a leak.
        try:
            for job in self.get("/api/jobs?limit=100").data:
                if job["status"] not in FINAL:
                    self.post(f"/api/jobs/{job['id']}/cancel")
                    self.wait_end(job["id"])
        except (OSError, AssertionError):
            pass  # it cannot answer any more: the checks of close will tell
        try:
            return self.terminate()
        except subprocess.TimeoutExpired:
            self.kill9()
            return -signal.SIGKILL

    def _stop_and_clean(self) -> int:
        """A hub that was killed, or hands over, leaves its sandboxes to the
        next one by design: that next one is started here and drains."""
        code = self._stop() if self.process is not None else 0
        if self._may_owe:
            self.env.update(RUNNERHUB_SHUTDOWN_MODE="drain", RUNNERHUB_FAULT="",
                            RUNNERHUB_POOL_SIZE="0")
            code = self.start()._stop() or code
        return code

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.close(check=kind is None)
