"""Where a key stands in a TOML text."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.runtime.toml_lines import KeyPath, key_lines

TEXT = '''\
top = 1  # a comment with [brackets] and "quotes"

[table]
dotted.key = """
two ] lines"""
"quoted \\u0041" = 'a # b'
inline = { x = 1, y.z = [1, 2], "w" = { deep = "}" } }
array = [
  "first", # one
  [ 2, 3 ],

  { name = "fourth" },
]
date = 1979-05-27 07:32:00
[[ many ]]
name = "a"
[[many]]
name = "b"
[many.below]
key = """ends with four quotes""""
last = true
'''


def paths(value: Any, above: KeyPath = ()) -> set[KeyPath]:
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    below = [paths(member, (*above, name)) for name, member in members]
    return {above, *set().union(*below)} if above else set().union(*below)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("top",), 1),
        (("table",), 3),
        (("table", "dotted"), 4),
        (("table", "dotted", "key"), 4),
        (("table", "quoted A"), 6),
        (("table", "inline", "y", "z", 1), 7),
        (("table", "inline", "w", "deep"), 7),
        (("table", "array"), 8),
        (("table", "array", 0), 9),
        (("table", "array", 1, 1), 10),
        (("table", "array", 2, "name"), 12),
        (("table", "date"), 14),
        (("many", 0, "name"), 16),
        (("many", 1), 17),
        (("many", 1, "name"), 18),
        (("many", 1, "below", "key"), 20),
        (("many", 1, "below", "last"), 21),
    ],
)
def test_a_key_has_the_line_it_is_written_on(key: KeyPath, line: int) -> None:
    assert key_lines(TEXT)[key] == line


def test_every_key_has_a_line() -> None:
    assert key_lines(TEXT).keys() == paths(tomllib.loads(TEXT))


@given(st.text(alphabet="ab.=[]{}\"'#, \n\r\t1\\", max_size=40))
def test_whatever_tomllib_accepts_has_a_line_for_every_key(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    assert key_lines(text).keys() == paths(document)
