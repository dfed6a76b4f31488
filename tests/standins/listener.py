#!/usr/bin/python3
"""A stand-in for a runner's listener: starts the worker of a runner's
directory with two pipes and sends it messages.

As a program: listener.py ROOT MESSAGE_FILE sends the file's bytes, prints the
worker's pid and waits for it: for tests in which the listener itself dies.
"""

import os
import subprocess
import sys
from typing import Any, IO

import frames


class Listener:
    def __init__(self, root: str, env: dict[str, str], output: IO[bytes] | int):
        read_end, self.pipe = os.pipe()
        self.back, write_end = os.pipe()
        binary = os.path.join(root, "bin", "Runner.Worker")
        self.worker = subprocess.Popen(
            [binary, "spawnclient", str(read_end), str(write_end)],
            pass_fds=(read_end, write_end), cwd=os.path.join(root, "bin"), env=env,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        os.close(read_end)
        os.close(write_end)

    def send_raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.pipe, view[:65536]):]

    def send(self, kind: int, text: str | bytes = "") -> None:
        self.send_raw(frames.frame(kind, text))

    def send_job(self, message: dict[str, Any]) -> None:
        self.send(frames.JOB, frames.text(message))

    def hang_up(self) -> None:
        """Closes the pipe, which is to mean nothing."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def wait(self, timeout: float = 120) -> int:
        return self.worker.wait(timeout)

    def close(self) -> None:
        if self.worker.poll() is None:
            self.worker.kill()
            self.worker.wait()
        self.hang_up()
        if self.back >= 0:
            os.close(self.back)
            self.back = -1


def main() -> int:
    root, message = sys.argv[1:]
    listener = Listener(root, dict(os.environ), sys.stderr.fileno())
    with open(message, "rb") as file:
        listener.send_raw(file.read())
    print(listener.worker.pid, flush=True)
    return listener.wait(600)


if __name__ == "__main__":
    sys.exit(main())
