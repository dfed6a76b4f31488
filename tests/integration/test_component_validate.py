"""`runnerhub component validate`: what the hub would say to a descriptor."""

import json
import os
import re
import subprocess
from typing import Callable

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

GOOD = """\
runner:
  type: docker
  dockerfile: docker/Dockerfile
  ports: [8080, "9090:90/udp"]
  build:
    context: web
"""

Validate = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def validate(runnerhub: str, tmp_path) -> Validate:
    """Runs it beside a component in ./app, which has all that GOOD names."""
    app = tmp_path / "app"
    (app / "docker").mkdir(parents=True)
    (app / "docker" / "Dockerfile").write_text("FROM scratch\n")
    (app / "web").mkdir()
    (app / ".runner").mkdir()
    (app / ".runner" / "config.yml").write_text(GOOD)

    def call(*args: str, cwd: str = ".") -> subprocess.CompletedProcess:
        return subprocess.run([runnerhub, "component", "validate", *args],
                              cwd=tmp_path / cwd, capture_output=True,
                              text=True, timeout=120)
    return call


def write(tmp_path, text: str) -> None:
    (tmp_path / "app" / ".runner" / "config.yml").write_text(text)


def test_a_good_one(validate: Validate) -> None:
    shown = validate("app/")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == ("app/.runner/config.yml: good: docker/Dockerfile, "
                            "port 8080, 90/udp\n")
    assert validate(cwd="app").stdout.startswith(".runner/config.yml: good")
    shown = validate("app", "--json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout) == {
        "file": "app/.runner/config.yml", "valid": True, "errors": 0,
        "warnings": 0, "problems": []}


def test_every_problem_has_its_place(validate: Validate, tmp_path) -> None:
    write(tmp_path, "runner:\n  type: podman\n  dockerfile: /Dockerfile\n"
                    "  ports: [80, 80]\n  prots: []\n")
    shown = validate("app")
    assert (shown.returncode, shown.stderr) == (1, "")
    assert shown.stdout == (
        'app/.runner/config.yml:2:9: runner.type: "podman" is not accepted, '
        "expected docker\n"
        'app/.runner/config.yml:3:15: runner.dockerfile: "/Dockerfile": it must '
        "be relative to the directory of the component\n"
        "app/.runner/config.yml:4:15: runner.ports[1]: port 80 of the host "
        "stands in the list already\n"
        'app/.runner/config.yml:5:3: warning: runner: key "prots" is not known '
        'and not used; did you mean "ports"?\n')
    shown = validate("app", "--json")
    assert shown.returncode == 1
    report = json.loads(shown.stdout)
    assert (report["valid"], report["errors"], report["warnings"]) == (False, 3, 1)
    assert report["problems"][0] == {
        "line": 2, "column": 9, "severity": "error",
        "text": 'runner.type: "podman" is not accepted, expected docker'}
    assert report["problems"][3]["severity"] == "warning"


def test_a_warning_is_no_failure(validate: Validate, tmp_path) -> None:
    write(tmp_path, GOOD + "  env: {}\n")
    shown = validate("app")
    assert shown.returncode == 0
    first, second = shown.stdout.splitlines()
    assert first.endswith('did you mean "environment"?')
    assert ": good: " in second


def test_a_page_of_problems_says_how_many_more(validate: Validate, tmp_path) -> None:
    write(tmp_path, GOOD + "  environment:\n" +
          "".join(f"    {n}: x\n" for n in range(200)))
    shown = validate("app")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert len(lines) == 101
    assert lines[-1] == "app/.runner/config.yml: and 100 more"


# -- what the descriptor names ----------------------------------------------

def test_dockerfile_and_context_are_there(validate: Validate, tmp_path) -> None:
    app = tmp_path / "app"
    (app / "docker" / "Dockerfile").unlink()
    (app / "web").rmdir()
    (app / "web").write_text("a file")
    shown = validate("app")
    assert shown.returncode == 1
    assert shown.stdout == (
        'app/.runner/config.yml:3:15: runner.dockerfile: "docker/Dockerfile" '
        "does not exist in the directory of the component\n"
        'app/.runner/config.yml:6:14: runner.build.context: "web" is no directory\n')
    (app / "docker" / "Dockerfile").mkdir()
    assert '"docker/Dockerfile" is no file' in validate("app").stdout


@pytest.mark.parametrize("target", ["/etc/hostname", "../../outside", "../../../x"])
def test_a_link_out_is_refused(validate: Validate, tmp_path, target: str) -> None:
    (tmp_path / "outside").write_text("FROM scratch\n")
    dockerfile = tmp_path / "app" / "docker" / "Dockerfile"
    dockerfile.unlink()
    dockerfile.symlink_to(target)
    shown = validate("app")
    assert shown.returncode == 1
    assert "leads out of the directory of the component" in shown.stdout


def test_a_directory_that_is_a_link_out_is_refused(validate: Validate, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "app" / "web").rmdir()
    (tmp_path / "app" / "web").symlink_to("../elsewhere")
    shown = validate("app")
    assert shown.returncode == 1
    assert ('runner.build.context: "web" leads out of the directory of the '
            "component") in shown.stdout


def test_links_within_and_to_themselves(validate: Validate, tmp_path) -> None:
    app = tmp_path / "app"
    (app / "docker" / "Dockerfile").rename(app / "real")
    (app / "docker" / "Dockerfile").symlink_to("../real")
    assert validate("app").returncode == 0
    (app / "real").unlink()
    (app / "real").symlink_to("real")
    shown = validate("app")
    assert shown.returncode == 1
    assert "is a link that leads to itself" in shown.stdout


# -- the file itself --------------------------------------------------------

def test_another_file(validate: Validate, tmp_path) -> None:
    (tmp_path / "app" / "run.yml").write_text(GOOD + "  ttl: soon\n")
    shown = validate("--file", "run.yml", "app")
    assert shown.returncode == 1
    assert shown.stdout.startswith("app/run.yml:7:8: runner.ttl: ")


@pytest.mark.parametrize("args, message", [
    (["nowhere"], "open the directory nowhere: No such file or directory"),
    (["app/real"], "open the directory app/real: No such file or directory"),
    (["app", "-f", "missing.yml"],
     "missing.yml does not exist in the directory of the component: it says how "
     "the component is built and run"),
    (["app", "-f", "web"], "web is no file"),
    (["app", "-f", "/etc/passwd"], "/etc/passwd leads out of the directory of the "
     "component: a link must stay within it"),
    (["app", "-f", "../app/.runner/config.yml"], "../app/.runner/config.yml leads "
     "out of the directory of the component: a link must stay within it"),
])
def test_no_file_to_look_at(validate: Validate, args: list[str], message: str) -> None:
    shown = validate(*args)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == f"runnerhub: {message}\n"


def test_a_fifo_does_not_hold_it_up(validate: Validate, tmp_path) -> None:
    config = tmp_path / "app" / ".runner" / "config.yml"
    config.unlink()
    os.mkfifo(config)
    shown = validate("app")
    assert shown.returncode == 1
    assert shown.stderr == "runnerhub: .runner/config.yml is no file\n"


def test_a_file_that_is_too_large(validate: Validate, tmp_path) -> None:
    write(tmp_path, "#" * (256 * 1024))
    assert "the file is empty" in validate("app").stdout
    write(tmp_path, "#" * (256 * 1024 + 1))
    shown = validate("app")
    assert shown.returncode == 1
    assert shown.stdout == ("app/.runner/config.yml: the file is larger than "
                            "256 KiB\n")


def test_wrong_usage(validate: Validate) -> None:
    shown = validate("app", "web")
    assert shown.returncode == 2
    assert 'unexpected argument "web"' in shown.stderr
    shown = validate("--fil", "x")
    assert shown.returncode == 2
    assert "did you mean --file?" in shown.stderr


# -- docs/COMPONENTS.md -----------------------------------------------------

def test_the_reference_is_true(validate: Validate, tmp_path) -> None:
    """Its examples are good, and its table has every key and no other."""
    with open(os.path.join(ROOT, "docs", "COMPONENTS.md"), encoding="utf-8") as file:
        text = file.read()
    text = re.search(r"^## The descriptor.*?(?=^## )", text, re.M | re.S)[0]
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S)
                if block.startswith("runner:")]
    assert len(examples) == 2
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch\n")
    for example in examples:
        write(tmp_path, example)
        shown = validate("app")
        assert (shown.returncode, len(shown.stdout.splitlines())) == (0, 1), shown.stdout
    write(tmp_path, GOOD + "    zzzzzzzz: 1\n  zzzzzzzz: 1\n"
                           "  healthCheck: {zzzzzzzz: 1}\n  resources: {zzzzzzzz: 1}\n")
    known = set()
    for group, keys in re.findall(r"warning: runner(\S*): key .* known: (.*)",
                                  validate("app").stdout):
        known |= {f"{group}.{key}"[1:] for key in keys.split(", ")}
    documented = set(re.findall(r"^\| `([\w.]+)` \|", text, re.M))
    assert {"type", "healthCheck.retries", "build.args"} <= known
    assert documented == known - {"build", "resources"}
