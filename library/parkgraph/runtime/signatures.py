"""Who said it: Ed25519 signatures (RFC 8032) of messages, over their topic and their payload."""

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator

from parkgraph.runtime.secret_file import BYTES, kept_secret

KEY_FILE: Final = "signing.key"


class SigningKey:
    """The private half. Whoever has it can speak to every lot that knows the public half."""

    def __init__(self, secret: bytes) -> None:
        """Sign with `secret`, 32 random bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def kept_in(cls, directory: Path) -> "SigningKey":
        """Return the key of `directory`, made at the first call.

        Raises:
            UnavailableError: it can be neither read nor made, or is damaged.
        """
        return cls(kept_secret(directory / KEY_FILE, os.urandom))

    @property
    def public_key(self) -> str:
        """What others have to know, in Base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, topic: str, payload: bytes) -> str:
        """Return the signature of a message, in Base64."""
        return base64.b64encode(self._key.sign(_said(topic, payload))).decode()


class PublicKeys:
    """Who is believed: more than one key while an old one is replaced."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Believe those who signed with one of `keys`, each as `SigningKey.public_key`."""
        self._keys = [Ed25519PublicKey.from_public_bytes(_decoded(key)) for key in keys]

    def believe(self, topic: str, payload: bytes, signature: str | None) -> bool:
        """Tell whether the owner of one of them signed the message."""
        try:
            signed = base64.b64decode(signature or "", validate=True)
        except (binascii.Error, ValueError):
            return False
        return any(_fits(key, signed, _said(topic, payload)) for key in self._keys)


def _is_public_key(text: str) -> str:
    _decoded(text)
    return text


PublicKey = Annotated[str, AfterValidator(_is_public_key)]
"""A public key as `parkgraph-cloud key` prints it."""


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != BYTES:
        raise ValueError(f"{text!r} is no public key; run parkgraph-cloud key where the cloud runs")
    return key


def _fits(key: Ed25519PublicKey, signature: bytes, said: bytes) -> bool:
    try:
        key.verify(signature, said)
    except InvalidSignature:
        return False
    return True


def _said(topic: str, payload: bytes) -> bytes:
    return topic.encode() + b"\0" + payload  # no topic has a NUL: MQTT 5, section 4.7.3
