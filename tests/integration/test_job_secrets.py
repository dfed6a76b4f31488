"""Secrets reach the steps, and nothing else: no log, no answer, no file."""

import base64
import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import urllib.parse
from typing import Callable, Iterator

import pytest

from hub import Hub, wait_for

SECRET = 'S3cr3t/va+lue "with" & <signs> 99%'
LINES = "first-line-of-key\nsecond-line-of-key\nthird-line-of-key"


def forms(value: str) -> dict[str, str]:
    raw = value.encode()
    return {"plain": value, "base64": base64.b64encode(raw).decode(),
            "base64 behind": base64.b64encode(b"user:" + raw).decode(),
            "base64 url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
            "hex": raw.hex(), "HEX": raw.hex().upper(),
            "percent": urllib.parse.quote(value, safe=""), "form": urllib.parse.quote_plus(value),
            "JSON": json.dumps(value)[1:-1]}


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"LOG_LEVEL": "debug", "RUNNER_MEMORY_MB": "128"}).start()


def run(hub: Hub, *steps: str, **secrets: str) -> tuple[dict, str]:
    job = hub.wait_end(hub.delegate(list(steps), secrets=secrets))
    assert job["status"] == "completed", job["error"]
    return job, hub.logs(job["id"])


def test_a_secret_reaches_every_step(hub: Hub) -> None:
    _, log = run(hub, 'test "$S" = "$T"; echo ${#S}', "echo ${#S}", S=SECRET, T=SECRET)
    assert log == f"{len(SECRET)}\n" * 2


def test_a_secret_is_masked_in_plain(hub: Hub) -> None:
    _, log = run(hub, 'echo "[$S]"', 'echo "[$S]" >&2', 'printf %s "$S"', S=SECRET)
    assert log == "[***]\n[***]\n***"


@pytest.mark.parametrize("form", forms(SECRET))
def test_a_secret_is_masked_in_its_usual_encodings(hub: Hub, form: str) -> None:
    encoded = forms(SECRET)[form]
    core = encoded[8:-4] if form == "base64 behind" else encoded  # what the secret alone decides
    # Given backwards: the script must not bear it.
    _, log = run(hub, f"cat <<'END' | rev\n{encoded[::-1]}\nEND", S=SECRET)
    assert core not in log and "***" in log


def test_encodings_made_by_tools(hub: Hub) -> None:
    _, log = run(hub, 'printf %s "$S" | base64', 'printf %s "$S" | base64 -w0; echo',
                 "printf %s \"$S\" | od -An -v -tx1 | tr -d ' \\n'; echo", S=SECRET)
    for name, encoded in forms(SECRET).items():
        assert encoded[:20] not in log, name
    assert log.count("***") == 3


def test_a_secret_is_masked_across_writes(hub: Hub) -> None:
    _, log = run(hub, """
        i=0; while [ $i -lt ${#S} ]; do printf %s "${S:$i:1}"; i=$((i+1)); done; echo
        printf %s "${S:0:9}"; sleep 0.05; printf '%s\\n' "${S:9}"
        head -c 65530 /dev/zero | tr '\\0' x; printf '%s\\n' "$S" """, S=SECRET)
    assert log == "***\n***\n" + "x" * 65530 + "***\n"


def test_the_beginning_of_a_secret_is_not_held_back_for_ever(hub: Hub) -> None:
    _, log = run(hub, 'printf %s "${S:0:9}"', S=SECRET)
    assert log == SECRET[:9]


def test_a_secret_of_several_lines(hub: Hub) -> None:
    _, log = run(hub, 'echo "$KEY"', 'echo "$KEY" | sed -n 2p', 'echo "$KEY" | base64 -w0', KEY=LINES)
    for line in LINES.split("\n"):
        assert line not in log
    assert base64.b64encode(LINES.encode()).decode()[:24] not in log
    assert "***" in log


def test_a_secret_in_outputs_and_summary(hub: Hub) -> None:
    job, _ = run(hub, 'echo "a=[$S]" >> $GITHUB_OUTPUT; echo "[$S]" >> $GITHUB_STEP_SUMMARY',
                 S=SECRET)
    assert job["steps"][0]["outputs"] == {"a": "[***]"} and job["summary"] == "[***]\n"


def test_a_job_names_a_secret_itself(hub: Hub) -> None:
    _, log = run(hub, 'v=$(printf %s live-; printf found); echo "::add-mask::$v"; echo "[$v]"',
                 "printf 'live-'; echo found")
    assert "live-found" not in log and "[***]\n***\n" in log


# -- at rest, and in every answer -------------------------------------------------------

def files_of(directory: str) -> Iterator[tuple[str, bytes]]:
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    yield path, file.read()


def assert_hidden(hub: Hub, job: dict) -> None:
    needles = [form.encode() for value in (SECRET, *LINES.split("\n"))
               for form in forms(value).values()]

    def clean(where: str, text: bytes) -> None:
        for needle in needles:
            assert needle not in text, f"a secret stands in {where}"

    for path, content in files_of(hub.dir):  # database, its log, logs, hub.log
        clean(path, content)
    for path in ("", "/events", "/logs", "/logs?format=json", "/logs?download=true"):
        clean(path, hub.get(f"/api/jobs/{job['id']}{path}").body)
    for path in ("/api/jobs", "/api/system", "/metrics"):
        clean(path, hub.get(path).body)
    if job["containerId"] and job["status"] == "running":
        inspected = hub.engine.inspect(job["containerId"])
        clean("inspect", json.dumps(inspected, ensure_ascii=False).encode())
        assert not [v for v in inspected["Config"]["Env"] if v.startswith(("S=", "KEY="))]


def sealed_rows(hub: Hub) -> int:
    (path,) = [p for p, content in files_of(hub.state_dir) if content[:15] == b"SQLite format 3"]
    # One that stayed open would show what was there when a hub died.
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        tables = [name for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%secret%'")]
        assert tables, "the table of sealed secrets"
        return sum(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables)


def test_a_secret_is_nowhere_while_its_job_waits(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": "unix:///nonexistent.sock"}).start()
    body = {"jobId": "1", "runId": "1", "repository": "a/b", "steps": [{"run": "true"}],
            "secrets": {"S": SECRET, "KEY": LINES}}
    first = hub.post("/api/jobs/delegate", body)
    assert SECRET not in first.text
    job = hub.job(first.data["delegationId"])
    assert sealed_rows(hub) == 1
    assert_hidden(hub, job)
    conflict = hub.post("/api/jobs/delegate", body | {"secrets": {"S": SECRET}})
    assert conflict.status == 409
    hub.kill9()  # what a crash leaves
    for path, content in files_of(hub.dir):
        assert SECRET.encode() not in content, path
    hub.start()
    assert hub.post("/api/jobs/delegate", body).status == 200
    hub.post(f"/api/jobs/{job['id']}/cancel")
    hub.wait_status(job["id"], "cancelled")  # 202 if the hub still looks around
    assert sealed_rows(hub) == 0
    assert_hidden(hub, job)


def test_a_secret_is_nowhere_while_and_after_its_job_runs(hub: Hub) -> None:
    job_id = hub.delegate(['echo "[$S]" "[$KEY]"; echo "A=$S" >> $GITHUB_ENV', "echo ready; sleep 86400"],
                          secrets={"S": SECRET, "KEY": LINES})
    wait_for(lambda: "ready" in hub.logs(job_id))
    job = hub.job(job_id)
    assert job["status"] == "running" and sealed_rows(hub) == 1
    assert_hidden(hub, job)
    hub.post(f"/api/jobs/{job_id}/cancel")
    job = hub.wait_status(job_id, "cancelled")
    assert sealed_rows(hub) == 0
    assert_hidden(hub, job)


def test_the_key_of_the_seal_is_private(hub: Hub) -> None:
    keys = [path for path, _ in files_of(hub.state_dir) if "key" in os.path.basename(path)]
    assert len(keys) == 1 and stat.S_IMODE(os.stat(keys[0]).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(hub.state_dir).st_mode) & 0o077 == 0 or os.geteuid() == 0


def test_another_key_cannot_open_the_seal(make_hub: Callable[..., Hub]) -> None:
    nowhere = "unix:///nonexistent.sock"
    hub = make_hub({"ENCRYPTION_KEY": "a-key-of-the-operator-1", "DOCKER_HOST": nowhere}).start()
    job_id = hub.delegate(["echo $S"], secrets={"S": SECRET})
    hub.terminate()
    done = subprocess.run([hub.binary, "serve"], cwd=hub.dir, capture_output=True, text=True,
                          env=hub.env | {"ENCRYPTION_KEY": "another-key-of-theirs-2"}, check=False)
    assert done.returncode == 1 and "sealed with another key" in done.stderr
    assert "ENCRYPTION_KEY" in done.stderr
    hub.env["DOCKER_HOST"] = hub.engine.host
    hub.start()
    hub.wait_status(job_id, "completed")
    assert hub.logs(job_id) == "***\n"
