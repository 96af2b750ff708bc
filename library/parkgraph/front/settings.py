"""The `[api]` table that lot and cloud share."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from parkgraph.runtime.configuration import KeyFaultError, Substitute, Table
from parkgraph.runtime.configuration_values import (
    OwnAddress,
    PathFromFile,
    credential,
    read_secret,
)
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.tls import check_certificate, server_context
from parkgraph.runtime.toml_lines import KeyPath

# A key of 16,384 bits, with the certificate beside it that some tools put there.
LARGEST_PRIVATE_KEY_KIBIBYTES: Final = 64

_KEY: Final = re.compile(r"pk_(live|test)_[A-Za-z0-9_-]{16,128}")

Checked = TypeVar("Checked")

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An opaque name of a lot, a lane, a space or a fleet."""


class ApiSettings(Table):
    """Where `/api/v1` listens and which key it takes."""

    listen: OwnAddress = Field(
        description="host and port on which /api/v1 answers; loopback only, or any with"
        " certificate and private_key",
        examples=["127.0.0.1:8080"],
    )
    certificate: PathFromFile | None = Field(
        default=None,
        validate_default=True,
        description="PEM file of the server's certificate and of those that vouch for it; with it"
        " /api/v1 speaks TLS 1.3 only; read anew when it changes; systemd's credential"
        " api.certificate stands in for it",
        examples=["fullchain.pem"],
    )
    private_key: PathFromFile | None = Field(
        default=None,
        validate_default=True,
        description="PEM file of the certificate's private key, without a password, that only its"
        " owner can open; systemd's credential api.private_key stands in for it",
        examples=["privkey.pem"],
    )
    plain_listen: OwnAddress | None = Field(
        default=None,
        description="host and port that answer plain HTTP with 426 and nothing else, to send"
        " callers to TLS; only beside a certificate",
        examples=["0.0.0.0:80"],
    )
    key_file: PathFromFile = Field(
        description="file that holds one API key (pk_live_… or pk_test_…) and that only its owner"
        " can open; systemd's credential api.key stands in for it",
        examples=["api.key"],
    )
    fleet_id: Identifier | None = Field(
        default=None,
        description="fleet that the key belongs to; 1 to 64 letters, digits, '-' and '_'",
        examples=["fleet-1"],
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="calls a minute that this key may make, of each class (create, read, other);"
        " takes the place of the public limits for this key; 1 to 1000000",
        examples=[600],
    )

    @field_validator("certificate")
    @classmethod
    def _is_one(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        listen = info.data.get("listen")
        if path is not None:
            _told(check_certificate, path)
        elif listen is not None and not listen.is_loopback:
            raise KeyFaultError(
                ("api", "listen"),
                f"{listen.host} can be reached from the network, and there is no TLS yet;"
                ' listen on loopback, for example "127.0.0.1:8080", or give certificate and'
                " private_key",
            )
        return path

    @field_validator("private_key")
    @classmethod
    def _belongs_to_the_certificate(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None:
            _told(partial(read_secret, largest_kibibytes=LARGEST_PRIVATE_KEY_KIBIBYTES), path)
        if "certificate" not in info.data:
            return path  # which was told
        certificate = info.data["certificate"]
        if certificate is not None and path is not None:
            _told(server_context, certificate, path)
        elif path is not None:
            raise KeyFaultError(
                ("api", "certificate"),
                "is missing; give the certificate that private_key belongs to, or remove both",
            )
        elif certificate is not None:
            raise ValueError("is missing; give the private key of certificate, or remove both")
        return path

    @field_validator("plain_listen")
    @classmethod
    def _is_beside_tls(cls, address: OwnAddress, info: ValidationInfo) -> OwnAddress:
        if info.data.get("certificate", ...) is None:
            raise ValueError(
                "sends callers to TLS, and there is none; give certificate and private_key,"
                " or remove plain_listen"
            )
        return address

    @field_validator("key_file", mode="before")
    @classmethod
    def _is_not_the_key(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith(("pk_live_", "pk_test_")):
            raise ValueError("holds the key itself; write the key into a file and its path here")
        return value

    @field_validator("key_file")
    @classmethod
    def _holds_a_key(cls, path: PathFromFile) -> PathFromFile:
        key = _told(read_secret, path)
        if not _KEY.fullmatch(key.get_secret_value()):
            raise ValueError(f"{path} holds no API key; write one pk_live_… or pk_test_… into it")
        return path

    def read_key(self) -> SecretStr:
        """Return the API key, read anew.

        Raises:
            RefusedError: the file has become unreadable, or readable by others.
        """
        return read_secret(self.key_file)


def key_credential() -> Mapping[KeyPath, Substitute]:
    """Return what stands in for files of `[api]` that systemd passed as credentials."""
    return {
        **credential(("api", "key_file"), "api.key"),
        **credential(("api", "certificate"), "api.certificate"),
        **credential(("api", "private_key"), "api.private_key"),
    }


def _told(check: Callable[..., Checked], *paths: Path) -> Checked:
    """Return what `check` makes of files, a refusal as the fault that pydantic asks for."""
    try:
        return check(*paths)
    except RefusedError as error:
        raise ValueError(str(error)) from error
