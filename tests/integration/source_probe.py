"""Drives build/tests/unit/source_probe: one call of components/ per run."""

import json
import os
import subprocess
from typing import Any

from engine_probe import ProbeError


class SourceProbe:
    def __init__(self, build_dir: str):
        self.path = os.path.join(build_dir, "tests", "unit", "source_probe")
        assert os.access(self.path, os.X_OK), f"{self.path} is not built"

    def __call__(self, *args: str | int, stdin: bytes | Any = b"") -> dict[str, Any]:
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        result = subprocess.run([self.path, *map(str, args)], **given, capture_output=True)
        assert result.returncode in (0, 1), result.stderr or f"ended with {result.returncode}"
        assert result.stdout, result.stderr.decode()[-3000:]
        answer = json.loads(result.stdout)
        if result.returncode == 1:
            raise ProbeError(answer)
        return answer

    def fails(self, *args: str | int, stdin: bytes | Any = b"") -> ProbeError:
        """The error of a call that must fail."""
        try:
            answer = self(*args, stdin=stdin)
        except ProbeError as error:
            return error
        raise AssertionError(f"{args} succeeded: {answer}")
