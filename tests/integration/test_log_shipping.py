"""deploy/log-shipping as it stands there: rsyslog reads a hub's log and its
fields arrive at a collector, also over a rotation. The journal's way differs in
its input, which needs systemd: that one is only checked for being valid, and
its lines, as `journalctl -o json` has them, are read by the same rules."""

import json
import os
import signal
import socketserver
import subprocess
import threading
from typing import Callable, Iterator

import pytest

from fixtures import ROOT
from hub import Hub, wait_for

PLACE = os.path.join(ROOT, "deploy", "log-shipping")


class Collector:
    """Takes lines of JSON over TCP."""

    def __init__(self) -> None:
        collector = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    collector.lines.append(json.loads(line))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.lines: list[dict] = []
        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever,
                                        kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def wait(self, **fields: str) -> dict:
        """A line of the hub with these fields."""
        def found() -> dict | None:
            for line in list(self.lines):
                if fields.items() <= line["runnerhub"].items():
                    return line
            return None
        return wait_for(found, what=f"a line with {fields}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def shipped(name: str) -> str:
    with open(os.path.join(PLACE, name), encoding="utf-8") as file:
        return file.read()


def configure(directory: str, collector: Collector, log: str) -> str:
    ship = shipped("runnerhub-ship.conf").replace("logs.example.com", "127.0.0.1")
    assert "5170" in ship
    file = shipped("runnerhub-file.conf")
    assert "/var/log/runnerhub/runnerhub.log" in file
    path = os.path.join(directory, "rsyslog.conf")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'global(workDirectory="{directory}")\n' +
                  ship.replace("5170", str(collector.port)) +
                  file.replace("/var/log/runnerhub/runnerhub.log", log))
    return path


@pytest.fixture
def rsyslog(tmp_path: str, collector: Collector) -> Iterator[Callable[[str], None]]:
    started: list[subprocess.Popen] = []

    def start(log: str) -> None:
        path = configure(str(tmp_path), collector, log)
        started.append(subprocess.Popen(
            ["rsyslogd", "-n", "-f", path, "-i", str(tmp_path / "pid")]))

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


def test_the_fields_of_a_hub_arrive_also_over_a_rotation(
        make_hub: Callable[..., Hub], collector: Collector,
        rsyslog: Callable[[str], None]) -> None:
    hub = make_hub({"DOCKER_HOST": "unix:///nonexistent/engine.sock",
                    "LOG_FORMAT": "json"})
    hub.env["LOG_DIR"] = os.path.join(hub.dir, "log")
    path = os.path.join(hub.env["LOG_DIR"], "runnerhub.log")
    hub.start()
    rsyslog(path)
    job_id = hub.delegate(["true"], headers={"X-Request-Id": "shipped-1"})
    line = collector.wait(msg="job delegated", job=job_id)
    assert line["host"]
    assert line["runnerhub"]["request"] == "shipped-1"
    assert len(line["runnerhub"]["trace_id"]) == 32
    asked = collector.wait(msg="request", request="shipped-1")["runnerhub"]
    assert asked["status"] == 201 and asked["route"] == "/api/jobs/delegate"
    os.rename(path, path + ".1")
    os.kill(hub.pid, signal.SIGHUP)
    wait_for(lambda: os.path.exists(path), what="the log is opened again")
    other = hub.delegate(["true"])
    collector.wait(msg="job delegated", job=other)
    times = [one["runnerhub"]["msg"] for one in collector.lines
             if one["runnerhub"].get("job") == job_id
             and one["runnerhub"]["msg"] == "job delegated"]
    assert times == ["job delegated"], "nothing is sent twice"
    hub.terminate()


def test_what_the_journal_has_of_a_hub_is_read_by_the_same_rules(
        tmp_path: str, collector: Collector, rsyslog: Callable[[str], None]) -> None:
    """imjournal makes MESSAGE the message: so does this."""
    entries = [
        {"_SYSTEMD_UNIT": "runnerhub.service", "PRIORITY": "6", "MESSAGE": json.dumps(
            {"time": "2026-01-31T12:00:00.000Z", "level": "info", "msg": "request",
             "request": "r-1", "path": "/a?b=\"c\" \u00e4", "status": 200})},
        {"_SYSTEMD_UNIT": "runnerhub.service", "PRIORITY": "6",
         "MESSAGE": "runnerhub: panic at x.c:1"}]
    exported = "".join(json.dumps(entry) + "\n" for entry in entries)
    path = tmp_path / "messages"
    path.write_text("".join(json.loads(line)["MESSAGE"] + "\n"
                            for line in exported.splitlines()), encoding="utf-8")
    rsyslog(str(path))
    line = collector.wait(msg="request", request="r-1")["runnerhub"]
    assert line["path"] == "/a?b=\"c\" \u00e4" and line["status"] == 200
    wait_for(lambda: [one for one in collector.lines
                      if "panic at x.c:1" in one["runnerhub"]["msg"]
                      and one["runnerhub"]["level"] == "error"],
             what="what is no JSON arrives as text")


def test_each_way_is_a_valid_configuration(tmp_path: str) -> None:
    """In the order in which /etc/rsyslog.d is read."""
    for name in ("runnerhub-file.conf", "runnerhub-journal.conf"):
        path = tmp_path / name
        path.write_text(f'global(workDirectory="{tmp_path}")\n' +
                        shipped(name) + shipped("runnerhub-ship.conf"),
                        encoding="utf-8")
        done = subprocess.run(["rsyslogd", "-N1", "-f", str(path)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "error" not in done.stderr.lower(), done.stderr
