"""What a job may consist of: steps, shells, variables, images, exit codes."""

import os
import uuid
from typing import Callable

import pytest

from hub import Hub


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNER_MEMORY_MB": "128"}).start()


def passes(hub: Hub, *steps: dict | str, **fields: object) -> str:
    """Runs it to its good end; its log."""
    job_id = hub.delegate(list(steps), **fields)
    job = hub.wait_end(job_id)
    log = hub.logs(job_id)
    assert job["status"] == "completed", f"{job['error']}\n{log}"
    return log


def fails(hub: Hub, *steps: dict | str, **fields: object) -> dict:
    return hub.wait_status(hub.delegate(list(steps), **fields), "failed")


# -- steps ---------------------------------------------------------------------------

def test_a_script_and_a_command(hub: Hub) -> None:
    log = passes(hub, {"run": "echo one\necho two >&2\n"}, {"command": ["echo", "$HOME", "a  b"]})
    assert log == "one\ntwo\n$HOME a  b\n"


def test_steps_share_the_workspace(hub: Hub) -> None:
    log = passes(hub, 'test "$PWD" = "$GITHUB_WORKSPACE"; echo made > file; mkdir -p sub/dir',
                 {"run": "pwd; cat ../../file", "workingDirectory": "sub/dir"},
                 {"run": "pwd", "workingDirectory": "/tmp"})
    assert log.split("\n")[0].endswith("/sub/dir") and log.split("\n")[1:] == ["made", "/tmp", ""]


def test_a_working_directory_that_is_missing(hub: Hub) -> None:
    job = fails(hub, {"run": "true", "workingDirectory": "no/such"})
    assert "no/such" in job["error"] and job["steps"][0]["status"] == "failed"


@pytest.mark.parametrize("script", ["false; echo on", "false | true; echo on"])
def test_the_default_shell_stops_at_the_first_error(hub: Hub, script: str) -> None:
    job = fails(hub, script)
    assert job["exitCode"] == 1 and hub.logs(job["id"]) == ""


def test_the_default_shell_is_bash_where_there_is_one(hub: Hub) -> None:
    assert passes(hub, 'echo "${BASH_VERSION:+bash}"') == "bash\n"


def test_a_named_shell(hub: Hub) -> None:
    log = passes(hub, {"run": 'echo "x${BASH_VERSION}"', "shell": "sh -e"},
                 {"run": "BEGIN { print 6 * 7 }", "shell": "awk -f {0}"})
    assert log == "x\n42\n"
    job = fails(hub, {"run": "true", "shell": "no-such-shell"})
    assert job["exitCode"] == 127 and "no-such-shell" in job["error"]


def test_conditions_and_errors_that_are_passed_over(hub: Hub) -> None:
    job = fails(hub, {"name": "tolerated", "run": "exit 4", "continueOnError": True},
                {"name": "on-failure-early", "run": "echo early", "if": "failure"},
                {"name": "breaks", "run": "exit 3"}, {"name": "skipped", "run": "echo skipped"},
                {"name": "on-failure", "run": "echo failure", "if": "failure"},
                {"name": "always", "run": "echo always", "if": "always"},
                {"name": "late", "run": "exit 9", "if": "always"})
    steps = {step["name"]: (step["status"], step["exitCode"]) for step in job["steps"]}
    assert steps == {"tolerated": ("failed", 4), "on-failure-early": ("skipped", None),
                     "breaks": ("failed", 3), "skipped": ("skipped", None),
                     "on-failure": ("completed", 0), "always": ("completed", 0),
                     "late": ("failed", 9)}
    assert job["exitCode"] == 3 and "breaks" in job["error"]
    assert hub.logs(job["id"]) == "failure\nalways\n"


def test_a_tolerated_error_leaves_the_job_good(hub: Hub) -> None:
    passes(hub, {"run": "exit 4", "continueOnError": True}, "true")


def test_a_thousand_steps(hub: Hub) -> None:
    log = passes(hub, *[{"command": ["echo", str(n)]} for n in range(1000)])
    assert log == "".join(f"{n}\n" for n in range(1000))


# -- exit codes ------------------------------------------------------------------------

@pytest.mark.parametrize("step, code, words", [
    ("exit 7", 7, "code 7"), ("exit 255", 255, "code 255"),
    ({"command": ["sh", "-c", "kill -9 $$"]}, 137, "signal 9"),
    ({"command": ["sh", "-c", "kill -TERM $$"]}, 143, "signal 15"),
    ({"command": ["no-such-command"]}, 127, "no-such-command"),
    ({"command": ["/etc/passwd"]}, 126, "/etc/passwd"), ("no-such-command", 127, "code 127"),
    ({"command": ["/etc"]}, 126, "/etc")])
def test_an_exit_code_is_told(hub: Hub, step: dict | str, code: int, words: str) -> None:
    job = fails(hub, step)
    assert job["exitCode"] == code and job["steps"][0]["exitCode"] == code
    assert words in job["error"], job["error"]


# -- variables --------------------------------------------------------------------------

def variables(log: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in log.splitlines() if "=" in line)


def test_variables_of_the_delegation(hub: Hub) -> None:
    found = variables(passes(
        hub, "env", jobId="build", runId="99", repository="octo/cat", attempt=3,
        workflow="Nightly Build", runnerName="proxy-9", sha="f00d", ref="refs/heads/topic/x",
        eventName="push", actor="ada"))
    expected = {
        "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/cat",
        "GITHUB_REPOSITORY_OWNER": "octo", "GITHUB_RUN_ID": "99", "GITHUB_RUN_ATTEMPT": "3",
        "GITHUB_JOB": "build", "GITHUB_WORKFLOW": "Nightly Build", "GITHUB_SHA": "f00d",
        "GITHUB_REF": "refs/heads/topic/x", "GITHUB_REF_NAME": "topic/x",
        "GITHUB_REF_TYPE": "branch", "GITHUB_EVENT_NAME": "push", "GITHUB_ACTOR": "ada",
        "RUNNER_OS": "Linux", "RUNNER_NAME": "proxy-9", "RUNNER_ENVIRONMENT": "self-hosted"}
    assert {name: found.get(name) for name in expected} == expected
    assert found["RUNNER_ARCH"] in ("X64", "ARM64")
    assert found["HOME"] == "/root" and "RUNNER_DEBUG" not in found
    assert found["GITHUB_WORKSPACE"] and found["RUNNER_TEMP"]


def test_what_is_not_given_is_not_set(hub: Hub) -> None:
    found = variables(passes(hub, "env"))
    for name in ("GITHUB_SHA", "GITHUB_REF", "GITHUB_ACTOR", "GITHUB_WORKFLOW"):
        assert name not in found
    assert not [name for name in found if name.startswith("RUNNERHUB_API")]


def test_variables_of_job_and_step(hub: Hub) -> None:
    log = passes(hub, {"run": 'echo "$A $B"', "env": {"B": "step"}}, 'echo "$A $B"',
                 {"run": 'printf %s "$ODD"', "env": {"ODD": 'a\nb "c" $d ü\t'}},
                 env={"A": "job", "B": "job", "EMPTY": ""})
    assert log == 'job step\njob job\na\nb "c" $d ü\t'


def test_files_that_carry_to_later_steps(hub: Hub) -> None:
    log = passes(hub, """
        mkdir -p bin; printf '#!/bin/sh\\necho from-path\\n' > bin/tool; chmod +x bin/tool
        echo "$PWD/bin" >> $GITHUB_PATH
        echo ONE=1 >> $GITHUB_ENV
        printf 'MANY<<END\\nline 1\\nline 2\\nEND\\n' >> $GITHUB_ENV
        echo "${ONE-unset}" """,
                 'tool; echo "$ONE"; echo "$MANY"', {"run": 'echo "$ONE"', "env": {"ONE": "own"}})
    assert log == "unset\nfrom-path\n1\nline 1\nline 2\nown\n"


def test_outputs_and_summary_are_shown(hub: Hub) -> None:
    job_id = hub.delegate([
        {"run": 'echo "a=1" >> $GITHUB_OUTPUT; printf "b<<E\\nx\\ny\\nE\\n" >> $GITHUB_OUTPUT'},
        {"run": 'echo "# Title" >> $GITHUB_STEP_SUMMARY'},
        {"run": 'echo "a=3" >> $GITHUB_OUTPUT; echo "more ü" >> $GITHUB_STEP_SUMMARY'}])
    job = hub.wait_status(job_id, "completed")
    assert job["steps"][0]["outputs"] == {"a": "1", "b": "x\ny"}
    assert "outputs" not in job["steps"][1] and job["steps"][2]["outputs"] == {"a": "3"}
    assert job["summary"] == "# Title\nmore ü\n"
    assert hub.logs(job_id) == ""


def test_a_file_that_makes_no_sense_is_noted(hub: Hub) -> None:
    job_id = hub.delegate(['echo "no equals" >> $GITHUB_ENV; echo "PATH_=x" >> $GITHUB_ENV',
                           'echo "$PATH_"'])
    hub.wait_status(job_id, "completed")
    assert hub.logs(job_id) == "x\n"
    entries = hub.get(f"/api/jobs/{job_id}/logs?format=json").data["entries"]
    notes = [e["note"] for e in entries if e["kind"] == "note"]
    assert len(notes) == 1 and "GITHUB_ENV line 1" in notes[0]


# -- images ---------------------------------------------------------------------------------

def test_the_user_of_the_image(hub: Hub, runner_image: str) -> None:
    log = passes(hub, 'id -u; id -g; echo "$HOME"; touch file "$HOME/mine"; ls -ln file'
                 " | awk '{print $3}'", image=runner_image)
    assert log == "1001\n1001\n/home/runner\n1001\n"
    assert passes(hub, "id -u") == "0\n"


def test_which_image(make_hub: Callable[..., Hub], image: str, runner_image: str) -> None:
    hub = make_hub()
    path = os.path.join(hub.dir, "hub.yml")
    with open(path, "w", encoding="utf-8") as config:
        config.write(f"routes:\n  - labels: [special, linux]\n    image: {runner_image}\n")
    hub.env["RUNNERHUB_CONFIG"] = path
    hub.start()

    def image_of(**fields: object) -> str:
        job = hub.wait_status(hub.delegate(["true"], **fields), "completed")
        inspected = [line for line in hub.log().splitlines()
                     if job["id"] in line and 'msg="job starting"' in line]
        assert f"image={job['image']}" in inspected[0]
        return job["image"] + " " + inspected[0].split("image_from=")[1].split()[0]

    assert image_of() == f"{image} default"
    assert image_of(labels=["linux"]) == f"{image} default"
    assert image_of(labels=["linux", "big", "special"]) == f"{runner_image} route"
    assert image_of(labels=["special", "linux"], image=image) == f"{image} request"


# -- debugging ----------------------------------------------------------------------------------

def test_step_debug_reaches_the_job(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"ACTIONS_STEP_DEBUG": "true"}).start()
    found = variables(passes(hub, "env"))
    assert found["ACTIONS_STEP_DEBUG"] == "true" and found["RUNNER_DEBUG"] == "1"


def test_debug_level_tells_how_a_job_went(hub: Hub) -> None:
    job_id = hub.delegate(["true", {"command": ["sh", "-c", "exit 2"]}], env={"A": "not-told"})
    hub.wait_status(job_id, "failed")
    lines = "\n".join(line for line in hub.log().splitlines()
                      if f"job={job_id}" in line and "level=debug" in line)
    for words in ('msg="job starting"', "image_from=default", f"memory_bytes={128 << 20}",
                  'msg="job running"', "sandbox=cold", "prepared_ms=", 'msg="step sent"',
                  "kind=script", "kind=command", 'msg="step ended"', "step=2 code=2", "ran_ms="):
        assert words in lines, f"{words}\n{lines}"
    assert "not-told" not in hub.log()


def test_info_level_stays_short(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"LOG_LEVEL": "info"}).start()
    name = str(uuid.uuid4())
    job_id = hub.delegate(["true"], runId=name)
    hub.wait_status(job_id, "completed")
    assert "level=debug" not in hub.log() and f"job={job_id}" in hub.log()
