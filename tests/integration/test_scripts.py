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
