"""On which line of a TOML text each key stands; `tomllib` does not say."""

import re
import tomllib
from collections.abc import Mapping
from typing import Final

KeyPath = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and indices (from 0) in arrays."""

_SPACE: Final = re.compile(r"[ \t]*")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+""")
_SCALAR: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|[^,\]}#\r\n]+",
    re.DOTALL,
)


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the line (from 1) of every table, key and array member in `text`.

    `text` must be what `tomllib` accepts; what it says is not checked again.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._last_index: dict[KeyPath, int] = {}

    def scan(self) -> Mapping[KeyPath, int]:
        table: KeyPath = ()
        while not self._is_at_end():
            if self._skip("[["):
                table = self._table_in_array(self._keys())
                self._skip("]]")
            elif self._skip("["):
                table = self._inside((), self._keys())
                self._skip("]")
            else:
                self._pair(table)
        return self._lines

    def _is_at_end(self) -> bool:
        self._take(_BLANK)
        return self._at >= len(self._text)

    def _table_in_array(self, names: list[str]) -> KeyPath:
        array = (*self._inside((), names[:-1]), names[-1])
        self._note(array)
        self._last_index[array] = self._last_index.get(array, -1) + 1
        table = (*array, self._last_index[array])
        self._note(table)
        return table

    def _inside(self, table: KeyPath, names: list[str]) -> KeyPath:
        """Go down from `table`; in an array of tables that is its newest member."""
        for name in names:
            table = (*table, name)
            self._note(table)
            if table in self._last_index:
                table = (*table, self._last_index[table])
        return table

    def _pair(self, table: KeyPath) -> None:
        key = self._inside(table, self._keys())
        self._take(_SPACE)
        self._skip("=")
        self._take(_SPACE)
        self._value(key)

    def _keys(self) -> list[str]:
        names = []
        while True:
            self._take(_SPACE)
            names.append(next(iter(tomllib.loads(f"{self._take(_KEY)} = 0"))))
            self._take(_SPACE)
            if not self._skip("."):
                return names

    def _value(self, key: KeyPath) -> None:
        if self._skip("["):
            self._members(key)
        elif self._skip("{"):
            self._inline_table(key)
        else:
            self._take(_SCALAR)

    def _members(self, key: KeyPath) -> None:
        index = 0
        while not self._closes("]"):
            self._note((*key, index))
            self._value((*key, index))
            index += 1

    def _inline_table(self, key: KeyPath) -> None:
        while not self._closes("}"):
            self._pair(key)

    def _closes(self, bracket: str) -> bool:
        self._take(_BLANK)
        self._skip(",")
        self._take(_BLANK)
        return self._skip(bracket)

    def _note(self, key: KeyPath) -> None:
        self._lines.setdefault(key, self._text.count("\n", 0, self._at) + 1)

    def _skip(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise AssertionError(f"no TOML at character {self._at}")
        self._at = match.end()
        return match.group()
