"""`runnerhub proxy install|status|uninstall` on a runner's directory, and the
runner's update of itself as its updater does it."""

import http.server
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import threading

import pytest

STOCK = b"\x7fELF the runner's own worker, version %s"


class Registry(http.server.ThreadingHTTPServer):
    """The few calls of a hub that are needed here."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str, dict, str]] = []
        self.refuse = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def made(self, method: str) -> list:
        return [call for call in self.calls if call[0] == method]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        if self.path != "/health":
            self.server.calls.append((self.command, self.path, body,
                                      self.headers.get("Authorization") or ""))
        status, reply = 200, {"success": True, "status": "healthy", "data": {
            "id": "runner-7", "token": "rhr_" + "a" * 40}}
        if self.server.refuse:
            status, reply = 403, {"success": False, "error": "not you", "code": "forbidden"}
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def registry():
    server = Registry()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def runner_dir(path) -> str:
    """A configured runner, as far as anybody looks."""
    path.mkdir()
    (path / "bin").mkdir()
    (path / "externals").mkdir()
    (path / "bin" / "Runner.Worker").write_bytes(STOCK % b"1")
    (path / "bin" / "Runner.Worker").chmod(0o751)
    (path / ".runner").write_bytes(b"\xef\xbb\xbf" + json.dumps({
        "agentId": 7, "agentName": "box-7", "poolId": 1, "workFolder": "_work",
        "serverUrl": "https://example.invalid/"}).encode())
    return str(path)


@pytest.fixture
def runner(tmp_path) -> str:
    return runner_dir(tmp_path / "runner")


@pytest.fixture
def cli(runnerhub, build_dir, registry, tmp_path):
    """cli("install", directory, …) runs `runnerhub proxy install …`."""
    def call(command: str, directory: str, *more: str, code: int = 0) -> str:
        options = list(more)
        if command == "install":
            options += ["--worker", f"{build_dir}/src/worker/runnerhub-worker",
                        "--hook", os.path.join(os.path.dirname(__file__),
                                               "../../deploy/hooks/runnerhub-hook.sh")]
        result = subprocess.run(
            [runnerhub, "proxy", command, directory, *options], cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "RUNNERHUB_URL": registry.url,
                 "RUNNERHUB_TOKEN": "admin-token-of-this-test-00000000"},
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + result.stderr
    return call


def snapshot(root: str) -> dict:
    """Everything below root: content, mode, where links point."""
    found = {}
    for top, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(top, name)
            info = os.lstat(path)
            content = None
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, root)] = (stat.S_IMODE(info.st_mode), content)
    return found


def read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def is_relay(runner: str, where: str = "bin") -> bool:
    with open(f"{runner}/{where}/Runner.Worker", "rb") as file:
        return b"the relay in place of Runner.Worker" in file.read()


@pytest.mark.parametrize("mode", ["worker", "hooks", "both"])
@pytest.mark.parametrize("env", [None, b"", b"LANG=C.UTF-8\nA=b\n", b"LANG=C.UTF-8\nA=no end"])
def test_uninstall_leaves_the_directory_as_it_was(cli, runner, registry, mode, env):
    if env is not None:
        with open(f"{runner}/.env", "wb") as file:
            file.write(env)
        os.chmod(f"{runner}/.env", 0o640)
    before = snapshot(runner)
    cli("install", runner, "--mode", mode)
    installed = snapshot(runner)
    assert installed != before
    assert is_relay(runner) == (mode != "hooks")
    cli("install", runner, "--mode", mode)
    assert snapshot(runner) == installed
    assert len(registry.made("POST")) == 1
    assert "all in place" in cli("status", runner)
    cli("uninstall", runner)
    assert snapshot(runner) == before
    assert [path for _, path, _, _ in registry.made("DELETE")] == ["/api/runners/runner-7"]
    assert "nothing to do" in cli("uninstall", runner)


def test_what_install_writes(cli, runner, registry):
    with open(f"{runner}/.env", "w", encoding="ascii") as file:
        file.write("LANG=C.UTF-8")
    cli("install", runner, "--label", "gpu", "--label", "big", "--repository", "octo/x",
        "--image", "local/runner:1")
    _, path, body, token = registry.calls[0]
    assert path == "/api/runners/register"
    assert token == "Bearer admin-token-of-this-test-00000000"
    assert body == {"name": "box-7", "labels": ["gpu", "big"], "repository": "octo/x",
                    "roots": [{"here": f"{runner}/_work", "readOnly": False},
                              {"here": f"{runner}/externals", "readOnly": True}]}
    assert read(runner, ".runnerhub/token") == "rhr_" + "a" * 40
    assert stat.S_IMODE(os.stat(f"{runner}/.runnerhub/token").st_mode) == 0o600
    lines = [line for line in read(runner, ".env").splitlines() if "=" in line]
    assert lines == [
        "LANG=C.UTF-8",
        f"RUNNERHUB_URL={registry.url}",
        f"RUNNERHUB_TOKEN_FILE={runner}/.runnerhub/token",
        "RUNNERHUB_WORKER_IMAGE=local/runner:1",
        f"ACTIONS_RUNNER_HOOK_JOB_STARTED={runner}/.runnerhub/guard.sh"]
    assert "rhr_" not in read(runner, ".env") + read(runner, ".runnerhub/state.json")


def test_hooks_mode_forbids_jobs_without_a_container(cli, runner):
    cli("install", runner, "--mode", "hooks")
    env = read(runner, ".env")
    assert "\nACTIONS_RUNNER_CONTAINER_HOOKS=/" in env
    assert "\nACTIONS_RUNNER_REQUIRE_JOB_CONTAINER=true\n" in env
    cli("install", runner, "--allow-jobs-without-container")
    assert "REQUIRE_JOB_CONTAINER" not in read(runner, ".env")


def test_the_mode_can_be_changed(cli, runner, registry):
    before = snapshot(runner)
    cli("install", runner, "--mode", "both")
    assert is_relay(runner)
    cli("install", runner, "--mode", "hooks")
    assert not is_relay(runner)
    assert not os.path.exists(f"{runner}/.runnerhub/guard.sh")
    cli("install", runner, "--mode", "worker")
    assert is_relay(runner)
    assert "CONTAINER_HOOKS" not in read(runner, ".env")
    assert len(registry.made("POST")) == 1
    cli("uninstall", runner)
    assert snapshot(runner) == before


def test_lines_added_behind_ours_stay(cli, runner):
    with open(f"{runner}/.env", "w", encoding="ascii") as file:
        file.write("A=no end")
    cli("install", runner)
    with open(f"{runner}/.env", "a", encoding="ascii") as file:
        file.write("LATER=1\n")
    cli("install", runner, "--mode", "both")
    cli("uninstall", runner)
    assert read(runner, ".env") == "A=no end\nLATER=1\n"


def update(runner: str, version: str) -> None:
    """What the runner's updater does: directories of the new version beside
    the old ones, then bin and externals become links to them."""
    for name in ("bin", "externals"):
        fresh = f"{runner}/{name}.{version}"
        os.mkdir(fresh)
        if name == "bin":
            with open(f"{fresh}/Runner.Worker", "wb") as file:
                file.write(STOCK % version.encode())
            os.chmod(f"{fresh}/Runner.Worker", 0o751)
        current = f"{runner}/{name}"
        if os.path.islink(current):
            os.unlink(current)
        else:
            os.rename(current, f"{runner}/{name}.1")
        os.symlink(fresh, current)


def run_guard(runner: str) -> subprocess.CompletedProcess:
    """As the runner's own worker does before the first step of a job."""
    [line] = [line for line in read(runner, ".env").splitlines()
              if line.startswith("ACTIONS_RUNNER_HOOK_JOB_STARTED=")]
    return subprocess.run(["bash", "-e", line.split("=", 1)[1]], cwd=runner,
                          env={"PATH": os.environ["PATH"]},
                          capture_output=True, text=True)


def test_an_update_of_the_runner_is_survived(cli, runner, registry):
    cli("install", runner)
    for version in ("2.337.0", "2.338.0"):
        update(runner, version)
        assert not is_relay(runner)
        assert "runner's own" in cli("status", runner, code=1)
        # A job that arrives now is refused by the guard, which heals.
        guard = run_guard(runner)
        assert guard.returncode == 1
        assert "::error::" in guard.stdout and "run the job again" in guard.stdout
        assert is_relay(runner)
        assert "all in place" in cli("status", runner)
        with open(f"{runner}/bin/Runner.Worker.stock", "rb") as file:
            assert file.read() == STOCK % version.encode()
    assert len(registry.made("POST")) == 1
    cli("uninstall", runner)
    assert os.readlink(f"{runner}/bin") == f"{runner}/bin.2.338.0"
    for where, version in (("bin.1", b"1"), ("bin.2.337.0", b"2.337.0"),
                           ("bin.2.338.0", b"2.338.0")):
        with open(f"{runner}/{where}/Runner.Worker", "rb") as file:
            assert file.read() == STOCK % version
        assert os.listdir(f"{runner}/{where}") == ["Runner.Worker"]


def test_an_update_in_place_is_survived(cli, runner):
    cli("install", runner)
    os.unlink(f"{runner}/bin/Runner.Worker")
    with open(f"{runner}/bin/Runner.Worker", "wb") as file:
        file.write(STOCK % b"in place")
    assert run_guard(runner).returncode == 1
    assert is_relay(runner)
    cli("uninstall", runner)
    with open(f"{runner}/bin/Runner.Worker", "rb") as file:
        assert file.read() == STOCK % b"in place"


def test_in_both_modes_the_guard_heals_and_lets_the_hooks_work(cli, runner):
    cli("install", runner, "--mode", "both")
    update(runner, "2.337.0")
    assert run_guard(runner).returncode == 0
    assert is_relay(runner)


def test_another_build_of_the_relay_is_replaced(cli, runner):
    cli("install", runner)
    with open(f"{runner}/bin/Runner.Worker", "ab") as file:
        file.write(b"older")
    assert "another version" in cli("status", runner, code=1)
    cli("install", runner)
    assert "all in place" in cli("status", runner)
    with open(f"{runner}/bin/Runner.Worker.stock", "rb") as file:
        assert file.read() == STOCK % b"1"


@pytest.mark.parametrize("missing, says", [
    (".runner", "run its config.sh first"), ("bin", "no bin/Runner.Worker"),
    ("", "No such file")])
def test_what_is_no_runner_is_refused(cli, runner, registry, missing, says):
    path = os.path.join(runner, missing)
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    before = snapshot(runner)
    for command in ("install", "status", "uninstall"):
        assert says in cli(command, runner, code=1)
    assert snapshot(runner) == before
    assert registry.calls == []


def test_a_refusal_of_the_hub_changes_nothing(cli, runner, registry):
    before = snapshot(runner)
    registry.refuse = True
    assert "not you" in cli("install", runner, code=1)
    assert snapshot(runner) == before


@pytest.fixture
def open_path():
    """A directory that every user can reach."""
    path = tempfile.mkdtemp(prefix="runnerhub-proxy-")
    os.chmod(path, 0o755)
    yield pathlib.Path(path)
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_belong_to_the_runners_user(cli, open_path):
    runner = runner_dir(open_path / "owned")
    for top, folders, files in os.walk(runner):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(top, name), 1001, 1001)
    # A link that a job has planted must not lead root's hand elsewhere.
    victim = open_path / "victim"
    victim.write_text("untouched")
    victim.chmod(0o600)
    os.symlink(victim, f"{runner}/.env.tmp")
    cli("install", runner, code=1)
    assert victim.read_text() == "untouched"
    cli("install", runner)
    for top, folders, files in os.walk(runner):
        for name in folders + files:
            assert os.lstat(os.path.join(top, name)).st_uid == 1001, name


def test_whom_the_runner_trusts_goes_along(cli, runner, tmp_path):
    """With whole paths: the runner starts the relay somewhere else."""
    for name in ("ca.pem", "card.pem", "card.key"):
        (tmp_path / name).write_text("of this test\n")
    cli("install", runner, "--ca-file", "ca.pem", "--client-cert", "card.pem",
        "--client-key", "card.key")
    lines = read(runner, ".env").splitlines()
    assert f"RUNNERHUB_CA_FILE={tmp_path}/ca.pem" in lines
    assert f"RUNNERHUB_CLIENT_CERT={tmp_path}/card.pem" in lines
    assert f"RUNNERHUB_CLIENT_KEY={tmp_path}/card.key" in lines
    cli("install", runner)  # again, as after an update: it stays
    assert f"RUNNERHUB_CA_FILE={tmp_path}/ca.pem" in read(runner, ".env").splitlines()
    assert "No such file" in cli("install", runner, "--ca-file", "missing.pem", code=1)
