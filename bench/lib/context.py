"""What a measure gets to work with, and the rows that it gives back."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# The engine's API and a hub of one's own: the tests have both.
sys.path.append(os.path.join(ROOT, "tests", "integration"))

from engine_api import Engine  # noqa: E402
from hub import Hub  # noqa: E402

from lib.process import Missing  # noqa: E402

IMAGE = "runnerhub/bench:latest"


@dataclass
class Row:
    """One figure of ours beside a peer or floor, from the same run."""
    measure: str
    what: str
    unit: str
    ours: float
    beside: str | None = None  # what stands beside it
    other: float | None = None
    aim: str | None = None
    note: str | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.other if self.other else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], p: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(p * (len(ordered) - 1)))]


@dataclass
class Context:
    build: str
    quick: bool
    dir: str = field(default_factory=lambda: tempfile.mkdtemp(prefix="runnerhub-bench-"))
    versions: dict[str, str] = field(default_factory=dict)
    _engine: Engine | None = None
    _engine_started: bool = False

    def close(self) -> None:
        """Leaves the engine as it was."""
        if self._engine is not None:
            self._script("image", "rm", IMAGE)
        if self._engine_started:
            self._script("engine", "stop")

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    # -- what is measured ------------------------------------------------------
    @property
    def runnerhub(self) -> str:
        path = os.path.join(self.build, "src", "cmd", "runnerhub")
        if not os.access(path, os.X_OK):
            raise Missing(f"{path} is not built: run make")
        return path

    def hub(self, **env: str) -> Hub:
        """A hub of this measure; use it in a with statement and start it.

        Its settings are the defaults but for what a measurement must fix:
        the image, no rate limit, a log that says what an operator sees.
        """
        settings = {"LOG_LEVEL": "info", "RUNNERHUB_QUEUE_MAX": "10000000", **env}
        return Hub(self.runnerhub, self.engine, IMAGE, settings)

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine_started = self._script("engine", "ensure") == "started"
            self._script("image", "--user", "root", IMAGE)
            self._engine = Engine()
            self.versions["engine"] = self._engine.call("GET", "/version")["Version"]
        return self._engine

    def _script(self, name: str, *args: str) -> str:
        result = subprocess.run([os.path.join(ROOT, "scripts", name), *args],
                                capture_output=True, text=True)
        if result.returncode != 0:
            raise Missing(f"scripts/{name} {' '.join(args)}: {result.stderr.strip()}")
        return result.stdout.strip()

    # -- load ------------------------------------------------------------------
    def load_program(self) -> str:
        program = os.path.join(self.dir, "load")
        if not os.path.exists(program):
            subprocess.run(["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-o", program,
                            os.path.join(ROOT, "bench", "load.c")], check=True)
        return program

    def load(self, port: int, path: str, connections: int, seconds: float,
             body: str | None = None, first: int = 0, warmup: float = 1, header: str = "",
             rate: float = 0) -> dict[str, Any]:
        """Every answer must be a good one."""
        with self.load_beside(port, path, connections, seconds, body, first, warmup, header,
                              rate) as load:
            out, problem = load.communicate()
        if load.returncode != 0:
            raise RuntimeError(problem.strip())
        answer = json.loads(out)
        if answer["status_other"] or not answer["status_2xx"]:
            raise RuntimeError(f"the server refused requests: {answer}")
        return answer

    def load_beside(self, port: int, path: str, connections: int, seconds: float,
                    body: str | None = None, first: int = 0, warmup: float = 1,
                    header: str = "", rate: float = 0) -> subprocess.Popen[str]:
        """The same, while the caller goes on; its figures stand on its stdout."""
        command = [self.load_program(), "-c", str(connections), "-t", str(seconds),
                   "-w", str(warmup), "-p", str(port), "-n", str(first), "-r", str(rate),
                   "-H", header]
        if body is not None:
            file = os.path.join(self.dir, "body")
            with open(file, "w", encoding="utf-8") as out:
                out.write(body)
            command += ["-m", "POST", "-b", file]
        return subprocess.Popen([*command, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)
