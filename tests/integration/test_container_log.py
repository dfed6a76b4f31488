"""A component's log is read from the engine's, which keeps only the end of a
long one: a reader that comes back goes on by time. Nothing comes twice, and
what is missing is what the engine has dropped meanwhile."""

import os
import re
import subprocess
import uuid
from typing import Iterator

import pytest

from engine_api import Engine, EngineError
from hub import wait_for

SECRET = "a-secret-in-the-log"
LONG = 50_000


class Reader:
    """The probe, its spool, and the container that it reads."""

    def __init__(self, probe: str, engine: Engine, image: str, directory: str):
        self.probe = probe
        self.engine = engine
        self.image = image
        self.id = str(uuid.uuid4())
        self.dir = directory
        self.container = ""
        self.process: subprocess.Popen | None = None

    def run(self, script: str, log: dict[str, str]) -> None:
        self.container = self.engine.call("POST", "/containers/create", {
            "Image": self.image, "Labels": {"runnerhub.test.log": self.id},
            "Entrypoint": ["sh", "-c", script],
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": log}}})["Id"]
        self.engine.call("POST", f"/containers/{self.container}/start")

    def touch(self, path: str) -> None:
        made = self.engine.call("POST", f"/containers/{self.container}/exec",
                                {"Cmd": ["touch", path]})
        self.engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})

    def start(self) -> None:
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([self.probe, self.engine.host, self.dir, self.id,
                                         self.container, SECRET])

    def kill9(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ends(self) -> None:
        assert self.process is not None and self.process.wait(120) == 0

    def text(self) -> str:
        for place, _, names in os.walk(self.dir):
            if self.id + ".log" in names:
                with open(os.path.join(place, self.id + ".log"), encoding="utf-8") as log:
                    return log.read()
        return ""

    def has(self, path: str) -> bool:
        try:
            self.engine.call("GET", f"/containers/{self.container}/archive",
                             query={"path": path})
        except EngineError:
            return False
        return True

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill9()
        if self.container:
            self.engine.remove(self.container)


@pytest.fixture
def reader(build_dir: str, engine: Engine, image: str, tmp_path: object) -> Iterator[Reader]:
    one = Reader(os.path.join(build_dir, "tests", "unit", "output_probe"), engine, image,
                 str(tmp_path))
    yield one
    one.close()


def numbers(text: str, stream: str) -> list[int]:
    """Of its lines. One may stand behind what the other stream has not ended."""
    return [int(n) for n in re.findall(stream + r" (\d+)\n", text)]


COUNT = """\
count() { i=$1; while [ $i -lt $2 ]; do i=$((i + 1)); echo "out $i"; echo "err $i" >&2; done; }
wait_for() { while [ ! -e $1 ]; do sleep 0.05; done; }
"""


def test_nothing_twice_when_the_engine_drops_the_beginning(reader: Reader) -> None:
    reader.run(COUNT + "count 0 300 2>&-; wait_for /go1; count 300 5000 2>&-; touch /said; "
               "wait_for /go2; count 5000 5300 2>&-", {"max-size": "40k", "max-file": "2"})
    reader.start()
    wait_for(lambda: numbers(reader.text(), "out")[-1:] == [300], 60, "the first part is read")
    reader.kill9()
    reader.touch("/go1")
    wait_for(lambda: reader.has("/said"), 60, "much was said meanwhile")
    reader.start()
    wait_for(lambda: numbers(reader.text(), "out")[-1:] == [5000], 60, "it has caught up")
    reader.touch("/go2")
    reader.ends()
    found = numbers(reader.text(), "out")
    assert found[:300] == list(range(1, 301)), found
    rest = found[300:]
    assert rest == list(range(rest[0], 5301)), "one gap, and no more"
    assert 301 < rest[0] < 5000, "the engine had dropped some"


def test_a_reader_that_dies_often_misses_nothing(reader: Reader) -> None:
    long = f"head -c {LONG} /dev/zero | tr '\\0' x; echo; "
    reader.run(COUNT + f"count 0 2000; {long} echo the {SECRET} is masked; count 2000 4000; "
               "printf no-end", {})
    for lines in (1, 400, 1500, 2500):
        reader.start()
        wait_for(lambda n=lines: len(numbers(reader.text(), "out")) >= n, 60, "it reads")
        reader.kill9()
    reader.start()
    reader.ends()
    text = reader.text()
    for stream in ("out", "err"):
        assert numbers(text, stream) == list(range(1, 4001))
    assert text.count("\n") == 2 * 4000 + 2
    said = re.sub(r"err \d+\n", "", text)
    assert "x" * LONG + "\n" in said and text.count("x") == LONG
    assert "the *** is masked\n" in said and SECRET not in text
    assert text.count("no-end") == 1
