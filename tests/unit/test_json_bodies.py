"""The body of a request: what is read, and which traps are refused by their names."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from parkgraph.front.bodies import DEEPEST, LONGEST_FIELD, MOST_FAULTS, MOST_VALUES, parse
from parkgraph.model.api import SessionRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode

JSON = "application/json"
LONGEST = 1_048_576
# Generous: the machine may be busy.
LONGEST_SECONDS = 1.0


class Anything(BaseModel):
    """A body with any JSON in it."""

    value: Any = None


class Many(BaseModel):
    """A body with much that can be wrong."""

    numbers: list[int]
    name: str = Field(max_length=3)


def refusal_of(
    body: bytes | str, *, model: type[BaseModel] = Anything, content_type: str | None = JSON
) -> CallRefusedError:
    content = body.encode() if isinstance(body, str) else body
    with pytest.raises(CallRefusedError) as caught:
        parse(model, content_type, content)
    return caught.value


def message_about(body: bytes, content_type: str | None) -> str:
    """Return what is told about `body`; nothing where it is read."""
    try:
        parse(SessionRequest, content_type, body)
    except CallRefusedError as refusal:
        return refusal.message
    return ""


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    """Return a body that is so deep, its own object counted."""
    return f'{{"value": {opening * (depth - 1)}{closing * (depth - 1)}}}'


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; profile=x",
    ],
)
def test_a_body_that_is_sent_as_json_is_read(content_type: str) -> None:
    assert parse(Anything, content_type, b'{"value": 7}') == Anything(value=7)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/problem+json",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16; charset=utf-8",
        "application/json, text/plain",
    ],
)
def test_a_body_that_is_sent_as_something_else_is_an_unsupported_media_type(
    content_type: str | None,
) -> None:
    refusal = refusal_of('{"value": 7}', content_type=content_type)

    assert refusal.code is ErrorCode.UNSUPPORTED_MEDIA_TYPE
    assert refusal.field == "Content-Type"


@pytest.mark.parametrize("content_type", [None, JSON, "text/plain"])
def test_no_body_is_told_as_such_whatever_it_is_sent_as(content_type: str | None) -> None:
    refusal = refusal_of(b"", content_type=content_type)

    assert (refusal.code, refusal.field) == (ErrorCode.BAD_REQUEST, "body")


@pytest.mark.parametrize(
    ("body", "field", "what"),
    [
        (b'{"value": "\xff"}', "body", "not UTF-8 at byte 11"),
        (b'{"value": "\xed\xa0\x80"}', "body", "not UTF-8"),
        (b'\xff\xfe{\x00"', "body", "not UTF-8"),
        (b'\xef\xbb\xbf{"value": 1}', "body", "not JSON"),
        ("{'value': 1}", "body", "not JSON"),
        ('{"value": 1} x', "body", "not JSON"),
        ('{"value": 01}', "body", "not JSON"),
        ('{"value": "a\nb"}', "body", "not JSON"),
        (nested(DEEPEST + 1), ".".join(["value", *["0"] * (DEEPEST - 1)]), "deeper than 32"),
        ('{"value": ' + '{"a":' * 32 + "1" + "}" * 33, "value" + ".a" * 31, "deeper than 32"),
        (nested(5_000), "body", "deeper than 32"),
        ('{"value": 1, "value": 2}', "value", "twice"),
        ('{"value": [0, {"a": 1, "b": 2, "a": 1}]}', "value.1.a", "twice"),
        ('{"value": 1, "v\\u0061lue": 2}', "value", "twice"),
        ('{"value": NaN}', "value", "NaN"),
        ('{"value": [-Infinity]}', "value.0", "Infinity"),
        ('{"value": 1e999}', "value", "Infinity"),
        ('{"value": 9223372036854775808}', "value", "beyond 2**63"),
        ('{"value": -9223372036854775809}', "value", "beyond 2**63"),
        ('{"value": ' + "9" * 100_000 + "}", "value", "beyond 2**63"),
        ('{"value": -' + "9" * 100_000 + "}", "value", "beyond 2**63"),
        ('{"value": "\\ud800"}', "value", "a lone surrogate (U+D800)"),
        ('{"value": "\\udfff\\ud800"}', "value", "a lone surrogate (U+DFFF)"),
        ('{"value": "a\\u0000"}', "value", "NUL (U+0000)"),
        ('{"value": "AB\u202e12"}', "value", "a bidirectional control character (U+202E)"),
        ('{"value": "AB\\u200f12"}', "value", "a bidirectional control character (U+200F)"),
        ('{"value": {"a\\u0000": 1}}', "value.a\\u0000", "NUL"),
        ('{"a\u2066": 1}', "a\\u2066", "a bidirectional control character"),
        ('{"value": [' + "1," * MOST_VALUES + "1]}", "body", "more than 10000 values"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_trap_is_refused_by_its_name(body: bytes | str, field: str, what: str) -> None:
    refusal = refusal_of(body)

    assert refusal.code is ErrorCode.BAD_REQUEST
    assert refusal.field == field[:LONGEST_FIELD]
    assert what in refusal.message


@pytest.mark.parametrize(
    "body",
    [
        nested(DEEPEST),
        '{"value": [9223372036854775807, -9223372036854775808, -0, 1.5e300]}',
        '{"value": [{"a": 1}, {"a": 1}]}',
        '{"value": "\\ud83d\\ude97 🚗 กข 粤"}',
        '{"value": [' + "1," * (MOST_VALUES - 3) + "1]}",
        '{"value": [true, false, null, "", {}, []]}',
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_no_trap_is_read(body: str) -> None:
    assert parse(Anything, JSON, body.encode()).value == json.loads(body)["value"]


def test_all_faults_are_told_the_first_one_first() -> None:
    refusal = refusal_of('{"numbers": [1, "x", {}], "name": "long"}', model=Many)

    assert [fault.field for fault in refusal.fields] == ["numbers.1", "numbers.2", "name"]
    assert refusal.field == "numbers.1"
    assert refusal.message == f"numbers.1: {refusal.fields[0].message}"


def test_a_single_fault_needs_no_list() -> None:
    refusal = refusal_of('{"numbers": [], "name": "long"}', model=Many)

    assert (refusal.field, refusal.fields) == ("name", ())


def test_no_more_than_twenty_faults_are_told() -> None:
    refusal = refusal_of(json.dumps({"numbers": ["x"] * 1000, "name": "ok"}), model=Many)

    assert len(refusal.fields) == MOST_FAULTS == 20


def test_a_key_that_the_caller_made_up_is_told_in_plain_and_short() -> None:
    key = json.dumps("🚗\n<b>" * 10_000)

    refusal = refusal_of(f"{{{key}: 1, {key}: 2}}")

    assert refusal.field is not None
    assert refusal.message.isascii()
    assert refusal.message.isprintable()
    assert len(refusal.field) == LONGEST_FIELD


texts = st.text(st.characters(codec=None, exclude_categories=())).map(json.dumps)
scalars = st.one_of(
    texts, st.integers().map(str), st.floats().map(json.dumps), st.sampled_from(["null", "true"])
)
# JSON with every trap in it, keys that stand twice among them.
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(['"lot_id"', '"vehicle"', '"plate"']), inner)).map(
            lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
        ),
    ),
)


@given(st.one_of(st.binary(), documents.map(str.encode)), st.none() | st.just(JSON) | st.text())
@example(b"[" * LONGEST, JSON)
@example(b'{"a":' * (LONGEST // 5), JSON)
@example(b'"\\' * (LONGEST // 2), JSON)
@example(b"1" * LONGEST, JSON)
@example(b"0." + b"1" * (LONGEST - 2), JSON)
@example(b"1e" + b"9" * (LONGEST - 2), JSON)
@example(b"[" + b"[]," * (LONGEST // 3 - 1) + b"1]", JSON)
@example(b"[" + b",".join([b"[" * 31 + b"]" * 31] * 300) + b"]", JSON)
@example(b'"' + b"\\u202e" * (LONGEST // 6) + b'"', JSON)
@example(b'{"plate": "' + b"1" * LONGEST + b'"}', JSON)
def test_whatever_comes_is_read_or_refused_and_soon(body: bytes, content_type: str | None) -> None:
    started = time.process_time()

    told = message_about(body, content_type)

    assert len(told) < LONGEST_FIELD + 200
    assert time.process_time() - started < LONGEST_SECONDS


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1), st.lists))
def test_what_is_sent_is_what_is_read(value: Any) -> None:
    assert parse(Anything, JSON, json.dumps({"value": value}).encode()).value == value
