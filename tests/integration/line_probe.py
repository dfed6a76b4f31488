"""Drives a probe of build/tests/unit that keeps one thing open: a call per line,
its words divided by tabs, and a line of JSON in answer."""

import json
import os
import subprocess
from typing import Any

from engine_probe import ProbeError


class LineProbe:
    def __init__(self, build_dir: str, name: str, *args: Any,
                 env: dict[str, str] | None = None):
        path = os.path.join(build_dir, "tests", "unit", name)
        assert os.access(path, os.X_OK), f"{path} is not built"
        self._process = subprocess.Popen(
            [path, *map(str, args)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
        try:
            self._answer()
        except BaseException:
            self._process.communicate()
            raise

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        assert line, f"the probe ended with {self._process.wait()}"
        answer = json.loads(line)
        if "error" in answer:
            raise ProbeError(answer)
        return answer

    def __call__(self, *words: str | int) -> dict[str, Any]:
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def fails(self, *words: str | int) -> ProbeError:
        """The error of a call that must fail."""
        try:
            answer = self(*words)
        except ProbeError as error:
            return error
        raise AssertionError(f"{words} succeeded: {answer}")

    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Its leaks and crashes are told here."""
        self._process.stdin.close()
        status = self._process.wait()
        self._process.stdout.close()
        assert status == 0, f"the probe ended with {status}"
