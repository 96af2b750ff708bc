"""What the simulated lot is made of, read from a TOML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from parkgraph.runtime.configuration import Table, load

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class Model(BaseModel):
    """Frozen, and refusing what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LotSettings(Table):
    """`[lot]`: the spaces in the order of their sensors, and the light to begin with."""

    spaces: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        default=(), description="ids of the spaces, each once", examples=[["S-01", "S-02"]]
    )
    night: bool = Field(default=False, description="whether it is dark", examples=[True])
    drive_seconds: float = Field(
        default=2.0,
        ge=0,
        le=600,
        description="how long a car takes from the entry to its space, 0 to 600 seconds",
        examples=[2.0],
    )

    @field_validator("spaces")
    @classmethod
    def _are_distinct(cls, spaces: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(spaces)) != len(spaces):
            raise ValueError("a space is named twice; keep one")
        return spaces


def _port(what: str) -> Any:
    return Field(
        default=0,
        ge=0,
        le=65535,
        description=f"TCP port of {what} on 127.0.0.1; 0 asks for a free one",
        examples=[0],
    )


class PortSettings(Table):
    """`[ports]`: TCP ports on 127.0.0.1; 0 asks the machine for a free one."""

    side_door: int = _port("the side door")
    cameras: int = _port("the cameras")
    space_sensors: int = _port("the space sensors")


class LaneSettings(Table):
    """`[lanes.NAME]`: one boom, its controller's port, and whether cars come in or go out."""

    direction: Literal["entry", "exit"] = Field(description='"entry" or "exit"', examples=["entry"])
    port: int = _port("the barrier controller")


class Settings(Table):
    """The whole file."""

    lot: LotSettings = Field(default=LotSettings(), description="spaces and light")
    ports: PortSettings = Field(default=PortSettings(), description="where everything listens")
    lanes: dict[Name, LaneSettings] = Field(
        min_length=1, description="a table [lanes.NAME] for each lane; at least one"
    )


def read(path: Path) -> Settings:
    """Read the settings in the file at `path`.

    Raises:
        ConfigurationError: with all faults of the file, a line each.
    """
    return load(path, Settings).settings


def in_one_line(error: ValidationError) -> str:
    """Say what is wrong with the first field that is: its path and the reason."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{field}: {reason}" if field else reason
