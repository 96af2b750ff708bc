"""`config check` and `config show`: what a file says, and what is wrong with it."""

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from parkgraph.runtime.configuration import (
    Configuration,
    ConfigurationError,
    Table,
    field_at,
    shown,
    written,
)
from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.settings import EdgeSettings, load_settings

if TYPE_CHECKING:
    from parkgraph.runtime.toml_lines import KeyPath

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (its only name)

SUCCESS: Final = 0
FAULTY: Final = 2


def add_parser(subparsers: "Subparsers") -> None:
    """Add `config check FILE` and `config show FILE`.

    The parsed arguments have `run`: call it with them; it prints and returns the exit status.
    """
    config = subparsers.add_parser("config", help="check or explain a configuration file")
    actions = config.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="say whether FILE can be used, and every fault in it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    show = actions.add_parser("show", help="print every key, its value and where that comes from")
    what = show.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, metavar="FILE", nargs="?")
    what.add_argument("--schema", action="store_true", help="print the JSON Schema instead")
    show.set_defaults(run=_show)


def schema() -> str:
    """Return the JSON Schema of `edge.toml`, as `config/edge.schema.json` holds it."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **EdgeSettings.model_json_schema(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _check(arguments: argparse.Namespace) -> int:
    configuration = _load(arguments.file)
    if configuration is None:
        return FAULTY
    settings = configuration.settings
    if faults := list(_faults_of_weights(configuration)):
        print("\n".join(faults), file=sys.stderr)
        return FAULTY
    lanes, spaces = len(settings.lanes), settings.space_count
    plural = "" if spaces == 1 else "s"
    print(f"{arguments.file}: ok, {lanes} lanes, {spaces} space{plural}")
    return SUCCESS


def _faults_of_weights(configuration: Configuration[EdgeSettings]) -> "Iterator[str]":
    """Load the networks that the site has brought, and say what is wrong with them."""
    settings = configuration.settings.vision
    ways = {
        "detector": ("plate_detector", settings.detector),
        "reader": ("line_reader", settings.reader),
    }
    for name, (load, path) in ways.items():
        if path is None:
            continue
        # Loaded here, not above: the daemon shares this program, and networks take 60 MB.
        brought = import_module("parkgraph_edge.vision.brought")
        try:
            getattr(brought, load)(path)
        except RefusedError as error:
            line = configuration.lines.get(("vision", name), 1)
            yield f"{configuration.path}:{line}: vision.{name}: {error}"


def _show(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        print(schema(), end="")
        return SUCCESS
    configuration = _load(arguments.file)
    if configuration is None:
        return FAULTY
    for key, value in _values(configuration.settings):
        print(_explained(configuration, key, value))
    return SUCCESS


def _load(path: Path) -> Configuration[EdgeSettings] | None:
    try:
        return load_settings(path)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return None


def _values(table: Table, above: "KeyPath" = ()) -> "Iterator[tuple[KeyPath, Any]]":
    for name in type(table).model_fields:
        value = getattr(table, name)
        members = value if isinstance(value, dict) else {None: value}
        for member, below in members.items():
            key = (*above, name) if member is None else (*above, name, member)
            if isinstance(below, Table):
                yield from _values(below, key)
            else:
                yield key, below


def _explained(configuration: Configuration[EdgeSettings], key: "KeyPath", value: object) -> str:
    field = field_at(EdgeSettings, key)
    extra = field.json_schema_extra if field else None
    unit = f"{extra['unit']}; " if isinstance(extra, dict) and "unit" in extra else ""
    text = f"# {written(key)} is left out" if value is None else f"{written(key)} = {shown(value)}"
    return f"{text:<52} # {unit}{configuration.source(key)}"
