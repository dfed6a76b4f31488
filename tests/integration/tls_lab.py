"""Certificates for tests: an authority, what it vouches for, and what it should
not have."""

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NAMES = ("localhost", "127.0.0.1")


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Pair:
    """The files of a certificate and of its key."""

    certificate: str
    key: str

    def hub_env(self) -> dict[str, str]:
        return {"RUNNERHUB_TLS_CERT": self.certificate, "RUNNERHUB_TLS_KEY": self.key}

    def client_env(self) -> dict[str, str]:
        return {"RUNNERHUB_CLIENT_CERT": self.certificate, "RUNNERHUB_CLIENT_KEY": self.key}

    def _read(self) -> x509.Certificate:
        with open(self.certificate, "rb") as file:
            return x509.load_pem_x509_certificate(file.read())

    def serial(self) -> int:
        return self._read().serial_number

    def expires(self) -> float:
        return self._read().not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()

    def replace_by(self, other: "Pair") -> None:
        """As an ACME client does it: one rename after the other."""
        for mine, new in ((self.certificate, other.certificate), (self.key, other.key)):
            with open(new, "rb") as source, open(mine + ".new", "wb") as target:
                os.fchmod(target.fileno(), 0o600)
                target.write(source.read())
            os.rename(mine + ".new", mine)


class Authority:
    """Vouches for the certificates that it makes into its directory."""

    def __init__(self, directory: str, name: str = "The tests' authority") -> None:
        self.directory = directory
        self.name = _common_name(name)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0
        now = datetime.datetime.utcnow()
        certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256()))
        self.file = self._write("ca", certificate.public_bytes(serialization.Encoding.PEM))

    def _write(self, name: str, data: bytes) -> str:
        path = os.path.join(self.directory, f"{name}.pem")
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
        return path

    def make(self, subject: str = "hub", names: tuple[str, ...] = NAMES, first_day: int = -1,
             last_day: int = 60, pass_phrase: bytes | None = None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder().subject_name(_common_name(subject)).issuer_name(self.name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + first_day * DAY).not_valid_after(now + last_day * DAY))
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), False)
        sealing = (serialization.BestAvailableEncryption(pass_phrase) if pass_phrase
                   else serialization.NoEncryption())
        certificate = builder.sign(self.key, hashes.SHA256())
        self._count += 1
        return Pair(
            self._write(f"{self._count}-{subject}.crt",
                        certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{self._count}-{subject}.key",
                        key.private_bytes(serialization.Encoding.PEM,
                                          serialization.PrivateFormat.PKCS8, sealing)))

    def client(self, own: Pair | None = None) -> ssl.SSLContext:
        """Somebody who trusts this authority, and perhaps shows a certificate."""
        context = ssl.create_default_context(cafile=self.file)
        context.set_alpn_protocols(["http/1.1"])
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        return context
