"""Certificates that vouch for themselves, and callers that believe them."""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from parkgraph.runtime.clock import SystemClock

NAME: Final = "lot.example"


class Files(NamedTuple):
    """Where a certificate is, and its key."""

    certificate: Path
    private_key: Path


def a_certificate(
    folder: Path, name: str = "own", *, host: str = NAME, password: bytes | None = None
) -> Files:
    """Write a new certificate for `host`, and its key, into `folder`; in place of older ones."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Files(folder / f"{name}.pem", folder / f"{name}.key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.private_key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption(),
        )
    )
    files.private_key.chmod(0o600)
    return files


def believing(files: Files) -> ssl.SSLContext:
    """Return what a caller needs who believes the certificate in `files`, and no other."""
    return ssl.create_default_context(cafile=files.certificate)
