"""Jobs of a stock runner, in each of the ways in which it delegates one, for
tests in which something breaks underneath: a step that says how often it
began, and what the runner was told in the end."""

import os
import threading
from dataclasses import dataclass
from typing import Any, Callable

from cable import Cable
from engine_api import Engine, EngineError
from hook_runner import Answer, Call, Runner, ThroughHub, mount
from hub import FINAL, Hub, wait_for
from session_driver import made_for

LINES = 20000  # of output on each side of a step's wait


class CabledHub(ThroughHub):
    """The hub as a hook reaches it through a cable."""

    def __init__(self, hub: Hub, cable: Cable):
        super().__init__(hub)
        self.cable = cable

    def join(self, runner: Runner) -> dict[str, str]:
        return {**super().join(runner), "RUNNERHUB_URL": self.cable.url}


class EngineCable:
    """The machine's engine, with a cable between it and the hub."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.cable = Cable(engine.host.removeprefix("unix://"))

    def restart(self, hub: Hub, keep: bool = False) -> None:
        """Gone, and back; unless `keep` the containers have ended with it."""
        self.cable.cut()
        if not keep:
            for container in hub.containers():
                self._end(container["Id"])
        self.cable.mend()

    def _end(self, container: str) -> None:
        try:
            self.engine.kill(container)
        except EngineError as error:
            assert error.status in (404, 409), error  # ended by itself, or gone


def noisy(begun: str, go: str, last: str) -> str:
    """A script that counts its beginnings in a file, prints much, waits for
    another file and prints much again."""
    return (f"echo x >>{begun}; seq {LINES}; until [ -e {go} ]; do sleep 0.05; done; "
            f"seq {LINES}; {last}")


NOISE = "".join(f"{n}\n" for n in range(1, LINES + 1)) * 2


@dataclass
class Told:
    """What the runner saw of a step."""
    code: int
    output: str


class Step:
    """A hook's step that runs until let_go(); what it prints is read all the
    time, for a hook that nobody reads waits."""

    def __init__(self, runner: Runner, call: Call, begun: str):
        self.runner, self.call, self.begun = runner, call, begun
        self.answer: Answer | None = None
        self.output = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.call.process.stdout is not None
        while piece := self.call.process.stdout.read1(1 << 16):
            self.output += piece

    def wait_begun(self) -> "Step":
        def begun() -> bool:
            assert self.reader.is_alive() or os.path.exists(self.begun), self.output
            return os.path.exists(self.begun)
        wait_for(begun, what="the step begins")
        return self

    def let_go(self) -> None:
        with open(f"{self.runner.temp}/go", "w", encoding="utf-8"):
            pass

    def end(self) -> Told:
        self.reader.join(240)
        assert not self.reader.is_alive(), "the hook has not ended"
        code = self.call.process.wait(60)
        self.call.process.stdout.close()
        os.unlink(self.call.response)
        return Told(code, self.output.decode())

    @property
    def count(self) -> int:
        with open(self.begun, encoding="utf-8") as file:
            return len(file.read().split())


def script_step(runner: Runner, image: str, last: str = "exit 9") -> Step:
    """In the job's container."""
    call = runner.start("run_script_step", runner.script(
        noisy("/__w/_temp/begun", "/__w/_temp/go", last)))
    return Step(runner, call, f"{runner.temp}/begun")


def container_step(runner: Runner, image: str, last: str = "exit 9") -> Step:
    """In a container of its own."""
    with open(f"{runner.temp}/step.sh", "w", encoding="utf-8") as file:
        file.write(noisy("/t/begun", "/t/go", last))
    call = runner.start("run_container_step", runner.container(
        image, workingDirectory=None, entryPoint="sh", entryPointArgs=["/t/step.sh"],
        systemMountVolumes=[mount(runner.temp, "/t")]))
    return Step(runner, call, f"{runner.temp}/begun")


STEPS: list[Callable[..., Step]] = [script_step, container_step]


def service(runner: Runner, image: str, script: str = "sleep 600",
            options: str | None = None) -> dict[str, Any]:
    return runner.container(image, systemMountVolumes=[mount(runner.temp, "/t")],
                            workingDirectory=None, entryPoint="sh", createOptions=options,
                            entryPointArgs=["-c", f"'{script}'"])


HEALTH = "--health-interval 100ms --health-retries 1000 --health-cmd "


def slow_service(runner: Runner, image: str) -> dict[str, Any]:
    """Healthy once make_ready was called."""
    return service(runner, image, options=HEALTH + "'test -e /t/ready'")


def make_ready(runner: Runner) -> None:
    with open(f"{runner.temp}/ready", "w", encoding="utf-8"):
        pass


def await_health(call: Call) -> None:
    """prepare_job has come to wait for the health of services."""
    while "to be healthy" not in (line := call.read_line()):
        assert line, "it ended"


def sessions(runner: Runner) -> list[dict[str, Any]]:
    return runner.backend.sessions(runner)


def check_ended(runner: Runner, *codes: str | None) -> dict[str, Any]:
    """The newest session has ended, with one of these codes, and all that was
    made for it is gone."""
    hub: Hub = runner.backend.hub
    job = wait_for(lambda: (j := sessions(runner)[0])["status"] in FINAL and j,
                   what="the session's end")
    job = hub.job(job["id"])
    assert not codes or job["code"] in codes, job
    check_nothing_made(hub.engine, job["id"])
    return job


def check_nothing_made(engine: Engine, job: str) -> None:
    def gone() -> bool:
        return not any(made_for(engine, job).values())
    try:
        wait_for(gone, 60, "the session's things are gone")
    except AssertionError as problem:
        raise AssertionError(f"left: {made_for(engine, job)}") from problem
