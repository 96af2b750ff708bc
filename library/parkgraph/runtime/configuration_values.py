"""Values that several configuration files hold: addresses, brokers, paths, secrets in files."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from parkgraph.runtime.configuration import Substitute
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.toml_lines import KeyPath

LARGEST_PORT: Final = 65535

_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only programs of this machine reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where an MQTT broker listens."""

    address: Address

    def __str__(self) -> str:
        return f"mqtt://{self.address}"


def _address(value: object) -> Address:
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[3]) > LARGEST_PORT:
        raise ValueError(
            "is no host and port; write both in quotes, the port 0 to 65535,"
            ' for example "127.0.0.1:5021" or "[::1]:5021"'
        )
    return Address(match[1] or match[2], int(match[3]))


def _remote_address(value: object) -> Address:
    address = _address(value)
    if address.port == 0:
        raise ValueError("has port 0; write the port that the device listens on, 1 to 65535")
    return address


def _broker(value: object) -> Broker:
    url = urlsplit(value) if isinstance(value, str) else urlsplit("")
    if url.scheme != "mqtt" or url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError('is no MQTT broker; write it as "mqtt://127.0.0.1:1883"')
    if "@" in url.netloc:
        raise ValueError("holds a user or password; secrets do not belong in this file, remove it")
    has_port = re.search(r":[0-9]+$", url.netloc)
    return Broker(_remote_address(url.netloc if has_port else f"{url.netloc}:1883"))


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError('is no path; write it in quotes, for example "/var/lib/gateway"')
    if value.startswith("~"):
        raise ValueError("begins with ~, which only a shell knows; write the whole path")
    directory = (info.context or {}).get("directory", Path.cwd())
    return Path(directory) / value


def read_secret(path: Path, *, largest_kibibytes: int = 4) -> SecretStr:
    """Return the text of the file `path`, blanks around it left out.

    Raises:
        RefusedError: it cannot be read, is empty or too large, or others can read it too. Files in
            systemd's credentials directory may be: systemd guards them by their folder.
    """
    try:
        with path.open("rb") as file:
            is_open_to_others = bool(os.fstat(file.fileno()).st_mode & 0o077)
            content = file.read(largest_kibibytes * 1024 + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RefusedError(
            f"{path} cannot be read: {reason}; write the secret into it and run: chmod 600 {path}"
        ) from error
    if is_open_to_others and not _is_credential(path):
        raise RefusedError(f"other users of this machine can open {path}; run: chmod 600 {path}")
    text = content.decode(errors="replace").strip()
    if not text or len(content) > largest_kibibytes * 1024:
        raise RefusedError(
            f"{path} is empty or over {largest_kibibytes} KiB; write one secret into it"
        )
    return SecretStr(text)


def credential(key: KeyPath, name: str) -> Mapping[KeyPath, Substitute]:
    """Return what stands in for the path at `key` when systemd was told to pass a file `name`.

    Source: systemd.exec(5), LoadCredential=.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory or not (Path(directory) / name).exists():
        return {}
    return {key: Substitute(str(Path(directory) / name), "credential of systemd")}


def _is_credential(path: Path) -> bool:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(directory) and path.parent == Path(str(directory))


RemoteAddress = Annotated[
    Address,
    BeforeValidator(_remote_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": ":[0-9]{1,5}$"}),
]
"""Where something else listens: host and port 1 to 65535."""

OwnAddress = Annotated[
    Address,
    BeforeValidator(_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": ":[0-9]{1,5}$"}),
]
"""Where we listen; port 0 takes any free one."""

BrokerUrl = Annotated[
    Broker,
    BeforeValidator(_broker),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^mqtt://[^/@]+/?$"}),
]
"""An MQTT broker, `mqtt://host:port`; the port is 1883 when it is left out."""

PathFromFile = Annotated[
    Path,
    BeforeValidator(_path),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A path; a relative one counts from the folder of the configuration file."""
