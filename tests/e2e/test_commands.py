"""The two commands of the README's first screen, typed as they stand there."""

import json
import os
import subprocess

from hub import wait_for

DELEGATE = ('{"jobId":"test-123","runId":"run-456","repository":"test/repo",'
            '"workflow":"Test Workflow","runnerName":"proxy-test",'
            '"labels":["self-hosted","ubuntu-latest"]}')


def curl(*args: str) -> dict:
    result = subprocess.run(["curl", "-sS", *args], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_health_by_curl(hub):
    def healthy() -> dict | None:
        # It listens before it has met the engine.
        answer = curl(f"http://localhost:{hub.port}/health")
        return answer if answer["status"] == "healthy" else None

    answer = wait_for(healthy, what="the hub is healthy")
    assert answer["checks"] == {"database": "pass", "engine": "pass", "queue": "pass"}


def test_delegation_by_curl(hub):
    answer = curl("-X", "POST", f"http://localhost:{hub.port}/api/jobs/delegate",
                  "-H", "Content-Type: application/json", "-d", DELEGATE)
    assert answer["success"] is True
    assert answer["data"]["status"] == "queued"
    job = curl(f"http://localhost:{hub.port}/api/jobs/{answer['data']['delegationId']}")
    assert job["data"]["repository"] == "test/repo"
    assert job["data"]["jobId"] == "test-123"


def test_delegation_by_the_command_line_ends_with_the_jobs_code(hub, runnerhub):
    env = {**os.environ, "RUNNERHUB_URL": hub.url}
    result = subprocess.run(
        [runnerhub, "job", "delegate", "--repo", "me/mine",
         "--step", "hi: echo hello from a step; exit 7", "--follow"],
        capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)
    assert result.stdout == "hello from a step\n"
    assert result.returncode == 7, result.stderr
