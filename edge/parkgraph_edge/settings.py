"""What `edge.toml` may say: one lot, its lanes, its spaces, and what the gateway talks to."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, AnyUrl, Field, ValidationInfo, field_validator

from parkgraph.front.settings import ApiSettings, Identifier, key_credential
from parkgraph.model.money import to_minor
from parkgraph.model.rates import RateCard
from parkgraph.model.records import Direction, SpaceClass
from parkgraph.runtime.configuration import Configuration, KeyFaultError, Table, load
from parkgraph.runtime.configuration_values import BrokerUrl, PathFromFile, RemoteAddress
from parkgraph.runtime.signatures import PublicKey
from parkgraph_edge.lot_settings import LotSettings, RatesSettings, SpaceIds, check_amount
from parkgraph_edge.rules.syntaxes import SYNTAXES

MOST_SPACES: Final = 20_000
LONGEST_OPEN_SECONDS: Final = 60.0


class SpacesSettings(Table):
    """The lot's spaces by class."""

    standard: SpaceIds = Field(
        default=(), description="ids of spaces for any vehicle", examples=[["S-01", "S-02"]]
    )
    autonomous: SpaceIds = Field(
        default=(), description="ids of spaces for autonomous vehicles", examples=[["A-01"]]
    )
    accessible: SpaceIds = Field(
        default=(),
        description="ids of accessible spaces; nobody else is ever sent there",
        examples=[["H-01"]],
    )


class CloudSettings(Table):
    """The cloud core, reached through a broker."""

    broker: BrokerUrl = Field(
        description="MQTT broker of the cloud core; without [cloud] the lot runs alone",
        examples=["mqtt://127.0.0.1:1883"],
    )
    public_keys: Annotated[tuple[PublicKey, ...], Field(strict=False)] = Field(
        min_length=1,
        max_length=4,
        description="who speaks for the cloud: what `parkgraph-cloud key` prints; two of them while"
        " an old one is replaced",
        examples=[["6kqPMLyOt2ueCX4Q4dqCVJ3Cq8gN6w3mBv7xhO2fC1U="]],
    )


class AllotmentsSettings(Table):
    """What the cloud may sell, also while this lot cannot be reached."""

    standard: int = Field(
        default=0, ge=0, le=20_000, description="how many standard spaces at a time", examples=[4]
    )
    autonomous: int = Field(
        default=0,
        ge=0,
        le=20_000,
        description="how many spaces for autonomous vehicles",
        examples=[2],
    )
    accessible: int = Field(
        default=0, ge=0, le=20_000, description="how many accessible spaces", examples=[1]
    )
    hours: float = Field(
        default=24.0,
        ge=1,
        le=168,
        description="how long the cloud may sell one without asking again, 1 to 168 hours; also the"
        " longest time for which a lot that is cut off can be booked",
        examples=[24.0],
        json_schema_extra={"unit": "hours"},
    )

    @property
    def by_class(self) -> dict[SpaceClass, int]:
        """How many of each class."""
        return {
            SpaceClass.STANDARD: self.standard,
            SpaceClass.AUTONOMOUS: self.autonomous,
            SpaceClass.ACCESSIBLE: self.accessible,
        }


class StateSettings(Table):
    """What survives a restart."""

    directory: PathFromFile = Field(
        description="folder of the ledger, on a disk that keeps what it was told to keep",
        examples=["/var/lib/parkgraph-edge"],
    )
    tail_directory: PathFromFile | None = Field(
        default=None,
        description="folder of a second copy of the newest records, best on another disk;"
        " without it the folder of the ledger",
        examples=["/mnt/second-disk/parkgraph-edge"],
    )
    reserve_mebibytes: int = Field(
        default=64,
        ge=1,
        le=1_048_576,
        description="with less free on the ledger's disk nothing new is booked or lent, and what"
        " was promised goes on; with less than four times that, less is logged and told; never"
        " more than an eighth of the disk",
        examples=[64],
        json_schema_extra={"unit": "MiB"},
    )
    ballast_mebibytes: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="size of a file that is removed when the disk is full, so that exits are still"
        " recorded; never more than a sixteenth of the disk",
        examples=[8],
        json_schema_extra={"unit": "MiB"},
    )


class SpaceSensorsSettings(Table):
    """The sensors over the spaces."""

    address: RemoteAddress = Field(
        description="Modbus TCP host and port of the space sensors", examples=["127.0.0.1:5020"]
    )


def _has_syntaxes(country: str) -> str:
    if country not in SYNTAXES:
        raise ValueError(f"no syntax is known of {country!r}; give some of {' '.join(SYNTAXES)}")
    return country


class VisionSettings(Table):
    """How plates are read."""

    countries: tuple[Annotated[str, AfterValidator(_has_syntaxes)], ...] = Field(
        default=(),
        description="ISO 3166 codes of the countries whose plates are common here; their syntax"
        " settles letters and digits that look alike",
        examples=[["GB", "IE"]],
    )

    detector: PathFromFile | None = Field(
        default=None,
        description="ONNX file of a plate detector of the site's own, YOLO exported end to end;"
        " without it the one that comes with the gateway",
        examples=["/etc/parkgraph/plates.onnx"],
    )
    reader: PathFromFile | None = Field(
        default=None,
        description="ONNX file of a plate reader of the site's own, CCT as fast-plate-ocr exports"
        " it, its plate configuration NAME_plate_config.yaml beside it; without it the one that"
        " comes with the gateway",
        examples=["/etc/parkgraph/cct.onnx"],
    )


class LaneSettings(Table):
    """One lane: a barrier, and perhaps a camera."""

    direction: Direction = Field(
        strict=False,
        description='which way cars drive: "entry" or "exit"',
        examples=["entry"],
    )
    barrier: RemoteAddress = Field(
        description="Modbus TCP host and port of the lane's barrier controller",
        examples=["127.0.0.1:5021"],
    )
    camera: str | None = Field(
        default=None,
        description="http or https URL of the lane's camera, MJPEG; without it no plate is read",
        examples=["http://127.0.0.1:8081/stream.mjpg"],
    )
    open_seconds: float = Field(
        default=8.0,
        gt=0,
        le=LONGEST_OPEN_SECONDS,
        description="how long the barrier is asked to stay open, more than 0 to 60 seconds",
        examples=[8.0],
        json_schema_extra={"unit": "seconds"},
    )

    @field_validator("camera")
    @classmethod
    def _is_a_camera(cls, url: str | None) -> str | None:
        schemes = ("http://", "https://")
        if url is not None and not (url.startswith(schemes) and _has_host(url)):
            raise ValueError(
                "is no camera; write an http or https URL of an MJPEG stream,"
                ' for example "http://127.0.0.1:8081/stream.mjpg"'
            )
        return url


class EdgeSettings(Table):
    """All of `edge.toml`."""

    lot: LotSettings = Field(description="the lot itself")
    spaces: SpacesSettings | None = Field(
        default=None, validate_default=True, description="spaces by class, instead of lot.spaces"
    )
    rates: RatesSettings = Field(
        default=RatesSettings(), description="how a stay is priced beside lot.rate_per_hour"
    )
    api: ApiSettings = Field(description="where /api/v1 listens")
    cloud: CloudSettings | None = Field(
        default=None, description="the cloud core; without it the lot runs alone"
    )
    allotments: AllotmentsSettings | None = Field(
        default=None, description="what the cloud may sell; without [allotments] nothing"
    )
    state: StateSettings = Field(description="what survives a restart")
    space_sensors: SpaceSensorsSettings | None = Field(
        default=None, description="the sensors over the spaces"
    )
    vision: VisionSettings = Field(default=VisionSettings(), description="how plates are read")
    lanes: dict[Identifier, LaneSettings] = Field(
        description="a table [lanes.NAME] for each lane; at least one entry and one exit",
        json_schema_extra={"minProperties": 2},
    )

    @field_validator("spaces")
    @classmethod
    def _are_a_lot(cls, spaces: SpacesSettings | None, info: ValidationInfo) -> object:
        lot = info.data.get("lot")
        if lot is None:
            return spaces
        if spaces is not None and lot.spaces is not None:
            raise ValueError("says again what lot.spaces says; keep one of the two")
        place = ("lot", "spaces") if spaces is None else ("spaces",)
        ids = list(chain.from_iterable(_by_class(lot, spaces).values()))
        if not 1 <= len(ids) <= MOST_SPACES:
            raise KeyFaultError(
                place,
                f"names {len(ids)} spaces; list 1 to {MOST_SPACES}, for example"
                ' spaces = ["S-01", "S-02"] in [lot]',
            )
        twice = [space for space, count in Counter(ids).items() if count > 1]
        if twice:
            raise KeyFaultError(place, f'names "{twice[0]}" more than once; keep one')
        return spaces

    @field_validator("rates")
    @classmethod
    def _are_in_its_money(cls, rates: RatesSettings, info: ValidationInfo) -> RatesSettings:
        lot = info.data.get("lot")
        for key in ("daily_cap", "autonomous_rate_per_hour"):
            written = getattr(rates, key)
            if lot is not None and written is not None:
                try:
                    check_amount(written, lot.currency)
                except ValueError as error:
                    raise KeyFaultError(("rates", key), str(error)) from error
        return rates

    @field_validator("lanes")
    @classmethod
    def _let_cars_in_and_out(cls, lanes: dict[str, LaneSettings]) -> dict[str, LaneSettings]:
        directions = {lane.direction for lane in lanes.values()}
        if Direction.EXIT not in directions:
            raise ValueError(
                "has no exit, so every car that enters would be trapped;"
                ' add a lane with direction = "exit"'
            )
        if Direction.ENTRY not in directions:
            raise ValueError(
                'has no entry, so no car could come in; add a lane with direction = "entry"'
            )
        owners: dict[str, str] = {}
        for name, lane in lanes.items():
            owner = owners.setdefault(str(lane.barrier), name)
            if owner != name:
                raise KeyFaultError(
                    ("lanes", name, "barrier"),
                    f"is the barrier of lane {owner} too, so one car would open both;"
                    " write this lane's own controller",
                )
        return lanes

    @property
    def spaces_by_class(self) -> Mapping[SpaceClass, tuple[str, ...]]:
        """The ids of all spaces, wherever the file lists them."""
        return _by_class(self.lot, self.spaces)

    @property
    def rate_card(self) -> RateCard:
        """What is charged until the cloud sets other rates; its version names its content."""
        currency, rates = self.lot.currency, self.rates
        cap, autonomous = rates.daily_cap, rates.autonomous_rate_per_hour
        card = RateCard(
            version="configured",
            currency=currency,
            unit_minor=to_minor(self.lot.rate_per_hour, currency),
            increment_minutes=rates.increment_minutes,
            grace_minutes=rates.grace_minutes,
            daily_cap_minor=None if cap is None else to_minor(cap, currency),
            tax_basis_points=int(Decimal(rates.tax_percent) * 100),
            autonomous_unit_minor=None if autonomous is None else to_minor(autonomous, currency),
        )
        digest = hashlib.sha256(card.model_dump_json().encode()).hexdigest()
        return card.model_copy(update={"version": f"configured-{digest[:8]}"})

    @property
    def space_count(self) -> int:
        """How many spaces the lot has."""
        return sum(len(ids) for ids in self.spaces_by_class.values())


def load_settings(path: Path) -> Configuration[EdgeSettings]:
    """Read `edge.toml` from `path`; the daemon wants `.settings` of it.

    Raises:
        ConfigurationError: with all faults of the file.
    """
    return load(path, EdgeSettings, substitutes=key_credential())


def _by_class(
    lot: LotSettings, spaces: SpacesSettings | None
) -> Mapping[SpaceClass, tuple[str, ...]]:
    listed = spaces or SpacesSettings(standard=lot.spaces or ())
    return MappingProxyType(
        {
            SpaceClass.STANDARD: listed.standard,
            SpaceClass.AUTONOMOUS: listed.autonomous,
            SpaceClass.ACCESSIBLE: listed.accessible,
        }
    )


def _has_host(url: str) -> bool:
    try:
        return bool(AnyUrl(url).host)
    except ValueError:
        return False
