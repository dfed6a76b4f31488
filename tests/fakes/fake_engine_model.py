"""What the fake engine remembers: containers, images, networks, volumes, events.

No HTTP here. A container whose entrypoint is bind-mounted from the host (the
agent) is really run, in name spaces of its own (mount, process, network) on
a throw-away root directory: it cannot see or signal anything of the host. All
others only pretend: a process that sleeps stands for them until killed. Every method may be
called from any thread; one lock guards the whole model.
"""

import collections
import datetime
import hashlib
import io
import ipaddress
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from typing import Any, Callable, Iterator

FAR_PAST = "0001-01-01T00:00:00Z"
EVENTS_KEPT = 256  # as many as Docker keeps
CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Refusal(Exception):
    """The engine says no: an HTTP status and words."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


def new_id() -> str:
    return hashlib.sha256(os.urandom(16)).hexdigest()


def iso(ns: int) -> str:
    when = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09d}Z"


def labels_match(labels: dict[str, str], wanted: list[str]) -> bool:
    for want in wanted:
        key, has_value, value = want.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


class Container:
    """One container; its fields are guarded by the model's lock."""

    def __init__(self, name: str, config: dict[str, Any]):
        self.id = new_id()
        self.name = name
        self.config = config
        self.host = config.get("HostConfig") or {}
        self.labels: dict[str, str] = config.get("Labels") or {}
        self.state = "created"
        self.pid = 0
        self.exit_code = 0
        self.log: list[tuple[int, bytes]] = []  # what it said: stream, text
        self.oom_killed = False
        self.error = ""
        self.started_ns = 0
        self.ip = ""
        self.archives: list[str] = []  # names of files put in by the API
        self.overlay = ""  # host directory with those files, "": none
        self.process: subprocess.Popen | None = None
        self.pretends = True  # its process only sleeps
        self.listeners: list[Callable[[int, bytes], None]] = []
        self.ended = threading.Event()

    @property
    def argv(self) -> list[str]:
        return (self.config.get("Entrypoint") or []) + (self.config.get("Cmd") or [])

    @property
    def network(self) -> str:
        return self.host.get("NetworkMode") or "default"

    def binds(self) -> list[tuple[str, str]]:
        """(source, destination) of each bind; source may name a volume."""
        return [(b.split(":")[0], b.split(":")[1]) for b in self.host.get("Binds") or []]

    def host_path(self, path: str) -> str | None:
        """Where a path of the container lives on the host, by its binds."""
        for source, target in self.binds():
            if path == target or path.startswith(target + "/"):
                return source + path[len(target):]
        return None


class Model:
    def __init__(self, images: dict[str, dict[str, Any]] | None = None,
                 pullable: dict[str, dict[str, Any]] | None = None):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.containers: dict[str, Container] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.pullable = pullable or {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.execs: dict[str, dict[str, Any]] = {}
        self.events: collections.deque = collections.deque(maxlen=EVENTS_KEPT)
        self.event_count = 0  # of all times; the deque holds the last of them
        self.scratch = tempfile.mkdtemp(prefix="fake-engine-")
        for ref, config in (images or {"busybox:latest": {}}).items():
            self.add_image(ref, config)

    def close(self) -> None:
        for container in list(self.containers.values()):
            self.end(container.id, 137)
        shutil.rmtree(self.scratch, ignore_errors=True)

    # -- images -------------------------------------------------------------

    def add_image(self, ref: str, config: dict[str, Any]) -> str:
        if ":" not in ref.rsplit("/", 1)[-1] and "@" not in ref:
            ref += ":latest"
        with self.lock:
            self.images[ref] = {
                "Id": "sha256:" + hashlib.sha256(ref.encode()).hexdigest(),
                "RepoTags": [ref], "Os": "linux", "Architecture": "amd64",
                "Size": 1234567, "Config": config}
            return self.images[ref]["Id"]

    def image(self, ref: str) -> dict[str, Any]:
        with self.lock:
            for candidate in (ref, ref + ":latest"):
                if candidate in self.images:
                    return self.images[candidate]
            for image in self.images.values():
                if image["Id"] == ref:
                    return image
        raise Refusal(404, f"No such image: {ref}")

    # -- events -------------------------------------------------------------

    def emit(self, action: str, container_id: str, attributes: dict[str, str],
             time_ns: int | None = None) -> None:
        now = time.time_ns() if time_ns is None else time_ns
        event = {"status": action, "id": container_id, "Type": "container",
                 "Action": action, "scope": "local", "time": now // 10**9, "timeNano": now,
                 "Actor": {"ID": container_id, "Attributes": attributes}}
        with self.changed:
            self.events.append(event)
            self.event_count += 1
            self.changed.notify_all()

    def emit_for(self, container: Container, action: str, **more: str) -> None:
        self.emit(action, container.id, {
            **container.labels, "image": container.config.get("Image", ""),
            "name": container.name, **more})

    def watch(self, since_ns: int, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Events from since_ns on (0: from now on), then live; None to say
        that nothing came for a moment."""
        with self.changed:
            seen = self.event_count
            backlog = [e for e in self.events if since_ns and e["timeNano"] >= since_ns]
        yield from backlog
        while not stopped():
            with self.changed:
                if self.event_count == seen:
                    self.changed.wait(0.1)
                fresh = self.event_count - seen
                seen = self.event_count
                news = list(self.events)[-fresh:] if fresh else []
            yield from news

    # -- containers ---------------------------------------------------------

    def container(self, ref: str) -> Container:
        with self.lock:
            for c in self.containers.values():
                if ref in (c.id, c.name) or (len(ref) >= 6 and c.id.startswith(ref)):
                    return c
        raise Refusal(404, f"No such container: {ref}")

    def create(self, name: str, config: dict[str, Any]) -> Container:
        image = self.image(config.get("Image") or "")
        container = Container(name or "fake_" + new_id()[:12], config)
        if not container.argv and not image["Config"].get("Cmd"):
            raise Refusal(400, "No command specified")
        with self.lock:
            for other in self.containers.values():
                if other.name == container.name:
                    raise Refusal(409, f'Conflict. The container name "/{name}" is already in '
                                       f'use by container "{other.id}". You have to remove (or '
                                       'rename) that container to be able to reuse that name.')
            self.containers[container.id] = container
        self.emit_for(container, "create")
        return container

    def _join_network(self, container: Container) -> None:
        mode = container.network
        if container.config.get("NetworkDisabled") or mode in ("none", "host"):
            return
        if mode.startswith("container:"):
            if self.container(mode.split(":", 1)[1]).state != "running":
                raise Refusal(409, "cannot join network of a non running container: " + mode)
            return
        if mode in ("default", "bridge"):
            container.ip = "172.17.0.2"
            return
        network = self.network(mode)
        config = network["IPAM"]["Config"][0]
        taken = {c.ip for c in self.containers.values()} | {config.get("Gateway")}
        hosts = ipaddress.ip_network(config.get("IPRange") or config["Subnet"]).hosts()
        container.ip = next(str(ip) for ip in hosts if str(ip) not in taken)

    def start(self, ref: str) -> bool:
        """False when it runs already."""
        container = self.container(ref)
        with self.lock:
            if container.state == "running":
                return False
            self._join_network(container)
            program = container.argv[0] if container.argv else ""
            in_overlay = container.overlay and os.path.exists(container.overlay + program)
            container.pretends = container.host_path(program) is None and not in_overlay
            self._spawn(container)
            container.state = "running"
            container.started_ns = time.time_ns()
        self.emit_for(container, "start")
        return True

    def _mounts(self, container: Container, root: str) -> list[str]:
        """Shell lines that build the container's root directory."""
        quoted = shlex.quote
        lines = [f"mount -t tmpfs -o mode=755 fake {root}"]
        for path in ("bin", "sbin", "lib", "lib64", "usr", "etc", "dev"):
            if os.path.islink("/" + path):
                lines.append(f"ln -s {quoted(os.readlink('/' + path))} {root}/{path}")
            elif os.path.isdir("/" + path):
                lines.append(f"mkdir {root}/{path} && mount --rbind /{path} {root}/{path}")
        lines.append(f"mkdir -m 1777 {root}/tmp && mkdir {root}/proc {root}/sys")
        lines.append(f"mount -t proc proc {root}/proc")
        if container.overlay:
            lines.append(f"cp -a {container.overlay}/. {root}/")
        for source, target in container.binds():
            host = source if source.startswith("/") else self.volume(source)["Mountpoint"]
            inside = root + target
            make = "mkdir -p" if os.path.isdir(host) else f"mkdir -p {quoted(os.path.dirname(inside))} && touch"
            lines.append(f"{make} {quoted(inside)} && mount --bind {quoted(host)} {quoted(inside)}")
        return lines

    def _command(self, container: Container) -> list[str]:
        flags = ["--pid", "--fork", "--kill-child"]
        if os.geteuid() != 0:
            flags.append("--map-root-user")
        if container.pretends:
            return ["unshare", "--net", *flags, "sleep", "infinity"]
        if container.config.get("NetworkDisabled") or container.network == "none":
            flags.append("--net")
        root = os.path.join(self.scratch, "root-" + container.id[:12])
        os.makedirs(root, exist_ok=True)
        script = ["set -e", "mount --make-rprivate /", *self._mounts(container, root),
                  f"exec chroot {root} {shlex.join(container.argv)}"]
        return ["unshare", "--mount", *flags, "/bin/sh", "-c", "\n".join(script)]

    def _spawn(self, container: Container) -> None:
        image = self.image(container.config["Image"])
        pairs = (image["Config"].get("Env") or []) + (container.config.get("Env") or [])
        env = {"PATH": CONTAINER_PATH, **dict(p.split("=", 1) for p in pairs)}
        container.process = subprocess.Popen(
            self._command(container), env=env, cwd="/",
            stdin=subprocess.PIPE if container.config.get("OpenStdin") else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        container.pid = self._first_child(container.process)
        for number, stream in ((1, container.process.stdout), (2, container.process.stderr)):
            threading.Thread(target=self._pump, args=(container, number, stream),
                             daemon=True).start()
        threading.Thread(target=self._reap, args=(container,), daemon=True).start()

    @staticmethod
    def _first_child(process: subprocess.Popen) -> int:
        """The pid, as the host sees it, of the container's first process."""
        path = f"/proc/{process.pid}/task/{process.pid}/children"
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with open(path) as file:
                children = file.read().split()
            if children:
                return int(children[0])
        raise Refusal(500, "the container's first process did not start")

    def _pump(self, container: Container, number: int, stream: io.RawIOBase) -> None:
        while data := os.read(stream.fileno(), 32768):
            with self.lock:
                listeners = list(container.listeners)
            for listener in listeners:  # nobody listens: it is lost, as with LogConfig none
                listener(number, data)

    def _reap(self, container: Container) -> None:
        code = container.process.wait()
        self.end(container.id, code if code >= 0 else 128 - code)

    def end(self, ref: str, exit_code: int, oom: bool = False) -> None:
        """The container's first process ends (or is ended)."""
        container = self.container(ref)
        with self.lock:
            if container.state != "running":
                return
            container.state = "exited"
            container.exit_code = exit_code
            container.oom_killed = oom
            container.pid = 0
            container.ip = ""
            process = container.process
        if process is not None and process.poll() is None:
            process.kill()  # --kill-child takes the container's processes along
            process.wait()
        if oom:
            self.emit_for(container, "oom")
        self.emit_for(container, "die", exitCode=str(exit_code))
        container.ended.set()

    def kill(self, ref: str, signal: str) -> None:
        container = self.container(ref)
        if container.state != "running":
            raise Refusal(409, f"Cannot kill container: {ref}: Container {container.id} "
                               "is not running")
        self.emit_for(container, "kill", signal=signal)
        if signal in ("", "9", "KILL", "SIGKILL"):
            self.end(container.id, 137)
        elif signal in ("15", "TERM", "SIGTERM"):
            self.end(container.id, 143)

    def remove(self, ref: str, force: bool) -> None:
        container = self.container(ref)
        if container.state == "running":
            if not force:
                raise Refusal(409, f"You cannot remove a running container {container.id}. Stop "
                                   "the container before attempting removal or force remove")
            self.end(container.id, 137)
        with self.lock:
            if self.containers.pop(container.id, None) is None:
                raise Refusal(404, f"No such container: {ref}")
        shutil.rmtree(os.path.join(self.scratch, "root-" + container.id[:12]),
                      ignore_errors=True)
        if container.overlay:
            shutil.rmtree(container.overlay, ignore_errors=True)
        self.emit_for(container, "destroy")

    def put_archive(self, ref: str, path: str, data: bytes) -> None:
        container = self.container(ref)
        with self.lock:
            if not container.overlay:
                container.overlay = os.path.join(self.scratch, "over-" + container.id[:12])
                os.makedirs(container.overlay)
        base = container.overlay
        for source, target in container.binds():
            if not source.startswith("/") and (path + "/").startswith(target + "/"):
                base, path = self.volume(source)["Mountpoint"], path[len(target):]
        into = os.path.join(base, posixpath.normpath("/" + path).lstrip("/"))
        os.makedirs(into, exist_ok=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                container.archives += archive.getnames()
                archive.extractall(into, members=[m for m in archive if ".." not in m.name])
        except tarfile.TarError as error:
            raise Refusal(400, f"unreadable archive: {error}") from error

    def inspect(self, ref: str) -> dict[str, Any]:
        c = self.container(ref)
        with self.lock:
            return {
                "Id": c.id, "Name": "/" + c.name, "Image": self.image(c.config["Image"])["Id"],
                "State": {"Status": c.state, "Running": c.state == "running", "Pid": c.pid,
                          "ExitCode": c.exit_code, "OOMKilled": c.oom_killed, "Error": c.error,
                          "StartedAt": iso(c.started_ns) if c.started_ns else FAR_PAST},
                "Config": c.config, "HostConfig": c.host,
                "NetworkSettings": {"Networks": {c.network: {"IPAddress": c.ip}}}}

    def list_containers(self, everything: bool, labels: list[str]) -> list[dict[str, Any]]:
        with self.lock:
            return [{
                "Id": c.id, "Names": ["/" + c.name], "Image": c.config["Image"],
                "State": c.state, "Status": c.state, "Labels": c.labels,
                "NetworkSettings": {"Networks": {c.network: {"IPAddress": c.ip}}}}
                for c in self.containers.values()
                if (everything or c.state == "running") and labels_match(c.labels, labels)]

    # -- networks and volumes --------------------------------------------------

    def network(self, ref: str) -> dict[str, Any]:
        with self.lock:
            for network in self.networks.values():
                if ref in (network["Id"], network["Name"]):
                    return network
        raise Refusal(404, f"network {ref} not found")

    def _free_subnet(self, wanted: str | None) -> str:
        taken = [ipaddress.ip_network(n["IPAM"]["Config"][0]["Subnet"])
                 for n in self.networks.values()]
        if wanted is not None:
            if any(ipaddress.ip_network(wanted).overlaps(t) for t in taken):
                raise Refusal(403, "Pool overlaps with other one on this address space")
            return wanted
        for pool in ipaddress.ip_network("172.16.0.0/12").subnets(new_prefix=16):
            if not any(pool.overlaps(t) for t in taken):
                return str(pool)
        raise Refusal(404, "could not find an available, non-overlapping IPv4 address pool "
                           "among the defaults to assign to the network")

    def create_network(self, config: dict[str, Any]) -> dict[str, Any]:
        name = config.get("Name") or ""
        with self.lock:
            if any(n["Name"] == name for n in self.networks.values()):
                raise Refusal(409, f"network with name {name} already exists")
            ipam = ((config.get("IPAM") or {}).get("Config") or [{}])[0]
            subnet = self._free_subnet(ipam.get("Subnet"))
            first = str(next(ipaddress.ip_network(subnet).hosts()))
            network = {
                "Id": new_id(), "Name": name, "Driver": config.get("Driver") or "bridge",
                "Internal": bool(config.get("Internal")), "Labels": config.get("Labels") or {},
                "Options": config.get("Options") or {},
                "IPAM": {"Config": [{**ipam, "Subnet": subnet,
                                     "Gateway": ipam.get("Gateway") or first}]}}
            self.networks[network["Id"]] = network
            return network

    def remove_network(self, ref: str) -> None:
        with self.lock:
            network = self.network(ref)
            for c in self.containers.values():
                if c.state == "running" and c.network in (network["Id"], network["Name"]):
                    raise Refusal(403, f"error while removing network: network {ref} id "
                                       f"{network['Id']} has active endpoints")
            del self.networks[network["Id"]]

    def volume(self, name: str) -> dict[str, Any]:
        """Made on first use, as the engine does for binds."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise Refusal(400, f"create {name}: volume name is invalid")
        with self.lock:
            if name not in self.volumes:
                path = os.path.join(self.scratch, "volume-" + name)
                os.makedirs(path)
                self.volumes[name] = {"Name": name, "Mountpoint": path, "Labels": {}}
            return self.volumes[name]

    def remove_volume(self, name: str) -> None:
        with self.lock:
            volume = self.volumes.pop(name, None)
        if volume is None:
            raise Refusal(404, f"get {name}: no such volume")
        shutil.rmtree(volume["Mountpoint"], ignore_errors=True)
