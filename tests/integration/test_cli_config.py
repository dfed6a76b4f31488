"""The command line without a hub: settings, help, completion, man page."""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import Callable

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def run(runnerhub: str, tmp_path) -> Run:
    """run("config", PORT="1") in an empty directory with only these variables."""
    def call(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in
                ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "GCOV_PREFIX")
                if name in os.environ}
        return subprocess.run([runnerhub, *args], cwd=tmp_path, input=stdin,
                              env={**kept, "HOME": str(tmp_path), **env},
                              capture_output=True, text=True, timeout=120)
    return call


def commands(run: Run) -> list[str]:
    """The names of all commands, from the overview."""
    rows = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= )",
                      run("--help").stdout.split("First steps")[0], re.M)
    assert {"job list", "runner list", "component validate", "serve",
            "completion"} <= set(rows)
    return rows


# -- settings ---------------------------------------------------------------

def test_config_names_the_source_of_each_value(run: Run, tmp_path) -> None:
    (tmp_path / "hub.yml").write_text("http:\n  workers: 3\njobs:\n  pids: 99\n")
    (tmp_path / ".env").write_text("# mine\nRUNNERHUB_CONFIG=hub.yml\nLOG_LEVEL=warn\n")
    shown = run("config", "--json", "--port=3009", RUNNER_PIDS_LIMIT="77")
    assert shown.returncode == 0, shown.stderr
    rows = {row["name"]: row for row in json.loads(shown.stdout)}
    assert (rows["http.workers"]["value"], rows["http.workers"]["where"]) == (3, "hub.yml:2")
    assert (rows["log.level"]["value"], rows["log.level"]["where"]) == ("warn", ".env:3")
    assert (rows["http.port"]["value"], rows["http.port"]["where"]) == (3009, "flag --port")
    assert rows["jobs.pids"]["value"] == 77
    assert rows["jobs.pids"]["where"] == "environment variable RUNNER_PIDS_LIMIT"
    assert (rows["jobs.cpus"]["source"], rows["jobs.cpus"]["value"]) == ("default", 2.0)
    assert (rows["jobs.timeout"]["value"], rows["jobs.timeout"]["unit"]) == (
        3600000, "milliseconds")


def test_config_never_shows_a_secret(run: Run, tmp_path) -> None:
    (tmp_path / "key").write_text("hunter2-from-a-file\n")
    env = {"ENCRYPTION_KEY": "hunter2-hunter2-hunter2", "JWT_SECRET": "hunter2-hunter2-hunter2",
           "GITHUB_TOKEN": "hunter2", "VAULT_TOKEN": "hunter2",
           "DATABASE_URL": "postgres://me:hunter2@db/hub",
           "RUNNERHUB_API_KEY_FILE": "key"}
    for form in ([], ["--json"]):
        shown = run("config", *form, **env)
        assert shown.returncode == 0, shown.stderr
        assert "hunter2" not in shown.stdout + shown.stderr
        assert "(set)" in shown.stdout


def test_config_warns_of_features_to_come(run: Run) -> None:
    shown = run("config", REDIS_URL="redis://x", RUNNER_POOL_MAX="4")
    assert "redis.url" in shown.stderr and "does not exist yet" in shown.stderr
    assert re.search(r"runners\.poolMax +4 .*not used yet", shown.stdout)


@pytest.mark.parametrize("args, env, message", [
    ([], {"PORT": "abc"},
     'environment variable PORT: http.port: "abc" is not accepted, '
     "expected a whole number from 0 to 65535"),
    (["--log-level", "inof"], {},
     'flag --log-level: log.level: "inof" is not accepted, expected debug, '
     'info, warn or error; did you mean "info"?'),
    (["--config", "missing.yml"], {},
     "configuration file: open missing.yml: No such file or directory"),
])
def test_a_wrong_value_is_one_line(run: Run, args: list[str], env: dict, message: str) -> None:
    for command in ("config", "serve"):
        shown = run(command, *args, **env)
        assert shown.returncode == 2
        assert shown.stderr == f"runnerhub: {message}\n"
        assert shown.stdout == ""


def test_a_mistyped_variable_is_mentioned(run: Run) -> None:
    shown = run("config", RUNNERHUB_LISTN="::1")
    assert shown.returncode == 0
    assert shown.stderr == ("runnerhub: warning: environment variable RUNNERHUB_LISTN "
                            "is not known; did you mean RUNNERHUB_LISTEN?\n")


def test_config_check_says_whether_serve_would_start(run: Run) -> None:
    assert run("config", "--check").returncode == 0
    shown = run("config", "--check", "--listen=0.0.0.0")
    assert shown.returncode == 1
    assert "set RUNNERHUB_API_KEY" in shown.stderr
    shown = run("config", "--check", RUNNERHUB_ENV="production",
                JWT_SECRET="changeme-changeme-changeme")
    assert shown.returncode == 1
    assert "JWT_SECRET" in shown.stderr and "changeme" not in shown.stderr
    for command in (("config", "--check"), ("serve",)):
        shown = run(*command, RUNNERHUB_SESSION_ALLOW="devices,privilege")
        assert shown.returncode == 1, shown
        assert 'RUNNERHUB_SESSION_ALLOW names "privilege"' in shown.stderr
    for root in ("/srv/hub/state", "/srv", "/srv/hub/state/spool"):
        shown = run("config", "--check", RUNNERHUB_STATE_DIR="/srv/hub/state",
                    RUNNERHUB_WORK_ROOTS=f"/srv/hub/work,{root}")
        assert shown.returncode == 1 and f"{root} would show" in shown.stderr, shown
    assert run("config", "--check", RUNNERHUB_STATE_DIR="/srv/hub/state",
               RUNNERHUB_WORK_ROOTS="/srv/hub/work").returncode == 0


# -- the command line itself --------------------------------------------------

@pytest.mark.parametrize("args, message", [
    (["job", "lst"], 'runnerhub: unknown command "job lst"; did you mean "job list"?\n'),
    (["srve"], 'runnerhub: unknown command "srve"; did you mean "serve"?\n'),
    (["frobnicate"], 'runnerhub: unknown command "frobnicate"; see runnerhub --help\n'),
    (["job", "list", "--limt", "3"],
     "runnerhub job list: unknown option --limt; did you mean --limit?\n"
     "See: runnerhub job list --help\n"),
    (["job", "show"], "runnerhub job show: expected ID\nSee: runnerhub job show --help\n"),
    (["job", "show", "a", "b"],
     'runnerhub job show: unexpected argument "b"\nSee: runnerhub job show --help\n'),
    (["job", "list", "--limit"],
     "runnerhub job list: option --limit needs a value: N\nSee: runnerhub job list --help\n"),
    (["config", "--prot", "5"],
     "runnerhub config: unknown option --prot; did you mean --port?\n"
     "See: runnerhub config --help\n"),
    (["completion", "tcsh"],
     'runnerhub completion: "tcsh" is not known here, expected bash, zsh or fish\n'
     "See: runnerhub completion --help\n"),
    (["job", "delegate"],
     "runnerhub job delegate: expected --step 'command', --file job.yaml or --session\n"
     "See: runnerhub job delegate --help\n"),
    (["job", "delegate", "--step", "x", "--secret", "A=b"],
     "runnerhub job delegate: --secret: expected NAME (its value is taken from the "
     "environment) or NAME=@file\nSee: runnerhub job delegate --help\n"),
])
def test_a_usage_error_names_what_was_meant(run: Run, args: list[str], message: str) -> None:
    shown = run(*args)
    assert (shown.returncode, shown.stdout, shown.stderr) == (2, "", message)


def test_every_command_has_help(run: Run) -> None:
    for name in commands(run):
        shown = run(*name.split(), "--help")
        assert shown.returncode == 0, name
        assert shown.stdout.startswith(f"Usage: runnerhub {name} [OPTIONS]")
        assert run("help", *name.split()).stdout == shown.stdout


def test_without_arguments_the_overview_is_an_error(run: Run) -> None:
    shown = run()
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == run("--help").stdout
    assert run("job").returncode == 2
    assert run("job", "--help").returncode == 0


def test_version(run: Run) -> None:
    version = json.loads(run("version", "--json").stdout)["version"]
    assert run("--version").stdout == f"runnerhub {version}\n"


def test_without_a_hub_the_exit_code_is_3(run: Run) -> None:
    for args in (["job", "list"], ["health"], ["events"], ["job", "cancel", "x"],
                 ["job", "delegate", "--step", "true"]):
        # port 1 is nobody's: a connection is refused at once
        shown = run(*args, "--url", "http://127.0.0.1:1")
        assert shown.returncode == 3, args
        assert "http://127.0.0.1:1 " in shown.stderr
        assert "runnerhub serve" in shown.stderr and "RUNNERHUB_URL" in shown.stderr


# -- generated texts -----------------------------------------------------------

def test_committed_documents_are_what_the_program_prints(runnerhub: str) -> None:
    tool = os.path.join(ROOT, "tools", "generate-docs")
    checked = subprocess.run([sys.executable, tool, runnerhub, "--check"],
                             capture_output=True, text=True, timeout=120)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_man_page_names_every_command_and_option(run: Run) -> None:
    page = run("help", "--man").stdout.replace("\\-", "-")
    for name in commands(run):
        assert f'.SS "runnerhub {name} [OPTIONS]' in page
        for option in re.findall(r"--([a-z-]+)", run(*name.split(), "--help").stdout):
            assert f"--{option}" in page, (name, option)


def test_bash_completes_commands_options_and_values(run: Run, tmp_path) -> None:
    script = tmp_path / "completion"
    script.write_text(run("completion", "bash").stdout + """
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _runnerhub; echo "${COMPREPLY[*]}"; }
ask runnerhub ""
ask runnerhub job ""
ask runnerhub job list --st
ask runnerhub job list --status co
ask runnerhub serve --log-level ""
ask runnerhub completion ""
ask runnerhub serve --api
""")
    shown = subprocess.run(["bash", "--norc", script], capture_output=True,
                           text=True, timeout=60)
    assert shown.stderr == ""
    words = [line.split() for line in shown.stdout.splitlines()]
    assert {"serve", "job", "doctor", "completion"} <= set(words[0])
    assert words[1] == ["delegate", "list", "show", "logs", "wait", "cancel", "retry"]
    assert words[2:6] == [["--status"], ["completed"],
                          ["debug", "info", "warn", "error"],
                          ["bash", "zsh", "fish", "--help", "-h"]]
    assert words[6] == ["--api-key-file"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_every_option(run: Run, shell: str, tmp_path) -> None:
    script = run("completion", shell).stdout
    form = {"bash": "--{}", "zsh": "*--{}[", "fish": "-l {} "}[shell]
    for name in commands(run):
        for option in re.findall(r"^ +(?:-., )?--([a-z-]+)",
                                 run(*name.split(), "--help").stdout, re.M):
            assert form.format(option) in script, (name, option)
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(script)
        checked = subprocess.run([shell, "-n", str(path)], capture_output=True,
                                 text=True, timeout=60)
        assert (checked.returncode, checked.stderr) == (0, "")


# -- doctor ----------------------------------------------------------------------

def diagnose(run: Run, *args: str, **env: str) -> tuple[int, dict[str, dict]]:
    # no engine and no hub: what is looked at is this machine
    env = {"DOCKER_HOST": "/nowhere/docker.sock",
           "RUNNERHUB_URL": "http://127.0.0.1:1", **env}
    shown = run("doctor", "--json", *args, **env)
    report = json.loads(shown.stdout)
    assert report["ok"] == (shown.returncode == 0)
    return shown.returncode, {c["name"]: c for c in report["checks"]}


def test_doctor_says_what_to_do_about_a_missing_engine(run: Run, tmp_path) -> None:
    code, checks = diagnose(run, RUNNERHUB_STATE_DIR=str(tmp_path / "a" / "state"))
    assert code == 1
    assert checks["engine"]["verdict"] == "fail"
    assert "/nowhere/docker.sock is not there" in checks["engine"]["advice"]
    assert checks["image"]["verdict"] == "skip"
    assert checks["state directory"]["verdict"] == "ok"
    assert checks["hub"]["verdict"] == "skip"
    assert not (tmp_path / "a").exists(), "the doctor left a directory"


def test_doctor_reports_a_wrong_setting_as_a_finding(run: Run) -> None:
    code, checks = diagnose(run, PORT="abc")
    assert code == 1
    assert checks["configuration"]["verdict"] == "fail"
    assert '"abc" is not accepted' in checks["configuration"]["text"]
    assert checks["disk"]["verdict"] == "skip"


def test_doctor_sees_an_open_address_and_a_full_disk(run: Run, tmp_path) -> None:
    code, checks = diagnose(run, RUNNERHUB_LISTEN="0.0.0.0",
                            RUNNERHUB_DISK_RESERVE="1t",
                            RUNNERHUB_STATE_DIR=str(tmp_path))
    assert code == 1
    assert checks["access"]["verdict"] == "fail"
    assert "RUNNERHUB_API_KEY" in checks["access"]["text"]
    assert checks["disk"]["verdict"] == "fail"
    assert "disk.reserve" in checks["disk"]["advice"]


def test_doctor_sees_a_state_directory_that_is_none(run: Run) -> None:
    code, checks = diagnose(run, RUNNERHUB_STATE_DIR="/proc/nothing")
    assert code == 1
    assert checks["state directory"]["verdict"] == "fail"
    assert "RUNNERHUB_STATE_DIR" in checks["state directory"]["advice"]


def test_doctor_sees_a_store_that_is_none(run: Run, tmp_path) -> None:
    (tmp_path / "runnerhub.db").write_text("this is no database, whatever it says\n" * 50)
    code, checks = diagnose(run, RUNNERHUB_STATE_DIR=str(tmp_path))
    assert code == 1
    assert checks["store"]["verdict"] == "fail"
    assert "TROUBLESHOOTING" in checks["store"]["advice"]


def test_doctor_looks_at_the_real_engine(run: Run, engine, image: str, tmp_path) -> None:
    shown = run("doctor", "--json", DOCKER_HOST=engine.host, RUNNER_IMAGE=image,
                RUNNERHUB_STATE_DIR=str(tmp_path), RUNNERHUB_URL="http://127.0.0.1:1")
    checks = {c["name"]: c for c in json.loads(shown.stdout)["checks"]}
    for name in ("engine", "engine limits", "clock", "image"):
        assert checks[name]["verdict"] == "ok", checks[name]
    # warn: this host lets jobs reach its services, which is said
    assert checks["sandbox"]["verdict"] in ("ok", "warn"), checks["sandbox"]
    assert "a container started in" in checks["sandbox"]["text"]
    assert list(tmp_path.iterdir()) == []
