"""A TOML file in, a frozen model out; or every fault in it, each with its line and what to do."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.toml_lines import KeyPath, key_lines

LARGEST_FILE_BYTES: Final = 4 * 1024 * 1024
LONGEST_ECHO: Final = 60

_SYNTAX_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_PASSWORD: Final = re.compile(r"//[^/@]*@")
_NO_SUBSTITUTES: Final[Mapping[KeyPath, "Substitute"]] = MappingProxyType({})


class Table(BaseModel):
    """A table of a configuration file. Unknown keys are refused; a number in quotes is no number.

    A field's description is its rule, its first example what to write instead of a wrong value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Settings = TypeVar("Settings", bound=Table)


class ConfigurationError(RefusedError):
    """The file cannot be used. Each line of the text names one fault: `FILE:LINE: key: …`."""


class KeyFaultError(ValueError):
    """Raised by a validator whose fault stands at another `key` than the field it looks at."""

    def __init__(self, key: KeyPath, what: str) -> None:
        super().__init__(what)
        self.key = key


@dataclass(frozen=True, slots=True)
class Substitute:
    """A value that stands in for what the file says, and `source`: where it comes from."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Configuration(Generic[Settings]):
    """What a file says, and on which line it says it."""

    path: Path
    settings: Settings
    lines: Mapping[KeyPath, int]
    substitutes: Mapping[KeyPath, Substitute]

    def source(self, key: KeyPath) -> str:
        """Say where the value of `key` comes from: "edge.toml:7", "default" or a substitute's."""
        if key in self.substitutes:
            return self.substitutes[key].source
        return f"{self.path.name}:{self.lines[key]}" if key in self.lines else "default"


def load(
    path: Path,
    model: type[Settings],
    *,
    substitutes: Mapping[KeyPath, Substitute] = _NO_SUBSTITUTES,
) -> Configuration[Settings]:
    """Read the file `path` into `model`; relative paths in it count from the file's own folder.

    Validators find that folder as `info.context["directory"]`.

    Raises:
        ConfigurationError: with all faults of the file, a line each, in the order of the file.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_syntax_fault(path, text, str(error))) from error
    lines = key_lines(text)
    for key, substitute in substitutes.items():
        _put(document, key, substitute.value)
    try:
        settings = model.model_validate(document, context={"directory": path.absolute().parent})
    except ValidationError as error:
        faults = sorted({_fault(model, lines, details) for details in error.errors()})
        told = "\n".join(f"{path}:{line}: {what}" for line, what in faults)
        raise ConfigurationError(told) from error
    return Configuration(path, settings, lines, substitutes)


def written(key: KeyPath) -> str:
    """Return `key` as TOML has it: `lanes.north-in.barrier`, `lot.spaces[3]`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += f".{part if plain else json.dumps(part, ensure_ascii=False)}"
    return text.removeprefix(".")


def shown(value: object) -> str:
    """Return `value` as TOML has it, a password in a URL left out."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(member) for member in value)}]"
    plain = value if isinstance(value, bool | int | float) else str(value)
    return _PASSWORD.sub("//…@", json.dumps(plain, ensure_ascii=False))


def fields_below(
    model: type[BaseModel], table: KeyPath = ()
) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Yield every key of `model` that has one place, tables and their keys, in their order."""
    for name, field in model.model_fields.items():
        yield (*table, name), field
        kind = _without_none(field.annotation)
        if _is_table(kind):
            yield from fields_below(kind, (*table, name))


def field_at(model: type[BaseModel], key: KeyPath) -> FieldInfo | None:
    """Return the field that `key` belongs to; members of an array or mapping share its field."""
    kind: Any = model
    field = None
    for part in key:
        if not _is_table(kind):
            members = [member for member in get_args(kind) if member is not Ellipsis]
            kind = _without_none(members[-1]) if members else None
            continue
        field = kind.model_fields.get(part)
        if field is None:
            return None
        kind = _without_none(field.annotation)
    return field


def table_at(model: type[BaseModel], key: KeyPath) -> type[BaseModel] | None:
    """Return the model of the table at `key`, or None where no table belongs."""
    kind: Any = model
    for part in key:
        if _is_table(kind):
            field = kind.model_fields.get(part)
            kind = _without_none(field.annotation) if field else None
        else:
            members = get_args(kind)
            kind = _without_none(members[-1]) if members else None
    return kind if _is_table(kind) else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}; check the path and who may read the file"
        ) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise ConfigurationError(f"{path}:1: is over 4 MiB; this is no configuration file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: is not UTF-8; save the file as UTF-8") from error


def _syntax_fault(path: Path, text: str, message: str) -> str:
    place = _SYNTAX_PLACE.search(message)
    line = int(place[1]) if place and place[1] else len(text.splitlines()) or 1
    what = _SYNTAX_PLACE.sub("", message)
    hint = "a text stands in quotes, a key once in its table" if "value" in what else "see toml.io"
    return f"{path}:{line}: is not TOML: {what[:1].lower()}{what[1:]}; {hint}"


def _put(document: dict[str, Any], key: KeyPath, value: str) -> None:
    table: Any = document
    for part in key[:-1]:
        table = table.setdefault(part, {}) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table[key[-1]] = value


def _fault(
    model: type[BaseModel], lines: Mapping[KeyPath, int], details: ErrorDetails
) -> tuple[int, str]:
    cause = details.get("ctx", {}).get("error")
    key = cause.key if isinstance(cause, KeyFaultError) else details["loc"]
    if key and key[-1] == "[key]":  # pydantic's word for the name of a mapping's member
        key = key[:-1]
        what = "is no name that can be used; write 1 to 64 letters, digits, '-' and '_'"
    elif details["type"] == "missing":
        what = _missing(model, key)
    elif details["type"] == "extra_forbidden":
        what = _unknown(model, key)
    elif cause is not None:
        what = str(cause)
    else:
        what = _wrong(model, key, details)
    what = " ".join(what.splitlines())  # a path may hold line breaks
    return _line(lines, key), f"{written(key)}: {what}" if key else what


def _line(lines: Mapping[KeyPath, int], key: KeyPath) -> int:
    """The line of `key`, of the table it is missing in, or the first."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def _missing(model: type[BaseModel], key: KeyPath) -> str:
    field = field_at(model, key)
    if table_at(model, key) is not None or (field and get_origin(field.annotation) is dict):
        return f"is missing; add the table [{written(key)}]: {_rule(model, key)}"
    return f"is missing; add {_example(model, key)}: {_rule(model, key)}"


def _unknown(model: type[BaseModel], key: KeyPath) -> str:
    name = str(key[-1])
    table = table_at(model, key[:-1])
    known = list(table.model_fields) if table else []
    elsewhere = [place for place, _ in fields_below(model) if place[-1] == name]
    if elsewhere:
        return f"is unknown here; did you mean {written(elsewhere[0])}?"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"is unknown; did you mean {near[0]}?"
    return f"is unknown; known here: {', '.join(known)}"


def _wrong(model: type[BaseModel], key: KeyPath, details: ErrorDetails) -> str:
    value = details["input"]
    if table_at(model, key) is not None:
        return f"is no table; write [{written(key)}] and its keys on lines of their own"
    echo = "a table" if isinstance(value, dict) else shown(value)
    if len(echo) > LONGEST_ECHO:
        echo = f"{echo[:LONGEST_ECHO]}…"
    message = re.sub(r"^(Input|String|Tuple|List) ", "", details["msg"])
    message = re.sub(r"match pattern '.*'", "be of another form", message).replace("tuple", "list")
    example = _example(model, key)
    return f"is {echo}, {message}; {_rule(model, key)}; for example {example}"


def _rule(model: type[BaseModel], key: KeyPath) -> str:
    field = field_at(model, key)
    return (field.description if field else None) or "no rule is known"


def _example(model: type[BaseModel], key: KeyPath) -> str:
    field = field_at(model, key)
    names = [part for part in key if isinstance(part, str)]
    example = (field.examples if field else None) or ["…"]
    return f"{names[-1]} = {shown(example[0])}"


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _without_none(annotation: Any) -> Any:
    members = [member for member in get_args(annotation) if member is not type(None)]
    is_optional = len(members) == 1 and type(None) in get_args(annotation)
    return members[0] if is_optional else annotation
