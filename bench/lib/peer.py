"""The delegate endpoint on Node.js, with a Redis and a PostgreSQL of its own.

All three listen on loopback, on free ports, with their data in a temporary
directory that is removed at the end.
"""

import glob
import json
import os
import pwd
import shutil
import subprocess
import tempfile

from lib.process import (Missing, free_port, memory_of_tree_kb, need, port_open,
                         stop, wait_until)

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")

# PostgreSQL keeps its promise (fsync and synchronous_commit stay on) and gets
# what a tuned server has: room in memory and far apart checkpoints.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "512MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "max_connections": "200",
    "wal_compression": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
}


def postgres_bin() -> str:
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise Missing("postgresql is not installed: run scripts/setup bench")
    return found[-1]


def postgres_user() -> list[str]:
    """The prefix of a command that must not run as root."""
    if os.getuid() != 0:
        return []
    return [need("runuser"), "-u", "postgres", "--"]


def version_of(*command: str) -> str:
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return out.strip().splitlines()[0]


class Peer:
    def __init__(self, pool_size: int = 16):
        need("node")
        need("npm")
        need("redis-server")
        self.workers = os.cpu_count() or 1
        self.pool_size = pool_size
        self.port = free_port()
        self.redis_port = free_port()
        self.postgres_port = free_port()
        self.dir = tempfile.mkdtemp(prefix="runnerhub-peer-")
        self.redis = self.postgres = self.node = None

    # -- life ----------------------------------------------------------------
    def __enter__(self) -> "Peer":
        try:
            self._install_modules()
            self._start_redis()
            self._start_postgres()
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.node, self.redis, self.postgres):
            stop(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _log(self, name: str):
        return open(os.path.join(self.dir, name + ".log"), "ab")

    def _install_modules(self) -> None:
        if os.path.isdir(os.path.join(HERE, "node_modules", "bullmq")):
            return
        result = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE,
                                capture_output=True, text=True)
        if result.returncode != 0:
            raise Missing("npm ci failed in bench/peers (is the npm registry "
                          f"reachable?): {result.stderr.strip()[-300:]}")

    def _start_redis(self) -> None:
        data = os.path.join(self.dir, "redis")
        os.mkdir(data)
        with self._log("redis") as log:
            self.redis = subprocess.Popen(
                ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1",
                 "--dir", data, "--appendonly", "yes", "--appendfsync", "everysec",
                 "--save", "", "--maxmemory-policy", "noeviction"],
                stdout=log, stderr=log)
        wait_until(lambda: port_open(self.redis_port), "redis-server listens")

    def _start_postgres(self) -> None:
        data = os.path.join(self.dir, "postgres")
        os.mkdir(data, 0o700)
        if os.getuid() == 0:
            os.chmod(self.dir, 0o711)
            user = pwd.getpwnam("postgres")
            os.chown(data, user.pw_uid, user.pw_gid)
        tool = postgres_bin()
        with self._log("postgres") as log:
            subprocess.run([*postgres_user(), f"{tool}/initdb", "-D", data, "-U", "bench",
                            "--auth", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"],
                           check=True, stdout=log, stderr=log, cwd="/")
            settings = [part for name, value in POSTGRES_SETTINGS.items()
                        for part in ("-c", f"{name}={value}")]
            # postgres itself, not pg_ctl: its process is then ours to stop.
            command = [f"{tool}/postgres", "-D", data, "-p", str(self.postgres_port),
                       "-k", data, *settings]
            if os.getuid() == 0:
                command = [need("setpriv"), "--reuid=postgres", "--regid=postgres",
                           "--clear-groups", *command]
            self.postgres = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        wait_until(self._postgres_ready, "postgres takes connections")
        self.psql(file=os.path.join(HERE, "schema.sql"))

    def _postgres_ready(self) -> bool:
        return subprocess.run([f"{postgres_bin()}/pg_isready", "-q", "-h", "127.0.0.1",
                               "-p", str(self.postgres_port)]).returncode == 0

    def start_node(self) -> None:
        env = dict(os.environ, NODE_ENV="production", PORT=str(self.port),
                   DATABASE_URL=self.database_url, REDIS_PORT=str(self.redis_port),
                   WORKERS=str(self.workers), POOL_SIZE=str(self.pool_size))
        with self._log("node") as log:
            self.node = subprocess.Popen(["node", "server.js"], cwd=HERE, env=env,
                                         stdout=log, stderr=log)
        wait_until(lambda: port_open(self.port), "the Node.js peer listens")

    # -- questions -------------------------------------------------------------
    @property
    def database_url(self) -> str:
        return f"postgres://bench@127.0.0.1:{self.postgres_port}/postgres"

    def psql(self, command: str | None = None, file: str | None = None) -> str:
        what = ["-c", command] if command else ["-f", file]
        return subprocess.run(
            [f"{postgres_bin()}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1",
             self.database_url, *what],
            check=True, capture_output=True, text=True).stdout.strip()

    def jobs(self) -> int:
        return int(self.psql("SELECT count(*) FROM runnerhub.jobs"))

    def memory_kb(self) -> dict[str, dict[str, int]]:
        return {"node": memory_of_tree_kb(self.node.pid),
                "redis": memory_of_tree_kb(self.redis.pid),
                "postgres": memory_of_tree_kb(self.postgres.pid)}

    def versions(self) -> dict[str, str]:
        versions = {
            "node": version_of("node", "--version"),
            "redis": version_of("redis-server", "--version").split()[2].removeprefix("v="),
            "postgresql": version_of(f"{postgres_bin()}/postgres", "--version").split()[2],
        }
        for module in ("express", "bullmq", "pg"):
            path = os.path.join(HERE, "node_modules", module, "package.json")
            with open(path, encoding="utf-8") as file:
                versions[module] = json.load(file)["version"]
        return versions
