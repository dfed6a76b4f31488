"""The scripts behind the make targets: what they promise on a machine that
has everything, and how they refuse."""

import os
import subprocess
import uuid

import pytest

from fixtures import ROOT


def script(*command: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run([os.path.join(ROOT, "scripts", command[0]), *command[1:]],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env})


@pytest.fixture
def image_name(engine):
    name = f"runnerhub/test-script-{uuid.uuid4().hex[:8]}:latest"
    yield name
    script("image", "rm", name)


def test_setup_says_what_is_missing_without_installing(tmp_path):
    # A PATH with nothing of the set in it, but the tools of the script itself.
    for tool in ("sh", "sed", "sort", "tr", "cat", "ldd", "ls"):
        os.symlink(f"/usr/bin/{tool}", tmp_path / tool)
    result = script("setup", "--check", "build", PATH=str(tmp_path))
    assert result.returncode == 1
    assert "missing:" in result.stderr and "meson" in result.stderr
    assert "run: scripts/setup build" in result.stderr


def test_setup_refuses_an_unknown_set():
    result = script("setup", "everything")
    assert result.returncode != 0
    assert "unknown set 'everything': one of build, demo, test, bench, all" in result.stderr


def test_engine_that_answers_is_left_alone(engine):
    result = script("engine", "ensure")
    assert (result.returncode, result.stdout) == (0, "running\n")


def test_engine_is_not_started_beside_another(engine, tmp_path):
    """Two engines on one data directory would wreck it."""
    if engine.host != "unix:///var/run/docker.sock":
        pytest.skip("the engine of this run is not the default one")
    result = script("engine", "ensure", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert result.returncode == 1
    assert "unset DOCKER_HOST" in result.stderr


def test_image_is_made_once(engine, image_name):
    assert script("image", image_name).stdout == "made\n"
    first = engine.call("GET", f"/images/{image_name}/json")["Id"]
    assert script("image", image_name).stdout == "kept\n"
    assert engine.call("GET", f"/images/{image_name}/json")["Id"] == first


def test_image_with_another_user_is_another_image(engine, image_name):
    script("image", "--user", "runner", image_name)
    assert script("image", "--user", "root", image_name).stdout == "made\n"
    config = engine.call("GET", f"/images/{image_name}/json")["Config"]
    assert config["User"] == "root"


def test_image_is_removed(engine, image_name):
    script("image", image_name)
    assert script("image", "rm", image_name).returncode == 0
    assert image_name not in str(engine.call("GET", "/images/json"))
    # Removing what is not there is fine.
    assert script("image", "rm", image_name).returncode == 0


def test_demo_needs_a_built_program():
    result = script("demo", "/nonexistent/runnerhub")
    assert result.returncode == 1
    assert "run make" in result.stderr


def test_a_job_goes_through_the_whole_chain(runnerhub, engine):
    """As on a fresh machine: with a hub of its own, which is gone afterwards."""
    before = {c["Id"] for c in engine.containers()}
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith("RUNNERHUB_")}
    result = subprocess.run(
        [os.path.join(ROOT, "scripts", "test-job-delegation.sh")], text=True, timeout=300,
        capture_output=True, stdin=subprocess.DEVNULL, env={**clean, "RUNNERHUB": runnerhub})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "exit code 7" in result.stdout and "The chain works" in result.stdout
    mine = [c for c in engine.containers() if c["Id"] not in before
            and "delegation" in str(c["Mounts"])]
    assert mine == []


def test_a_chain_without_a_hub_is_told(runnerhub):
    result = script("test-job-delegation.sh", "--what", RUNNERHUB=runnerhub)
    assert result.returncode == 1 and "unknown option --what" in result.stderr
    assert "--image" in script("test-job-delegation.sh", "--help").stdout


def test_a_proxy_runner_is_registered(runnerhub, hub, tmp_path):
    runner = tmp_path / "runner"
    runner.mkdir()
    (runner / "run.sh").write_text("#!/bin/sh\n")
    (runner / "run.sh").chmod(0o755)
    env = {"RUNNERHUB": runnerhub, "RUNNERHUB_URL": hub.url}
    result = script("register-proxy-runner.sh", "my-vm", "--dir", str(runner), "--label",
                    "linux", "--root", "/opt/tools", **env)
    assert result.returncode == 0, result.stderr
    token = (runner / ".runnerhub-token").read_text().strip()
    assert token.startswith("rhr_") and token not in result.stdout
    shown = hub.get("/api/runners/self", headers={"Authorization": f"Bearer {token}"}).data
    assert shown["name"] == "my-vm" and shown["labels"] == ["linux"]
    assert {root["here"] for root in shown["roots"]} == {
        "/opt/tools", f"{runner}/_work", f"{runner}/externals"}
    again = script("register-proxy-runner.sh", "my-vm", **env)
    assert again.returncode != 0 and "my-vm already" in again.stderr
    assert script("register-proxy-runner.sh").returncode == 2
    assert "--token-file" in script("register-proxy-runner.sh", "--help").stdout
    nowhere = script("register-proxy-runner.sh", "x", "--dir", str(tmp_path), **env)
    assert nowhere.returncode != 0 and "run.sh" in nowhere.stderr


INSTALLED = {
    "bin/runnerhub", "bin/runnerhub-hook", "bin/runnerhub-worker", "bin/runnerhub-hook.sh",
    "bin/runnerhub-hook-tls", "bin/runnerhub-worker-tls",
    "bin/runnerhub-job-started.sh", "bin/runnerhub-job-completed.sh",
    "lib/systemd/system/runnerhub.service", "lib/systemd/system/runnerhub-proxy@.service",
    "share/man/man1/runnerhub.1", "share/bash-completion/completions/runnerhub",
    "share/zsh/site-functions/_runnerhub", "share/fish/vendor_completions.d/runnerhub.fish"}


def files_below(top) -> set[str]:
    return {os.path.relpath(os.path.join(folder, name), top)
            for folder, _, names in os.walk(top) for name in names}


def install(build_dir: str, *options: str, **env: str) -> None:
    subprocess.run([os.path.join(ROOT, "deploy", "install"), *options, build_dir],
                   env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)


def test_install_puts_everything_in_place_and_takes_it_away(build_dir, tmp_path):
    where = {"DESTDIR": str(tmp_path), "PREFIX": "/opt/hub"}
    install(build_dir, **where)
    assert files_below(tmp_path / "opt/hub") == INSTALLED
    unit = tmp_path / "opt/hub/lib/systemd/system/runnerhub-proxy@.service"
    assert "ExecStart=/opt/hub/bin/runnerhub proxy run" in unit.read_text()
    (tmp_path / "opt/hub/bin/mine").write_text("somebody else's")
    install(build_dir, "--remove", **where)
    assert files_below(tmp_path) == {"opt/hub/bin/mine"}


def test_meson_installs_the_same(build_dir, tmp_path):
    subprocess.run(["meson", "install", "--no-rebuild", "-C", build_dir], check=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    assert files_below(tmp_path / "usr/local") == INSTALLED
