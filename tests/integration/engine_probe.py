"""Drives build/tests/unit/engine_probe: one call of engine.h per run."""

import json
import os
import subprocess
from typing import Any

# Far more than anything here takes; a hang fails the test, a slow machine not.
TIMEOUT_MS = 60_000


class ProbeError(Exception):
    """The call failed: the kind, code and words of its struct err."""

    def __init__(self, answer: dict[str, Any]):
        error = answer["error"]
        super().__init__(f"{error['kind']} {error['code']}: {error['msg']}")
        self.kind: str = error["kind"]
        self.code: str = error["code"]
        self.msg: str = error["msg"]
        self.answer = answer


class Probe:
    def __init__(self, build_dir: str, host: str):
        self.path = os.path.join(build_dir, "tests", "unit", "engine_probe")
        assert os.access(self.path, os.X_OK), f"{self.path} is not built"
        self.host = host

    def argv(self, *args: str, timeout_ms: int = TIMEOUT_MS) -> list[str]:
        return [self.path, "-t", str(timeout_ms), self.host, *args]

    def __call__(self, *args: str | int, timeout_ms: int = TIMEOUT_MS) -> dict[str, Any]:
        result = subprocess.run(self.argv(*map(str, args), timeout_ms=timeout_ms),
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert result.returncode in (0, 1), result.stderr or f"ended with {result.returncode}"
        answer = json.loads(result.stdout)
        if result.returncode == 1:
            raise ProbeError(answer)
        return answer

    def create(self, **spec: Any) -> str:
        return self("create", json.dumps(spec))["id"]

    def fails(self, *args: str | int, timeout_ms: int = TIMEOUT_MS) -> ProbeError:
        """The error of a call that must fail."""
        try:
            answer = self(*args, timeout_ms=timeout_ms)
        except ProbeError as error:
            return error
        raise AssertionError(f"{args} succeeded: {answer}")
