"""An image made of Debian packages that this machine has installed.

No registry is needed, and nothing is downloaded: the files of the packages
and of all they depend on are packed as they stand.
"""

import hashlib
import os
import re
import subprocess

SUM_LABEL = "runnerhub.image.sum"

# What a base system of Debian is and a package need not name.
BASE = ("base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils",
        "findutils", "grep", "sed", "tar", "gzip", "libc-bin", "diffutils",
        "hostname", "util-linux", "mawk", "perl-base")


def _installed() -> dict[str, list[str]]:
    """Installed packages (and what they provide) with their dependencies."""
    text = subprocess.run(
        ["dpkg-query", "-W", "-f",
         "${db:Status-Abbrev}\t${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n"],
        check=True, capture_output=True, text=True).stdout
    packages: dict[str, list[str]] = {}
    for line in text.splitlines():
        status, name, provides, depends = line.split("\t")
        if not status.startswith("ii"):
            continue
        wanted = re.findall(r"[a-z0-9][a-z0-9+.-]+(?=\s*(?:[:(|,]|$))", depends)
        packages[name] = wanted
        for other in re.findall(r"[a-z0-9][a-z0-9+.-]+(?=\s*(?:[(,]|$))", provides):
            packages.setdefault(other, [name])
    return packages


def _closure(names: list[str]) -> list[str]:
    packages, seen, todo = _installed(), set(), list(names)
    while todo:
        name = todo.pop()
        if name in seen or name not in packages:
            continue
        seen.add(name)
        todo += packages[name]
    return sorted(seen)


def _files(names: list[str]) -> list[str]:
    """Paths of the packages without their documentation."""
    text = subprocess.run(["dpkg-query", "-L", *names],
                          capture_output=True, text=True).stdout
    skip = re.compile(r"/usr/share/(doc|man|locale|info|icons|lintian|bug)(/|$)")
    return [line for line in text.splitlines()
            if line.startswith("/") and not skip.match(line) and os.path.lexists(line)]


def _real(path: str) -> str:
    """Packages name files below /bin, which is a link to /usr/bin."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _sum(packages: list[str], changes: list[str]) -> str:
    """Changes with the packages, their versions and how they are packed."""
    versions = subprocess.run(["dpkg-query", "-W", *packages],
                              capture_output=True, text=True).stdout
    with open(__file__, encoding="utf-8") as own:
        return hashlib.sha256(f"{versions}{changes}{own.read()}".encode()).hexdigest()


def _kept_sum(reference: str) -> str:
    return subprocess.run(
        ["docker", "image", "inspect", "-f", f'{{{{index .Config.Labels "{SUM_LABEL}"}}}}',
         reference], capture_output=True, text=True).stdout.strip()


def make(reference: str, packages: list[str], changes: list[str] | None = None) -> str:
    """Imports the image unless the engine has the same of that name."""
    names = _closure([*BASE, *packages])
    digest = _sum(names, changes or [])
    if _kept_sum(reference) == digest:
        return reference
    files = _files(names)
    # What the packages' scripts make when they are installed.
    files += [path for path in ("/bin", "/sbin", "/lib", "/lib64", "/etc/passwd",
                                "/etc/group", "/etc/alternatives", "/etc/ld.so.cache",
                                "/usr/bin/awk", "/usr/bin/cc", "/usr/bin/c99",
                                "/bin/sh", "/etc/ssl/certs/ca-certificates.crt")
              if os.path.lexists(path)]
    pack = subprocess.Popen(
        ["tar", "--create", "--no-recursion", "--directory=/", "--null",
         "--files-from=-", "--file=-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    command = ["docker", "import"]
    for change in [*(changes or []), f"LABEL {SUM_LABEL}={digest}"]:
        command += ["--change", change]
    load = subprocess.Popen([*command, "-", reference], stdin=pack.stdout,
                            stdout=subprocess.DEVNULL)
    assert pack.stdin is not None
    pack.stdin.write("\0".join(sorted({_real(path).lstrip("/") for path in files} - {""})).encode())
    pack.stdin.close()
    pack.wait()
    assert load.wait() == 0, f"docker import {reference} failed"
    return reference
