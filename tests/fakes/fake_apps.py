"""GitHub Apps of the fake GitHub: where they are installed, and the tokens that
they get there.

    app = github.apps.add("12345", {"acme": None})     # all repositories of acme
    app = github.apps.add("12345", {"acme": {"acme/app"}}, contents=False)
    app.pem                            # its private key, as GitHub gives it out
    github.apps.tokens                 # those made so far, the last one last
    github.apps.revoke()               # all of them, before their time

Written from GitHub's documents on Apps; shares nothing with src/github. The
signatures are judged by Debian's python3-cryptography.
"""

import base64
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"message": "Not Found"})
UNPROCESSABLE: Answer = (422, {"message": "There is at least one repository that does not "
                               "exist or is not accessible to the parent installation."})


@dataclass
class App:
    id: str
    key: rsa.RSAPrivateKey
    installed: dict[str, set[str] | None]   # account: its repositories, None: all
    numbers: dict[str, int]                 # account: installation
    contents: bool

    @property
    def pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()).decode()

    def reaches(self, repo: str) -> bool:
        owner = repo.split("/")[0].lower()
        repos = self.installed.get(owner, set())
        return repos is None or repo.lower() in {name.lower() for name in repos}


@dataclass
class Token:
    value: str
    app: App
    account: str
    repositories: set[str] | None           # "acme/app"; None: all of the installation
    expires: float
    revoked: bool = False

    def reads(self, repo: str) -> bool:
        return (repo.lower().startswith(self.account + "/") and self.app.reaches(repo)
                and (self.repositories is None or repo.lower() in self.repositories))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Apps:
    def __init__(self) -> None:
        self.all: list[App] = []
        self.tokens: list[Token] = []
        self.lifetime = 3600
        self.renamed: dict[str, str] = {}   # repositories by an earlier name

    def add(self, app_id: str, installed: dict[str, set[str] | None],
            contents: bool = True) -> App:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = {owner: 100 * (len(self.all) + 1) + n for n, owner in enumerate(installed)}
        self.all.append(App(app_id, key, installed, numbers, contents))
        return self.all[-1]

    def clear(self) -> None:
        self.all.clear()
        self.tokens.clear()
        self.lifetime = 3600

    def revoke(self) -> None:
        for token in self.tokens:
            token.revoked = True

    def token(self, authorization: str | None) -> Token | None:
        """The living one that a request bears."""
        return next((token for token in self.tokens
                     if authorization == f"Bearer {token.value}" and not token.revoked
                     and token.expires > time.time()), None)

    # -- the calls -----------------------------------------------------------
    @staticmethod
    def takes(method: str, path: str) -> bool:
        return (method, path) == ("GET", "/app") or bool(re.fullmatch(
            r"GET /repos/[^/]+/[^/]+/installation"
            r"|POST /app/installations/\d+/access_tokens", f"{method} {path}"))

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        app = self._app(headers.get("Authorization", ""))
        if app is None:
            return 401, {"message": "A JSON web token could not be decoded"}
        if path == "/app":
            return 200, {"id": 1, "slug": "runner", "name": f"App {app.id}"}
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)/installation", path)
        if match:
            repo = match.group(1)
            if not app.reaches(repo):
                return NOT_FOUND
            return 200, {"id": app.numbers[repo.split("/")[0].lower()], "app_id": 1}
        return self._make(app, int(path.split("/")[3]), body)

    def _app(self, authorization: str) -> App | None:
        try:
            header, claims, signature = authorization.removeprefix("Bearer ").split(".")
            said = json.loads(_decoded(claims))
            app = next(app for app in self.all if app.id == said["iss"])
            app.key.public_key().verify(_decoded(signature), f"{header}.{claims}".encode(),
                                        padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, KeyError, StopIteration, InvalidSignature):
            return None
        now = time.time()
        good = (json.loads(_decoded(header))["alg"] == "RS256" and said["iat"] <= now
                and now < said["exp"] <= now + 600)
        return app if good else None

    def _make(self, app: App, number: int, body: bytes) -> Answer:
        account = next((owner for owner, known in app.numbers.items() if known == number), None)
        if account is None:
            return NOT_FOUND
        wish = json.loads(body or b"{}")
        if wish.get("permissions", {}) != {} and not app.contents:
            return 422, {"message": "The permissions requested are not granted to this "
                         "installation."}
        wanted = wish.get("repositories")
        names = {f"{account}/{name}".lower() for name in wanted} if wanted else None
        if names and not all(app.reaches(name) and name not in self.renamed
                             for name in names):
            return UNPROCESSABLE
        token = Token(f"ghs_{len(self.tokens):04}{'x' * 32}", app, account, names,
                      time.time() + self.lifetime)
        self.tokens.append(token)
        expires = datetime.fromtimestamp(token.expires, timezone.utc)
        return 201, {"token": token.value, "expires_at": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
                     "permissions": {"contents": "read", "metadata": "read"}}
