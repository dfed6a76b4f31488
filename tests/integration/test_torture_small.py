"""A few kills of `make torture`: that the torture itself works."""

import os
import subprocess
import sys

from fixtures import ROOT


def test_a_few_kills_under_load(build_dir: str, image: str) -> None:
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests", "torture", "torture.py"),
         "--kills", "15", "--seed", "15"], capture_output=True, text=True, timeout=900,
        env={**os.environ, "RUNNERHUB_BUILD": build_dir})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 kills, " in done.stdout.splitlines()[-1], done.stdout
    assert "none lost, none run twice" in done.stdout.splitlines()[-1], done.stdout
