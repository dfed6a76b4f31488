"""`runnerhub secret rotate`: another key for the store, dying at every moment of
it, and what a wrong key is told."""

import os
import pty
import shutil
import sqlite3
import subprocess
from typing import Callable

import pytest

import fault_points
from hub import Hub, wait_for

NOWHERE = "unix:///nonexistent/engine.sock"
OLD = "the key that was used until now"
NEW = "the key that comes after the old"
API_KEY = "a-key-of-the-tests-0123456789"
AUTH = {"Authorization": f"Bearer {API_KEY}"}
VALUE = "correct-horse-battery-staple"
NAMED = 40  # more than one transaction seals anew


class Kept:
    """A stopped hub's state with all that hangs on its key, to be copied."""

    def __init__(self, hub: Hub):
        self.hub = hub
        hub.start()
        for n in range(NAMED):
            assert hub.request("PUT", f"/api/secrets/NAME_{n}", {"value": VALUE},
                               headers=AUTH).status == 200
        self.job = hub.delegate(['test "$S" = ' + VALUE + " && echo same"],
                                headers=AUTH, secrets={"S": VALUE})
        made = hub.post("/api/runners/register", {"name": "one"}, headers=AUTH)
        self.runner = made.data["token"]
        hub.terminate()

    def copy_to(self, other: Hub) -> None:
        shutil.copytree(self.hub.state_dir, other.state_dir, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("api", "*.lock", "lock"))


@pytest.fixture(scope="module")
def kept(make_module_hub: Callable[..., Hub]) -> dict[str, Kept]:
    common = {"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": API_KEY}
    return {"text": Kept(make_module_hub({**common, "ENCRYPTION_KEY": OLD})),
            "file": Kept(make_module_hub(common))}


@pytest.fixture
def hub(make_hub: Callable[..., Hub]) -> Hub:
    return make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": API_KEY})


def rotate(hub: Hub, form: str, *args: str, fault: str = "") -> subprocess.CompletedProcess:
    keys = {"ENCRYPTION_KEY": NEW, "ENCRYPTION_KEY_OLD": OLD} if form == "text" else {}
    return subprocess.run([hub.binary, "secret", "rotate", *args], cwd=hub.dir, text=True,
                          env={**hub.env, **keys, "RUNNERHUB_FAULT": fault},
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)


def check_all(hub: Hub, kept: Kept) -> None:
    """On a started hub: nothing was lost, and nothing waits."""
    names = hub.get("/api/secrets?limit=1000", headers=AUTH).data
    assert len(names) == NAMED
    assert hub.job(kept.job, AUTH)["status"] in ("queued", "pending")
    as_runner = {"Authorization": f"Bearer {kept.runner}"}
    assert hub.get("/api/runners/self", headers=as_runner).status == 200
    assert hub.get("/api/audit/verify", headers=AUTH).data["intact"] is True
    assert "does not open" not in hub.log()
    with sqlite3.connect(f"file:{hub.state_dir}/runnerhub.db?mode=ro", uri=True) as db:
        newest, = db.execute("SELECT max(id) FROM seal_keys WHERE purpose = 'data'").fetchone()
        keys = db.execute("SELECT count(*) FROM seal_keys WHERE purpose = 'data'").fetchone()
        assert keys == (1,)
        for table in ("named_secrets", "job_secrets", "store_keys"):
            for sealed, in db.execute(f"SELECT sealed FROM {table}"):
                assert sealed[:5] == b"\2" + newest.to_bytes(4, "big"), table


def with_new_key(hub: Hub, form: str) -> Hub:
    if form == "text":
        hub.env["ENCRYPTION_KEY"] = NEW
    return hub.start()


@pytest.mark.parametrize("form", ["text", "file"])
def test_a_job_gets_its_secret_after_the_change(hub: Hub, kept: dict[str, Kept],
                                                form: str) -> None:
    kept[form].copy_to(hub)
    before = set(os.listdir(hub.state_dir))
    done = rotate(hub, form)
    assert done.returncode == 0, done.stderr
    assert f"{NAMED + 2} rows sealed anew" in done.stdout  # a job's, the log's end
    assert not [name for name in set(os.listdir(hub.state_dir)) - before if "key" in name]
    with_new_key(hub, form)
    check_all(hub, kept[form])
    rows = hub.get("/api/audit?action=secret.rotate", headers=AUTH).data
    assert [(row["actor"], row["result"]) for row in rows] == [("local", "ok")]
    hub.terminate()
    hub.env["DOCKER_HOST"] = hub.engine.host
    hub.start()
    hub.wait_status(kept[form].job, "completed", headers=AUTH)


CASES = [(form, point, n) for form, points in fault_points.ROTATION.items()
         for point, passages in points.items() for n in passages]


@pytest.mark.parametrize("form,point,passage", CASES)
def test_dying_in_the_middle_loses_nothing(hub: Hub, kept: dict[str, Kept], form: str,
                                           point: str, passage: int) -> None:
    kept[form].copy_to(hub)
    died = rotate(hub, form, fault=f"{point}:{passage}")
    assert died.returncode == -9, died.stdout + died.stderr
    done = rotate(hub, form)
    if done.returncode != 0:  # it had been done but for the last word
        assert form == "text" and "opens the store already" in done.stderr
    with_new_key(hub, form)
    check_all(hub, kept[form])


@pytest.mark.parametrize("form,point", [("text", "rotate_changed"), ("text", "rotate_batch"),
                                        ("file", "rotate_changed"), ("file", "rotate_batch"),
                                        ("file", "rotate_key_named")])
def test_the_hub_itself_finishes_it(hub: Hub, kept: dict[str, Kept], form: str,
                                    point: str) -> None:
    kept[form].copy_to(hub)
    assert rotate(hub, form, fault=f"{point}:1").returncode == -9
    with_new_key(hub, form)
    check_all(hub, kept[form])
    assert [name for name in os.listdir(hub.state_dir) if name.endswith(".new")] == []


@pytest.mark.parametrize("form,point", [("text", "rotate_before_commit"),
                                        ("file", "rotate_key_written"),
                                        ("file", "rotate_before_commit")])
def test_before_the_moment_the_old_key_holds(hub: Hub, kept: dict[str, Kept], form: str,
                                             point: str) -> None:
    kept[form].copy_to(hub)
    assert rotate(hub, form, fault=f"{point}:1").returncode == -9
    if form == "text":
        hub.env["ENCRYPTION_KEY"] = OLD
    hub.start()
    check_all(hub, kept[form])


def refused(hub: Hub, **env: str) -> str:
    done = subprocess.run([hub.binary, "serve"], cwd=hub.dir, env={**hub.env, **env},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_a_wrong_key_is_told_which_one_fits(hub: Hub, kept: dict[str, Kept]) -> None:
    kept["text"].copy_to(hub)
    said = refused(hub, ENCRYPTION_KEY=NEW, ENCRYPTION_KEY_OLD=OLD)
    assert "ENCRYPTION_KEY does not open it, but ENCRYPTION_KEY_OLD opens it" in said
    assert "secret rotate" in said
    assert "encryption.key is not there" in refused(hub)
    assert "used before" in refused(hub, ENCRYPTION_KEY="no key of anybody at all")
    for word in (OLD, NEW):
        assert word not in said
    assert os.path.exists(os.path.join(hub.state_dir, "encryption.key")) is False


def test_a_file_that_fits_is_told(hub: Hub, kept: dict[str, Kept]) -> None:
    kept["file"].copy_to(hub)
    said = refused(hub, ENCRYPTION_KEY=NEW)
    assert f"but the key file {hub.state_dir}/encryption.key opens it" in said


def test_the_old_key_is_asked_for(hub: Hub, kept: dict[str, Kept]) -> None:
    kept["text"].copy_to(hub)
    ours, theirs = pty.openpty()
    with subprocess.Popen([hub.binary, "secret", "rotate"], cwd=hub.dir, stdin=theirs,
                          env={**hub.env, "ENCRYPTION_KEY": NEW}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as command:
        os.close(theirs)
        said = ""
        while not said.endswith("(not shown): "):
            said += command.stdout.read(1)
        os.write(ours, OLD.encode() + b"\n")
        said += command.stdout.read()
    os.close(ours)
    assert command.returncode == 0, said
    assert "The ENCRYPTION_KEY used until now (not shown)" in said and OLD not in said


def test_the_old_key_may_come_from_a_file(hub: Hub, kept: dict[str, Kept]) -> None:
    kept["text"].copy_to(hub)
    path = os.path.join(hub.dir, "old")
    with open(path, "w", encoding="utf-8") as file:
        file.write(OLD + "\n")
    done = subprocess.run([hub.binary, "secret", "rotate", "--encryption-key-old-file", path], cwd=hub.dir,
                          env={**hub.env, "ENCRYPTION_KEY": NEW}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    hub.env["ENCRYPTION_KEY"] = NEW
    check_all(hub.start(), kept["text"])


def test_beside_a_running_hub_it_is_refused(hub: Hub) -> None:
    hub.start()
    done = rotate(hub, "file")
    assert done.returncode == 1 and "stop the hub first" in done.stderr


def test_a_lost_key_is_given_up_on_purpose_only(hub: Hub, kept: dict[str, Kept]) -> None:
    kept["text"].copy_to(hub)
    hub.env["ENCRYPTION_KEY"] = NEW
    assert rotate(hub, "file").returncode == 1
    done = rotate(hub, "file", "--give-up")
    assert done.returncode == 0, done.stderr
    hub.start()
    assert hub.get("/api/secrets", headers=AUTH).data == []
    as_runner = {"Authorization": f"Bearer {kept['text'].runner}"}
    assert hub.get("/api/runners/self", headers=as_runner).status == 401
    assert hub.get("/api/audit/verify", headers=AUTH).data["intact"] is True
    wait_for(lambda: hub.get("/api/audit?action=secret.rotate", headers=AUTH).data,
             what="the row of the rotation")
