"""The `[api]` table that lot and cloud share."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, SecretStr, field_validator

from parkgraph.runtime.configuration import Substitute, Table
from parkgraph.runtime.configuration_values import (
    LoopbackAddress,
    PathFromFile,
    credential,
    read_secret,
)
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.toml_lines import KeyPath

KEY_CREDENTIAL: Final = "api.key"

_KEY: Final = re.compile(r"pk_(live|test)_[A-Za-z0-9_-]{16,128}")

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An opaque name of a lot, a lane, a space or a fleet."""


class ApiSettings(Table):
    """Where `/api/v1` listens and which key it takes."""

    listen: LoopbackAddress = Field(
        description="host and port on which /api/v1 answers; loopback only, as there is no TLS yet",
        examples=["127.0.0.1:8080"],
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

    @field_validator("key_file", mode="before")
    @classmethod
    def _is_not_the_key(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith(("pk_live_", "pk_test_")):
            raise ValueError("holds the key itself; write the key into a file and its path here")
        return value

    @field_validator("key_file")
    @classmethod
    def _holds_a_key(cls, path: PathFromFile) -> PathFromFile:
        try:
            key = read_secret(path)
        except RefusedError as error:
            raise ValueError(str(error)) from error
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
    """Return what stands in for `api.key_file` when systemd passed the key as a credential."""
    return credential(("api", "key_file"), KEY_CREDENTIAL)
