"""Processes that a measurement starts: each is stopped by its own id."""

import os
import shutil
import socket
import subprocess
import time
from typing import Callable


class Missing(Exception):
    """Something that a measurement needs is not here; the text says what."""


def need(program: str, hint: str = "run scripts/setup bench") -> str:
    path = shutil.which(program)
    if path is None:
        raise Missing(f"{program} is not installed: {hint}")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.02)


def port_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def stop(process: subprocess.Popen | None, timeout: float = 60) -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            direct = [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []
    return direct + [grandchild for child in direct for grandchild in children(child)]


def memory_kb(pid: int) -> dict[str, int]:
    """Rss, Pss and Private (clean and dirty) of one process."""
    found = {"Rss": 0, "Pss": 0, "Private": 0}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                found[name] = int(rest.split()[0])
            elif name in ("Private_Clean", "Private_Dirty"):
                found["Private"] += int(rest.split()[0])
    return found


def memory_of_tree_kb(pid: int) -> dict[str, int]:
    total = {"Rss": 0, "Pss": 0, "Private": 0}
    for one in [pid, *children(pid)]:
        for name, value in memory_kb(one).items():
            total[name] += value
    return total


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
