"""The log of a job: exactly its bytes, live and afterwards, however read."""

import http.client
import json
import random
import re
import socket
import threading
from typing import Any, Callable

import pytest

from hub import Hub, Reply, wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOWHERE = "unix:///nonexistent/engine.sock"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNER_MEMORY_MB": "128", "RUNNERHUB_CAPACITY": "4"}).start()


@pytest.fixture(scope="module")
def finished(hub: Hub) -> str:
    """A job with a known log of 100 lines on two streams in two steps."""
    job_id = hub.delegate(["for i in $(seq 50); do echo out $i; done; sleep 0.01; echo err >&2",
                           "for i in $(seq 48); do echo more $i; done; printf 'no end'"])
    hub.wait_status(job_id, "completed")
    return job_id


LOG = "".join([*(f"out {i}\n" for i in range(1, 51)), "err\n",
               *(f"more {i}\n" for i in range(1, 49)), "no end"])


def logs(hub: Hub, job_id: str, query: str = "", **headers: str) -> Reply:
    return hub.get(f"/api/jobs/{job_id}/logs{query}",
                   headers={name.replace("_", "-"): value for name, value in headers.items()})


class LogFollower:
    """Follows a log on a thread of its own until its end."""

    def __init__(self, hub: Hub, job_id: str, query: str = ""):
        self.content = b""
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120)
        connection.request("GET", f"/api/jobs/{job_id}/logs?follow=true{query}")
        self.answer = connection.getresponse()
        assert self.answer.status == 200
        self.error: Exception | None = None
        self._connection = connection
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while part := self.answer.read1(65536):
                self.content += part
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        self._connection.close()

    def whole(self) -> bytes:
        self._thread.join(120)
        assert not self._thread.is_alive(), "the stream does not end"
        assert self.error is None, self.error
        return self.content


# -- reading a finished log ------------------------------------------------------------

def test_the_whole_log(hub: Hub, finished: str) -> None:
    reply = logs(hub, finished)
    assert reply.json == {"success": True,
                          "data": {"logs": LOG, "truncated": False, "offset": 0}}


@pytest.mark.parametrize("lines", [0, 1, 2, 48, 49, 99, 100, 101, 10 ** 9])
def test_the_last_lines(hub: Hub, finished: str, lines: int) -> None:
    expected = LOG.splitlines(keepends=True)[-lines:] if lines else []
    assert logs(hub, finished, f"?tail={lines}").data["logs"] == "".join(expected)
    assert logs(hub, finished, f"?tail={lines}&follow=true").text == "".join(expected)


@pytest.mark.parametrize("offset", [0, 1, 7, 300, len(LOG) - 1, len(LOG), len(LOG) + 1, 2 ** 62])
def test_from_an_offset(hub: Hub, finished: str, offset: int) -> None:
    assert logs(hub, finished, f"?offset={offset}").data["logs"] == LOG[offset:]
    assert logs(hub, finished, f"?follow=true&offset={offset}").text == LOG[offset:]
    assert logs(hub, finished, f"?download=true&offset={offset}").text == LOG[offset:]


def test_follow_is_plain_text_in_chunks(hub: Hub, finished: str) -> None:
    reply = logs(hub, finished, "?follow=true")
    assert reply.headers["Content-Type"].startswith("text/plain")
    assert reply.headers["Transfer-Encoding"] == "chunked" and reply.text == LOG


def test_a_download(hub: Hub, finished: str) -> None:
    reply = logs(hub, finished, "?download=true")
    assert reply.status == 200 and reply.text == LOG
    assert reply.headers["Content-Length"] == str(len(LOG))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{finished}.log"'


@pytest.mark.parametrize("spec, first, last", [
    ("0-0", 0, 0), ("0-9", 0, 9), ("5-", 5, len(LOG) - 1), ("-7", len(LOG) - 7, len(LOG) - 1),
    (f"10-{10 ** 12}", 10, len(LOG) - 1), (f"-{10 ** 12}", 0, len(LOG) - 1),
    (f"{len(LOG) - 1}-", len(LOG) - 1, len(LOG) - 1)])
def test_a_range(hub: Hub, finished: str, spec: str, first: int, last: int) -> None:
    reply = logs(hub, finished, "?download=true", Range=f"bytes={spec}")
    assert reply.status == 206 and reply.text == LOG[first:last + 1]
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(LOG)}"


@pytest.mark.parametrize("spec", [f"{len(LOG)}-", "-0", "99999999-"])
def test_a_range_behind_the_end(hub: Hub, finished: str, spec: str) -> None:
    reply = logs(hub, finished, "?download=true", Range=f"bytes={spec}")
    assert reply.status == 416 and reply.headers["Content-Range"] == f"bytes */{len(LOG)}"
    assert reply.json["success"] is False


@pytest.mark.parametrize("spec", ["bytes=a-b", "bytes=5-2", "lines=1-2", "bytes=0-1,4-5", "bytes="])
def test_a_range_that_is_none_gives_the_whole(hub: Hub, finished: str, spec: str) -> None:
    reply = logs(hub, finished, "?download=true", Range=spec)
    assert reply.status == 200 and reply.text == LOG


def test_timestamps_stand_before_each_line(hub: Hub, finished: str) -> None:
    for text in (logs(hub, finished, "?timestamps=true").data["logs"],
                 logs(hub, finished, "?timestamps=true&follow=true").text):
        times, words = zip(*(line.split(" ", 1) for line in text.splitlines()))
        assert [word + "\n" for word in words][:-1] == LOG.splitlines(keepends=True)[:-1]
        assert words[-1] == "no end"
        assert all(TIME.fullmatch(at) for at in times) and list(times) == sorted(times)


def entries_of(hub: Hub, job_id: str, query: str = "") -> list[dict[str, Any]]:
    by_list = logs(hub, job_id, "?format=json" + query).data["entries"]
    stream = logs(hub, job_id, "?format=json&follow=true" + query)
    assert stream.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in stream.text.splitlines()] == by_list
    return by_list


def test_records_with_marks_and_streams(hub: Hub, finished: str) -> None:
    entries = entries_of(hub, finished)
    marks = [(e["kind"], e["step"]) for e in entries if e["kind"] != "out"]
    assert marks == [("step_start", 0), ("step_end", 0), ("step_start", 1), ("step_end", 1)]
    text = {stream: "".join(e["text"] for e in entries
                            if e["kind"] == "out" and e["stream"] == stream)
            for stream in ("stdout", "stderr")}
    assert text == {"stdout": LOG.replace("err\n", ""), "stderr": "err\n"}
    assert [e["code"] for e in entries if e["kind"] == "step_end"] == [0, 0]
    assert all(TIME.fullmatch(e["time"]) for e in entries)
    assert {e["step"] for e in entries if e.get("text", "").startswith("more")} == {1}


# -- exact bytes -----------------------------------------------------------------------

def test_binary_comes_back_byte_for_byte(hub: Hub) -> None:
    dice = random.Random(7)
    data = bytes(dice.randrange(256) for _ in range(20_000)) + b"\x00\xff\xfe\r\n\x1b[31m\xc3"
    octal = "".join(f"\\0{byte:03o}" for byte in data)
    pieces = [octal[i:i + 4000] for i in range(0, len(octal) - len(octal) % 4000 + 1, 4000)]
    script = "\n".join(f"printf '%b' '{piece}'" for piece in pieces if piece)
    job_id = hub.delegate([script])
    hub.wait_status(job_id, "completed")
    assert logs(hub, job_id, "?download=true").body == data
    assert logs(hub, job_id, "?follow=true").body == data
    shown = logs(hub, job_id).data["logs"]  # JSON is UTF-8: U+FFFD for the rest
    assert "\ufffd" in shown and "\x1b[31m" in shown
    entries_of(hub, job_id)


def test_characters_are_not_cut(hub: Hub) -> None:
    job_id = hub.delegate(["printf 'a\\303'; sleep 0.05; printf '\\274b'; "
                           "printf '\\360\\237'; sleep 0.05; printf '\\232\\200\\n'"])
    hub.wait_status(job_id, "completed")
    assert hub.logs(job_id) == "aüb🚀\n"
    assert "".join(e["text"] for e in entries_of(hub, job_id) if e["kind"] == "out") == "aüb🚀\n"


def test_a_large_log(hub: Hub) -> None:
    job_id = hub.delegate(["seq 2000000"])
    follower = LogFollower(hub, job_id)
    hub.wait_status(job_id, "completed")
    expected = "".join(f"{n}\n" for n in range(1, 2_000_001)).encode()
    assert follower.whole() == expected
    assert logs(hub, job_id, "?download=true").body == expected
    static = logs(hub, job_id).data
    assert static["truncated"] is True and expected.startswith(static["logs"].encode())
    assert logs(hub, job_id, "?tail=3").data["logs"] == "1999998\n1999999\n2000000\n"
    part = logs(hub, job_id, "?download=true", Range="bytes=5000000-5000099")
    assert part.body == expected[5_000_000:5_000_100]


# -- live ---------------------------------------------------------------------------------

GROWING = "for i in $(seq 40); do echo line $i; sleep 0.02; done"


def test_following_a_job_from_its_first_byte(hub: Hub) -> None:
    job_id = hub.delegate([GROWING, "echo last"])
    followers = [LogFollower(hub, job_id), LogFollower(hub, job_id, "&offset=17"),
                 LogFollower(hub, job_id, "&timestamps=true"),
                 LogFollower(hub, job_id, "&format=json")]
    wait_for(lambda: followers[0].content.count(b"\n") >= 3, what="it comes while it is written")
    assert hub.job(job_id)["status"] == "running"
    late = LogFollower(hub, job_id)
    hub.wait_status(job_id, "completed")
    plain, behind, timed, records = (follower.whole() for follower in followers)
    expected = "".join(f"line {n}\n" for n in range(1, 41)).encode() + b"last\n"
    assert plain == expected == late.whole() and behind == expected[17:]
    assert [line.split(b" ", 1)[1] for line in timed.splitlines()] == expected.splitlines()
    assert "".join(e["text"] for e in map(json.loads, records.splitlines())
                   if e["kind"] == "out").encode() == expected
    assert logs(hub, job_id, "?download=true").body == expected


def test_300_followers_of_one_growing_log(hub: Hub) -> None:
    job_id = hub.delegate(["for i in $(seq 300); do echo $i $RANDOM$RANDOM; done; sleep 0.2; "
                           "seq 20000; sleep 0.1; echo end"])
    followers = [LogFollower(hub, job_id) for _ in range(300)]
    hub.wait_status(job_id, "completed")
    seen = {follower.whole() for follower in followers}
    assert len(seen) == 1
    assert seen.pop() == logs(hub, job_id, "?download=true").body


def test_a_follower_that_does_not_read_holds_nobody_up(hub: Hub) -> None:
    with socket.create_connection(("127.0.0.1", hub.port)) as lazy:
        job_id = hub.delegate(["seq 1000000"])
        lazy.sendall(f"GET /api/jobs/{job_id}/logs?follow=true HTTP/1.1\r\n"
                     "Host: localhost\r\n\r\n".encode())
        hub.wait_status(job_id, "completed")
        assert logs(hub, job_id, "?tail=1").data["logs"] == "1000000\n"


def test_a_follower_of_a_job_that_never_runs_ends(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE}).start()
    job_id = hub.delegate(["true"])
    followers = [LogFollower(hub, job_id, q) for q in ("", "&format=json", "&timestamps=true")]
    assert logs(hub, job_id).data["logs"] == ""
    assert logs(hub, job_id, "?format=json").data["entries"] == []
    assert logs(hub, job_id, "?download=true").body == b""
    assert hub.post(f"/api/jobs/{job_id}/cancel").status == 200
    assert [follower.whole() for follower in followers] == [b""] * 3
    assert logs(hub, job_id, "?follow=true").body == b""


def test_a_follower_of_a_waiting_job_gets_it_all(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "1", "RUNNER_MEMORY_MB": "64"}).start()
    first = hub.delegate(["sleep 86400"])
    hub.wait_status(first, "running")
    second = hub.delegate(["echo mine"])
    follower = LogFollower(hub, second)
    hub.post(f"/api/jobs/{first}/cancel")
    assert follower.whole() == b"mine\n"


# -- what it outlives ------------------------------------------------------------------------

def test_a_log_outlives_container_and_hub(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub().start()
    job_id = hub.delegate(["echo kept; echo too >&2", "seq 3"])
    hub.wait_status(job_id, "completed")
    wait_for(lambda: not hub.containers(), what="the container is gone")
    before = entries_of(hub, job_id)
    assert hub.logs(job_id) == "kept\ntoo\n1\n2\n3\n"
    hub.restart()
    assert hub.logs(job_id) == "kept\ntoo\n1\n2\n3\n"
    hub.kill9()
    hub.start()
    assert hub.logs(job_id) == "kept\ntoo\n1\n2\n3\n" and entries_of(hub, job_id) == before
    assert logs(hub, job_id, "?follow=true").text == hub.logs(job_id)


def test_a_flood_is_cut_with_a_mark(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_LOG_MAX_PER_JOB": "64k"}).start()
    job_id = hub.delegate(["seq 100000; echo done > file", "cat file"])
    follower = LogFollower(hub, job_id)
    job = hub.wait_status(job_id, "completed")
    assert [step["exitCode"] for step in job["steps"]] == [0, 0]
    text = hub.logs(job_id)
    whole = "".join(f"{n}\n" for n in range(1, 100_001))
    kept = text[:text.rindex("\n", 0, 60_000)]
    assert whole.startswith(kept) and len(text) < 70_000
    mark = text[60_000:].splitlines()[-1]
    assert "limit of 65536 bytes" in mark
    assert follower.whole().decode() == text
    entries = entries_of(hub, job_id)
    # Each step that the limit cuts says so: its output may be read alone.
    assert [e["step"] for e in entries if e["kind"] == "cap"] == [0, 1]
    assert [e["step"] for e in entries if e["kind"] == "step_end"] == [0, 1]
