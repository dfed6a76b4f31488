"""Archives and directories of strangers: what is unpacked of them, and where."""

import gzip
import io
import os
import stat
import subprocess
import tarfile
import zlib
from pathlib import Path
from typing import Any, Callable

import pytest

from engine_probe import ProbeError
from source_probe import SourceProbe

TOP = "acme-app-0123456/"


@pytest.fixture(scope="module")
def probe(build_dir: str) -> SourceProbe:
    return SourceProbe(build_dir)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where it is unpacked; beside it lies what must stay as it is."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "secret").write_text("untouched")
    (tmp_path / "place").mkdir()
    yield tmp_path / "place"
    assert sorted(os.listdir(tmp_path)) == ["beside", "place"]
    assert os.listdir(tmp_path / "beside") == ["secret"]
    assert (tmp_path / "beside" / "secret").read_text() == "untouched"


class Archive:
    def __init__(self, **options: Any):
        self._bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self._bytes, mode="w", **options)

    def add(self, name: str, content: bytes = b"", **fields: Any) -> "Archive":
        info = tarfile.TarInfo(TOP + name)
        info.size = len(content)
        info.mode = 0o664
        for key, value in fields.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(content))
        return self

    def link(self, name: str, target: str, **fields: Any) -> "Archive":
        return self.add(name, type=tarfile.SYMTYPE, linkname=target, **fields)

    def raw(self) -> bytes:
        self.tar.close()
        return self._bytes.getvalue()

    def packed(self) -> bytes:
        return gzip.compress(self.raw(), 1)


def unpack(probe: SourceProbe, place: Path, archive: bytes, strip: int = 1,
           bytes_max: int = 0, entries_max: int = 0, ratio: int = 0) -> dict[str, Any]:
    return probe("unpack", place, strip, bytes_max, entries_max, ratio, stdin=archive)


def refusal(probe: SourceProbe, place: Path, archive: bytes, **bounds: int) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        unpack(probe, place, archive, **bounds)
    return caught.value


def everything(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


# -- what a repository holds ---------------------------------------------------

def test_files_directories_links_and_modes(probe, place) -> None:
    archive = (Archive()
               .add("", type=tarfile.DIRTYPE, mode=0o775)
               .add("Dockerfile", b"FROM scratch\n")
               .add("bin", type=tarfile.DIRTYPE, mode=0o700)
               .add("bin/run", b"#!/bin/sh\n", mode=0o775)
               .add("deep/er/still/x", b"implied directories")
               .link("latest", "deep/er")
               .link("deep/up", "../bin/run")
               .add("empty"))
    report = unpack(probe, place, archive.packed())
    assert everything(place) == ["Dockerfile", "bin", "bin/run", "deep", "deep/er",
                                 "deep/er/still", "deep/er/still/x", "deep/up",
                                 "empty", "latest"]
    assert (place / "latest/still/x").read_text() == "implied directories"
    assert (place / "deep/up").read_text() == "#!/bin/sh\n"
    modes = {name: stat.S_IMODE((place / name).stat().st_mode)
             for name in ("Dockerfile", "bin", "bin/run", "deep/er")}
    assert modes == {"Dockerfile": 0o644, "bin": 0o755, "bin/run": 0o755, "deep/er": 0o755}
    assert (report["entries"], report["skipped"]) == (10, 0)
    assert report["bytes"] == 13 + 10 + 19


def test_a_real_git_archive(probe, place, tmp_path) -> None:
    """With the global header of git, long names and a name that is no UTF-8."""
    repo = place / "repo"
    repo.mkdir()
    odd = os.fsdecode(b"caf\xe9 \xff.txt")
    long = "/".join(["directory-with-a-long-name"] * 8) + "/file"
    for name in ("README.md", odd, "grüße.txt", long):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(name.encode("utf-8", "replace").decode())
    git = ["git", "-C", str(repo), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "all"], check=True)
    archive = subprocess.run([*git, "archive", "--format=tar.gz", f"--prefix={TOP}", "HEAD"],
                             check=True, capture_output=True).stdout
    target = place / "target"
    target.mkdir()
    report = unpack(probe, target, archive)
    assert report["skipped"] == 0
    for name in ("README.md", odd, "grüße.txt", long):
        assert (target / name).read_bytes() == (repo / name).read_bytes()


@pytest.mark.parametrize("options", [{"format": tarfile.USTAR_FORMAT},
                                     {"format": tarfile.GNU_FORMAT},
                                     {"format": tarfile.PAX_FORMAT}])
def test_every_dialect_with_long_and_foreign_names(probe, place, options) -> None:
    long = "d" * 90 + "/" + "f" * 95
    archive = Archive(encoding="utf-8", errors="surrogateescape", **options)
    archive.add(long, b"long").add("日本.txt", b"utf8")
    if options["format"] != tarfile.PAX_FORMAT:
        archive.add(os.fsdecode(b"\xff\xfe.txt"), b"bytes")
    assert unpack(probe, place, archive.packed())["skipped"] == 0
    assert (place / long).read_bytes() == b"long"
    assert (place / "日本.txt").read_bytes() == b"utf8"
    if options["format"] != tarfile.PAX_FORMAT:
        assert (place / os.fsdecode(b"\xff\xfe.txt")).read_bytes() == b"bytes"


def test_gzip_of_several_members(probe, place) -> None:
    raw = Archive().add("x", b"1").add("y", b"2").raw()
    assert unpack(probe, place, gzip.compress(raw[:700]) + gzip.compress(raw[700:]))["bytes"] == 2


def test_the_later_of_two_equal_names_counts(probe, place) -> None:
    archive = (Archive().add("x", b"longer than the second", mode=0o755).add("x", b"second")
               .link("y", "x").add("y", b"no longer a link"))
    unpack(probe, place, archive.packed())
    assert (place / "x").read_text() == "second"
    assert stat.S_IMODE((place / "x").stat().st_mode) == 0o644
    assert not (place / "y").is_symlink()
    assert (place / "y").read_text() == "no longer a link"


# -- ways out ------------------------------------------------------------------

def raw_names(*names: str, **fields: Any) -> bytes:
    """Names as they are, without the top directory."""
    archive = Archive()
    for name in names:
        info = tarfile.TarInfo(name)
        info.size = 3
        for key, value in fields.items():
            setattr(info, key, value)
        archive.tar.addfile(info, io.BytesIO(b"bad"))
    return archive.add("good", b"good").packed()


@pytest.mark.parametrize("name, why", [
    ("/etc/runnerhub-escaped", "absolute"), ("../beside/secret", '".."'),
    (TOP + "../../beside/secret", '".."'), (TOP + "a/../../../beside/x", '".."'),
    ("..", '".."'), ("top-level-file", "not a directory")])
def test_names_that_lead_out_are_left_out(probe, place, name, why) -> None:
    report = unpack(probe, place, raw_names(name))
    assert everything(place) == ["good"]
    assert report["skipped"] == 1
    assert why in report["firstSkipped"]
    assert not os.path.exists("/etc/runnerhub-escaped")


@pytest.mark.parametrize("name, target", [
    ("l", "/etc/passwd"), ("l", "../beside/secret"), ("a/l", "../../beside"), ("l", ".."),
    ("l", "a/../../beside"), ("a/l", "b/../../../beside"), ("l", "a/.."), ("l", "/")])
def test_links_that_lead_out_are_left_out(probe, place, name, target) -> None:
    report = unpack(probe, place, Archive().link(name, target).add("good", b"1").packed())
    assert "good" in everything(place)
    assert not any(path.is_symlink() for path in place.rglob("*"))
    assert (report["skipped"], "link out" in report["firstSkipped"]) == (1, True)


def test_nothing_is_written_through_a_link(probe, place) -> None:
    archive = (Archive().add("real", type=tarfile.DIRTYPE, mode=0o755).link("dir", "real")
               .add("dir/x", b"through").add("dir/y/z", b"through").link("real/l", "..")
               .add("real/l/w", b"through").add("real/l", b"a file now")
               .add("plain", b"1").add("plain/below", b"2").add("real", b"3"))
    report = unpack(probe, place, archive.packed())
    assert everything(place) == ["dir", "plain", "real", "real/l"]
    assert (place / "real/l").read_text() == "a file now"
    assert report["skipped"] == 5


def test_links_to_links_stay_within(probe, place) -> None:
    """Each by itself looks harmless; together they would climb."""
    archive = (Archive().link("a", ".").link("b/up", "..").link("c", "b/up/../x")
               .link("d/e", "../a/a/a").link("loop", "loop").add("good", b"1"))
    report = unpack(probe, place, archive.packed())
    assert report["skipped"] == 1  # c
    for path in place.iterdir():
        if path.name != "loop":
            assert str(path.resolve()).startswith(str(place))


def test_hard_links_devices_and_fifos_are_left_out(probe, place) -> None:
    archive = Archive().add("x", b"1")
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        archive.add(f"special-{kind.decode()}", type=kind, devmajor=1, devminor=3)
    archive.add("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd")
    archive.add("hard2", type=tarfile.LNKTYPE, linkname=TOP + "x")
    report = unpack(probe, place, archive.packed())
    assert everything(place) == ["x"]
    assert report["skipped"] == 5


def test_no_setuid_no_sticky_no_owner(probe, place) -> None:
    archive = (Archive().add("su", b"1", mode=0o6755, uid=12345, gid=12345)
               .add("dir", type=tarfile.DIRTYPE, mode=0o7777, uid=12345))
    unpack(probe, place, archive.packed())
    for name in ("su", "dir"):
        found = (place / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o755
        assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())


# -- bombs ---------------------------------------------------------------------

def test_too_many_bytes(probe, place) -> None:
    archive = Archive().add("a", bytes(600_000)).add("b", bytes(600_000)).packed()
    error = refusal(probe, place, archive, bytes_max=1_000_000)
    assert (error.kind, error.code) == ("limit", "archive_too_large")
    assert "1000000 bytes" in error.msg
    assert unpack(probe, place, archive, bytes_max=1_200_000)["bytes"] == 1_200_000


def test_too_many_entries_implied_directories_included(probe, place) -> None:
    archive = Archive()
    for i in range(10):
        archive.add(f"{i}/" * 20 + "x")
    error = refusal(probe, place, archive.packed(), entries_max=100)
    assert error.code == "archive_too_large"
    assert "100 files and directories" in error.msg
    assert len(everything(place)) <= 101


def gzip_of_zeros(head: bytes, count: int) -> bytes:
    """head and so many zeros, without ever holding them."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [pack.compress(head)]
    chunk = bytes(1 << 20)
    parts += [pack.compress(chunk) for _ in range(count // len(chunk))]
    return b"".join(parts) + pack.flush()


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(TOP + name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def test_a_ratio_that_no_repository_has(probe, place) -> None:
    size = 256 << 20
    error = refusal(probe, place, gzip_of_zeros(header("zeros", size), size))
    assert error.code == "archive_too_large"
    assert "beyond all measure" in error.msg
    assert (place / "zeros").stat().st_size < 160 << 20


def test_bytes_of_what_is_left_out_count_as_well(probe, place) -> None:
    """A fifo with content: nothing of it is placed, all of it is read."""
    size = 256 << 20
    error = refusal(probe, place, gzip_of_zeros(header("f", size, b"9"), size),
                    ratio=1 << 40, bytes_max=1 << 20, entries_max=10)
    assert error.code == "archive_too_large"


def test_a_sparse_file_counts_in_full(probe, place) -> None:
    huge = 1 << 45
    fields = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
              "GNU.sparse.name": TOP + "sparse", "GNU.sparse.realsize": str(huge)}
    content = f"1\n{huge - 1}\n1\n".encode().ljust(512, b"\0") + b"x"
    archive = Archive(format=tarfile.PAX_FORMAT).add("sparse", content, pax_headers=fields)
    error = refusal(probe, place, archive.packed())
    assert error.code == "archive_too_large"
    assert (place / "sparse").stat().st_size == 0


@pytest.mark.parametrize("name", ["d/" * 101 + "x", "n" * 256, "/".join(["p" * 200] * 16)])
def test_names_out_of_bounds(probe, place, name) -> None:
    error = refusal(probe, place, Archive(format=tarfile.PAX_FORMAT).add(name, b"1").packed())
    assert (error.kind, error.code) == ("limit", "archive_too_large")


def test_gzip_that_never_gives_anything(probe, place) -> None:
    """Empty blocks of deflate: input without end, output never."""
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    start = pack.compress(header("x", 1)) + pack.flush(zlib.Z_SYNC_FLUSH)
    archive = start + b"\0\0\0\xff\xff" * (30 << 20)
    error = refusal(probe, place, archive, bytes_max=1 << 20, entries_max=10)
    assert error.code == "archive_too_large"


def test_memory_is_flat(probe, place) -> None:
    small = unpack(probe, place, Archive().add("x", os.urandom(1 << 10)).packed())
    assert small["peakKiB"] > 0
    big = unpack(probe, place, Archive().add("x", os.urandom(48 << 20)).packed())
    assert big["bytes"] == 48 << 20
    assert big["peakKiB"] < small["peakKiB"] + 8 * 1024


# -- damage --------------------------------------------------------------------

GOOD = Archive().add("a", b" ".join(str(i).encode() for i in range(200_000))).packed()


@pytest.mark.parametrize("make", [
    lambda: b"", lambda: b"not an archive, but long enough to be looked at " * 40,
    lambda: GOOD[:200_000], lambda: GOOD[:10],
    lambda: b"<html>" + b" " * 5000, lambda: gzip.compress(b"text " * 1000),
    lambda: GOOD[:1000] + b"\xff" * 1000 + GOOD[2000:], lambda: GOOD[:-8] + bytes(8),
    lambda: GOOD[:-1], lambda: GOOD + b"more", lambda: Archive().add("x", b"1").raw(),
    lambda: gzip.compress(b"", 1), lambda: Archive().packed()],
    ids=["empty", "text", "cut", "cut early", "html", "no tar", "damaged", "checksum",
         "cut late", "rest", "no gzip", "gzip of nothing",
         "tar of nothing"])
def test_what_is_no_archive(probe, place, make: Callable[[], bytes]) -> None:
    error = refusal(probe, place, make())
    assert (error.kind, error.code) == ("invalid", "archive_bad"), error


# -- directories of this machine -----------------------------------------------

@pytest.fixture
def origin(place: Path) -> Path:
    path = place / "origin"
    path.mkdir()
    (path / "Dockerfile").write_text("FROM scratch\n")
    (path / "bin").mkdir(mode=0o750)
    (path / "bin/run").write_text("#!/bin/sh\n")
    (path / "bin/run").chmod(0o4700)
    return path


def copy(probe: SourceProbe, origin: Path, target: Path, bytes_max: int = 0,
         entries_max: int = 0) -> dict[str, Any]:
    target.mkdir()
    return probe("copy", origin, target, bytes_max, entries_max)


def test_a_directory_is_copied(probe, place, origin) -> None:
    (origin / ".git").mkdir()
    (origin / ".git/config").write_text("[core]")
    (origin / "bin/link").symlink_to("../Dockerfile")
    report = copy(probe, origin, place / "copy")
    assert everything(place / "copy") == ["Dockerfile", "bin", "bin/link", "bin/run"]
    assert stat.S_IMODE((place / "copy/bin/run").stat().st_mode) == 0o755
    assert (place / "copy/bin/link").read_text() == "FROM scratch\n"
    assert (report["entries"], report["skipped"], report["bytes"]) == (4, 0, 23)


def test_a_directory_with_ways_out(probe, place, origin) -> None:
    (origin / "passwd").symlink_to("/etc/passwd")
    (origin / "beside").symlink_to("../../beside")
    os.mkfifo(origin / "fifo")
    report = copy(probe, origin, place / "copy")
    assert everything(place / "copy") == ["Dockerfile", "bin", "bin/run"]
    assert report["skipped"] == 3


def test_a_copy_within_its_own_source(probe, place, origin) -> None:
    report = copy(probe, origin, origin / "state")
    assert everything(origin / "state") == ["Dockerfile", "bin", "bin/run"]
    assert (report["skipped"], "the copy itself" in report["firstSkipped"]) == (1, True)


def test_a_directory_that_is_too_large(probe, place, origin) -> None:
    (origin / "big").write_bytes(bytes(100_000))
    with pytest.raises(ProbeError) as caught:
        copy(probe, origin, place / "copy", bytes_max=50_000)
    assert caught.value.code == "archive_too_large"
    with pytest.raises(ProbeError) as caught:
        copy(probe, origin, place / "copy2", entries_max=2)
    assert caught.value.code == "archive_too_large"


def test_a_directory_that_is_not_there(probe, place) -> None:
    with pytest.raises(ProbeError) as caught:
        copy(probe, place / "none", place / "copy")
    assert caught.value.kind == "not_found"
    assert str(place / "none") in caught.value.msg
