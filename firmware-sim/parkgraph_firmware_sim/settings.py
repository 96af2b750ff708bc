"""What the simulated lot is made of, read from a TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from parkgraph.runtime.errors import RefusedError

Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class Model(BaseModel):
    """Frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LotSettings(Model):
    """`[lot]`: the spaces in the order of their sensors, and the light to begin with."""

    spaces: tuple[Name, ...] = ()
    night: bool = False
    drive_seconds: Annotated[float, Field(ge=0, le=600)] = 2.0
    """How long a car takes from the entry to its space."""


class PortSettings(Model):
    """`[ports]`: TCP ports on 127.0.0.1; 0 asks the machine for a free one."""

    side_door: Port = 0
    cameras: Port = 0
    space_sensors: Port = 0


class LaneSettings(Model):
    """`[lanes.NAME]`: one boom, its controller's port, and whether cars come in or go out."""

    direction: Literal["entry", "exit"]
    port: Port = 0


class Settings(Model):
    """The whole file."""

    lot: LotSettings = LotSettings()
    ports: PortSettings = PortSettings()
    lanes: Annotated[dict[Name, LaneSettings], Field(min_length=1)]

    @model_validator(mode="after")
    def _spaces_are_distinct(self) -> "Settings":
        if len(set(self.lot.spaces)) != len(self.lot.spaces):
            raise ValueError("lot.spaces: a space is named twice")
        return self


def read(path: Path) -> Settings:
    """Read the settings in the file at `path`.

    Raises:
        RefusedError: there is no such file, or it is not what it should be; one line says where.
    """
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise RefusedError(f"{path}: {in_one_line(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path}: {error}") from error


def in_one_line(error: ValidationError) -> str:
    """Say what is wrong with the first field that is: its path and the reason."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{field}: {reason}" if field else reason
