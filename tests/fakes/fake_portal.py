"""A developer portal (Backstage) for tests: its catalog, its sign-in tokens and
the keys that verify them, with the wire shapes of components-api 1.3 and 6, and
faults on demand.

    portal = FakePortal()                    # listens on 127.0.0.1, any port
    portal.url                               # the hub's RUNNERHUB_PORTAL_URL
    HUB_TOKEN                                # its RUNNERHUB_PORTAL_TOKEN
    portal.add(entity("demo-web", annotations={...}, owner="group:default/a"))
    portal.user_token("user:default/jane", ent=["group:default/a"])
    portal.plugin_token("scaffolder")        # of another plugin, for `runner`
    portal.rotate()                          # new signing keys, the old retire
    portal.rotate(keep=False)                # ... are withdrawn at once
    portal.fail(path="/by-name/", status=503)   # faults, and more: fake_http.py
    portal.close()

A token is made as told: user_token(..., typ=None) of old ones, exp=..., or
tokens_key=... to sign with a key that nobody publishes. Entities may be for
some eyes only: add(entity(...), visible_to={"user:default/jane"}).

The tests' own signatures and keys come from Debian's python3-cryptography;
written from Backstage's documents alone, it shares nothing with src/portal.
"""

import base64
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (decode_dss_signature,
                                                             encode_dss_signature)

from fake_http import FakeServer, Seen
from portal_catalog import Catalog, InputError, entity, ref_of  # noqa: F401

HUB_TOKEN = "hub-of-the-tests-static"
USER_TYPE, PLUGIN_TYPE = "vnd.backstage.user", "vnd.backstage.plugin"
LIMITED_TYPE = "vnd.backstage.limited-user"
REASONS = {400: "InputError", 401: "AuthenticationError", 403: "NotAllowedError",
           404: "NotFoundError", 503: "ServiceUnavailableError"}


class Refused(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SigningKey:
    """One ES256 key, as JWK and as a maker of tokens."""

    def __init__(self) -> None:
        self.kid = str(uuid.uuid4())
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, str]:
        point = self.private.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": self.kid,
                "x": base64url(point.x.to_bytes(32, "big")),
                "y": base64url(point.y.to_bytes(32, "big"))}

    def token(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        parts = [base64url(json.dumps(part, separators=(",", ":")).encode())
                 for part in (header, claims)]
        signed = ".".join(parts).encode()
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return ".".join([*parts, base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))])

    def signed(self, token: str) -> bool:
        text, _, signature = token.rpartition(".")
        raw = from_base64url(signature)
        try:
            self.private.public_key().verify(
                encode_dss_signature(int.from_bytes(raw[:32], "big"),
                                     int.from_bytes(raw[32:], "big")),
                text.encode(), ec.ECDSA(hashes.SHA256()))
        except Exception:
            return False
        return True


class KeySet:
    """What one issuer publishes; the last key signs."""

    def __init__(self) -> None:
        self.keys = [SigningKey()]

    @property
    def current(self) -> SigningKey:
        return self.keys[-1]

    def rotate(self, keep: bool) -> None:
        self.keys = (self.keys if keep else []) + [SigningKey()]

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.jwk for key in self.keys]}

    def find(self, kid: str) -> SigningKey | None:
        return next((key for key in self.keys if key.kid == kid), None)


class FakePortal(FakeServer):
    content_type = "application/json; charset=utf-8"

    def __init__(self, certificate: tuple[str, str] | None = None):
        self.catalog = Catalog()
        self.users = KeySet()
        self.plugins: dict[str, KeySet] = {}        # those that issued a token
        self.static_tokens = {HUB_TOKEN: "external:runnerhub"}
        self.restricted: dict[str, str] = {}        # static token: its plugin
        super().__init__(certificate)

    # -- what tests arrange ----------------------------------------------------
    def add(self, thing: dict[str, Any], visible_to: set[str] | None = None) -> dict[str, Any]:
        return self.catalog.add(thing, visible_to)

    def rotate(self, keep: bool = True) -> None:
        self.users.rotate(keep)
        for keys in self.plugins.values():
            keys.rotate(keep)

    # -- tokens ----------------------------------------------------------------
    def user_token(self, sub: str = "user:default/jane", ent: list[str] | None = None, *,
                   typ: str | None = USER_TYPE, tokens_key: SigningKey | None = None,
                   header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A claim that is given as None is left out."""
        now = int(time.time())
        return self._token(tokens_key or self.users.current, typ, header, {
            "iss": f"{self.url}/api/auth", "sub": sub, "ent": ent if ent is not None else [sub],
            "aud": "backstage", "iat": now, "exp": now + 3600, "uip": "not-looked-at"} | claims)

    def plugin_token(self, sub: str = "scaffolder", aud: str = "runner", *,
                     typ: str | None = PLUGIN_TYPE, tokens_key: SigningKey | None = None,
                     header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        keys = self.plugins.setdefault(sub, KeySet())
        return self._token(tokens_key or keys.current, typ, header,
                           {"sub": sub, "aud": aud, "iat": now, "exp": now + 3600} | claims)

    @staticmethod
    def _token(key: SigningKey, typ: str | None, header: dict[str, Any] | None,
               claims: dict[str, Any]) -> str:
        head = {"typ": typ, "alg": "ES256", "kid": key.kid} | (header or {})
        return key.token({k: v for k, v in head.items() if v is not None},
                         {k: v for k, v in claims.items() if v is not None})

    def _claims(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            header, claims = (json.loads(from_base64url(part)) for part in token.split(".")[:2])
            return header, claims
        except ValueError:
            raise Refused(401, "Illegal token") from None

    def _judge(self, header: dict[str, Any], claims: dict[str, Any], token: str) -> str:
        """Who bears it: a ref of a user, or "plugin:<id>"."""
        if header.get("typ") == PLUGIN_TYPE:
            keys, name = self.plugins.get(claims.get("sub", ""), KeySet()), "plugin"
        elif header.get("typ") == USER_TYPE or claims.get("aud") == "backstage":
            keys, name = self.users, "user"
        else:
            raise Refused(401, "Illegal token")
        key = keys.find(header.get("kid", ""))
        if key is None or not key.signed(token) or claims.get("exp", 0) < time.time():
            raise Refused(401, f"Failed {name} token verification")
        return claims["sub"] if name == "user" else f"plugin:{claims['sub']}"

    def bearer(self, headers: dict[str, str], plugin: str) -> str:
        match = re.fullmatch(r"(?i)bearer +(\S+)", headers.get("Authorization", ""))
        if not match:
            raise Refused(401, "Missing credentials")
        token = match.group(1)
        if token in self.static_tokens:
            if self.restricted.get(token, plugin) != plugin:
                raise Refused(403, "This token's access is restricted to plugin(s) "
                                   f"'{self.restricted[token]}'")
            return self.static_tokens[token]
        return self._judge(*self._claims(token), token)

    # -- the calls -------------------------------------------------------------
    def answer(self, seen: Seen) -> Any:
        path, _, text = seen.path.partition("?")
        query = parse_qsl(text, keep_blank_values=True)
        if seen.method == "GET" and path == "/api/auth/.well-known/jwks.json":
            return self.users.jwks
        plugin = re.fullmatch(r"/api/([^/]+)/\.backstage/auth/v1/jwks\.json", path)
        if seen.method == "GET" and plugin:
            keys = self.plugins.get(plugin.group(1))
            return keys.jwks if keys else {"keys": []}
        if path == "/api/auth/guest/refresh":
            return self._guest()
        if path == "/api/auth/v1/userinfo":
            return self._userinfo(seen)
        if path.startswith("/api/catalog/"):
            who = self.bearer(seen.headers, "catalog")
            parts = [unquote(part) for part in path.split("/")[3:]]
            return self.catalog.answer(seen.method, parts, query, who, seen)
        raise Refused(404, f"No such path: {path}")

    def _guest(self) -> dict[str, Any]:
        sub = "user:development/guest"
        return {"profile": {}, "providerInfo": {}, "backstageIdentity": {
            "token": self.user_token(sub), "expiresInSeconds": 3600,
            "identity": {"type": "user", "userEntityRef": sub, "ownershipEntityRefs": [sub]}}}

    def _userinfo(self, seen: Seen) -> dict[str, Any]:
        who = self.bearer(seen.headers, "auth")
        if not who.startswith("user:"):
            raise Refused(400, "User info is for users only")
        claims = self._claims(seen.headers["Authorization"].split()[1])[1]
        return {"claims": {"sub": claims["sub"], "ent": claims["ent"]}}

    # -- answers ---------------------------------------------------------------
    @staticmethod
    def _envelope(seen: Seen, status: int, message: str) -> dict[str, Any]:
        return {"error": {"name": REASONS.get(status, "Error"), "message": message},
                "request": {"method": seen.method, "url": re.sub(r"^/api/[^/]+", "", seen.path)},
                "response": {"statusCode": status}}

    def fault_body(self, seen: Seen, status: int) -> Any:
        return self._envelope(seen, status, "a fault of the tests")

    def respond(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        try:
            return 200, self.answer(seen), {}
        except Refused as refused:
            status, message = refused.status, str(refused)
        except InputError as wrong:
            status, message = 400, str(wrong)
        except KeyError as missing:
            status, message = 404, str(missing.args[0])
        return status, self._envelope(seen, status, message), {}


def main() -> None:
    """By hand: python3 tests/fakes/fake_portal.py"""
    portal = FakePortal()
    print(f"RUNNERHUB_PORTAL_URL={portal.url} RUNNERHUB_PORTAL_TOKEN={HUB_TOKEN}")
    print(f"a token of a user: {portal.user_token()}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
