"""Every mistake in a configuration file is told with its line, its key and what to do."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.runtime.configuration import ConfigurationError
from parkgraph_edge.settings import load_settings

VALUES = [
    *("1", "-1", "0.5", "nan", "inf", "true", "1979-05-27", '""', '"\\u0000"', '"x"', '"[::1]:1"'),
    *("[]", "[[]]", "{}", "[{}]", "{ x = 1 }", '"http://["', '"mqtt://["', '"mqtt://h:0x1"', '"/"'),
    *('"127.0.0.1:1"', '"é:1"', '"America"', '"."', '[["S"]]', '["S", 1]', "9223372036854775808"),
]

KEY = "pk_test_0123456789abcdefghij"

WORKING = """\
[lot]
id = "elm-street"
name = "Elm Street Garage"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
spaces = ["S-01", "S-02"]
[api]
listen = "127.0.0.1:8080"
key_file = "api.key"
[cloud]
broker = "mqtt://127.0.0.1:1883"
public_keys = ["6kqPMLyOt2ueCX4Q4dqCVJ3Cq8gN6w3mBv7xhO2fC1U="]
[state]
directory = "/var/lib/parkgraph-edge"
[lanes.north-in]
direction = "entry"
barrier = "127.0.0.1:5021"
[lanes.south-out]
direction = "exit"
barrier = "127.0.0.1:5022"
"""


class Mistake(NamedTuple):
    """Replace `right` by `wrong`: then `key` is told at `line`, with each of `hints`."""

    right: str
    wrong: str
    line: int
    key: str
    hints: tuple[str, ...]


INCREMENT = "rates.increment_minutes"
CAP = "rates.daily_cap"
TAX = "rates.tax_percent"

MISTAKES = [
    Mistake("time_zone =", "timezone =", 4, "lot.timezone", ("did you mean time_zone?",)),
    Mistake(
        'time_zone = "America/Los_Angeles"\n', "", 1, "lot.time_zone", ("is missing; add time_",)
    ),
    Mistake("Los_Angeles", "Los_Angelos", 4, "lot.time_zone", ("mean America/Los_Angeles?",)),
    Mistake("America/Los_Angeles", "../etc/x", 4, "lot.time_zone", ("no IANA time zone",)),
    Mistake('"elm-street"', '"elm street"', 2, "lot.id", ("1 to 64", 'id = "elm-street"')),
    Mistake('"elm-street"', f'"{"x" * 65}"', 2, "lot.id", ("1 to 64",)),
    Mistake('"elm-street"', "7", 2, "lot.id", ("is 7, should be a valid string",)),
    Mistake('"Elm Street Garage"', '""', 3, "lot.name", ("at least 1 character",)),
    Mistake('"Elm Street Garage"', r'"Elm\nStreet"', 3, "lot.name", ("on one line",)),
    Mistake('"USD"', '"usd"', 5, "lot.currency", ("did you mean USD?",)),
    Mistake('"USD"', '"XTS"', 5, "lot.currency", ("no active ISO 4217 code",)),
    Mistake('"3.50"', "3.50", 6, "lot.rate_per_hour", ("write it in quotes",)),
    Mistake('"3.50"', '"3.505"', 6, "lot.rate_per_hour", ("3 decimals, USD has 2",)),
    Mistake('"3.50"', '"3,50"', 6, "lot.rate_per_hour", ("such as 3.50",)),
    Mistake('"3.50"', '"-1"', 6, "lot.rate_per_hour", ("below zero",)),
    Mistake('"3.50"', '"99999999999.00"', 6, "lot.rate_per_hour", ("write a smaller amount",)),
    Mistake("spaces =", "latitude = 34.05\nspaces =", 7, "lot.latitude", ("add lot.longitude",)),
    Mistake("spaces =", "longitude = 0.0\nspaces =", 7, "lot.longitude", ("add lot.latitude",)),
    Mistake("spaces =", "latitude = 90.1\nspaces =", 7, "lot.latitude", ("-90 to 90",)),
    Mistake("spaces =", "synthetic = 1\nspaces =", 7, "lot.synthetic", ("should be a valid bool",)),
    Mistake("[state]", "[rates]\nincrement_minutes = 7\n[state]", 15, INCREMENT, ("such as 1, 5",)),
    Mistake("[state]", "[rates]\nincrement_minutes = 0\n[state]", 15, INCREMENT, ("divisor",)),
    Mistake("[state]", "[rates]\ngrace_minutes = -1\n[state]", 15, "rates.grace_minutes", ("-1",)),
    Mistake("[state]", "[rates]\ndaily_cap = 24\n[state]", 15, CAP, ('in quotes: "24"',)),
    Mistake("[state]", '[rates]\ndaily_cap = "-1"\n[state]', 15, CAP, ("below zero",)),
    Mistake("[state]", '[rates]\ndaily_cap = "24.001"\n[state]', 15, CAP, ("USD has 2",)),
    Mistake("[state]", "[rates]\ntax_percent = 9.5\n[state]", 15, TAX, ("write it in quotes",)),
    Mistake("[state]", '[rates]\ntax_percent = "9.505"\n[state]', 15, TAX, ("at most 2 decimals",)),
    Mistake("[state]", '[rates]\ntax_percent = "101"\n[state]', 15, TAX, ("0 to 100",)),
    Mistake(
        "[state]",
        '[rates]\nautonomous_rate_per_hour = "x"\n[state]',
        15,
        "rates.autonomous_rate_per_hour",
        ("such as 3.50",),
    ),
    Mistake('["S-01", "S-02"]', '"S-01"', 7, "lot.spaces", ('spaces = ["S-01", "S-02"]',)),
    Mistake('"S-02"', '\n "S 02"', 8, "lot.spaces[1]", ("ids of all spaces",)),
    Mistake('"S-02"', '"S-01"', 7, "lot.spaces", ('names "S-01" more than once',)),
    Mistake('["S-01", "S-02"]', "[]", 7, "lot.spaces", ("list 1 to 20000",)),
    Mistake('spaces = ["S-01", "S-02"]\n', "", 1, "lot.spaces", ("in [lot]",)),
    Mistake("[state]", '[spaces]\nstandard = ["S"]\n[state]', 14, "spaces", ("keep one",)),
    Mistake(
        "[state]", '[spaces]\nacessible = ["S"]\n[state]', 15, "spaces.acessible", ("accessible?",)
    ),
    Mistake("127.0.0.1:8080", "0.0.0.0:8080", 9, "api.listen", ("no TLS yet", "127.0.0.1:8080")),
    Mistake("127.0.0.1:8080", "localhost", 9, "api.listen", ("is no host and port",)),
    Mistake("127.0.0.1:8080", "127.0.0.1:99999", 9, "api.listen", ("the port 0 to 65535",)),
    Mistake('"api.key"', '"none.key"', 10, "api.key_file", ("no such file", "chmod 600")),
    Mistake('"api.key"', r'"no\nkey"', 10, "api.key_file", ("no such file",)),
    Mistake('"api.key"', '"open.key"', 10, "api.key_file", ("other users", "chmod 600")),
    Mistake('"api.key"', '"empty.key"', 10, "api.key_file", ("is empty",)),
    Mistake('"api.key"', '"wrong.key"', 10, "api.key_file", ("holds no API key", "pk_live_…")),
    Mistake('"api.key"', f'"{KEY}"', 10, "api.key_file", ("holds the key itself",)),
    Mistake(
        "[cloud]",
        "requests_per_minute = 0\n[cloud]",
        11,
        "api.requests_per_minute",
        ("1 to 1000000",),
    ),
    Mistake(
        "[cloud]",
        "requests_per_minute = 1000001\n[cloud]",
        11,
        "api.requests_per_minute",
        ("1 to 1000000",),
    ),
    Mistake('"mqtt://', '"http://', 12, "cloud.broker", ("mqtt://127.0.0.1:1883",)),
    Mistake('"mqtt://', '"mqtt://u:p@', 12, "cloud.broker", ("secrets do not belong",)),
    Mistake(
        "6kqPMLyOt2ueCX4Q4dqCVJ3Cq8gN6w3mBv7xhO2fC1U=",
        "paste here",
        13,
        "cloud.public_keys[0]",
        ("is no public key; run parkgraph-cloud key where the cloud runs",),
    ),
    Mistake("[cloud]\n", "[cluod]\n", 11, "cluod", ("did you mean cloud?",)),
    Mistake(
        '[state]\ndirectory = "/var/lib/parkgraph-edge"\n',
        "",
        1,
        "state",
        ("add the table [state]",),
    ),
    Mistake(
        "[state]\ndirectory =", "[state]\nbroker =", 15, "state.broker", ("mean cloud.broker?",)
    ),
    Mistake("[state]\ndirectory", "[state]\nwhatever", 14, "state.directory", ("is missing",)),
    Mistake('"entry"', '"in"', 17, "lanes.north-in.direction", ("'entry' or 'exit'",)),
    Mistake('"exit"', '"entry"', 16, "lanes", ("trapped", 'direction = "exit"')),
    Mistake('"entry"', '"exit"', 16, "lanes", ("no entry",)),
    Mistake("127.0.0.1:5022", "127.0.0.1:5021", 21, "lanes.south-out.barrier", ("lane north-in",)),
    Mistake("127.0.0.1:5022", "127.0.0.1:0", 21, "lanes.south-out.barrier", ("1 to 65535",)),
    Mistake("[lanes.north-in]", '[lanes."north in"]', 16, 'lanes."north in"', ("is no name",)),
    Mistake('barrier = "127.0.0.1:5022"\n', "", 19, "lanes.south-out.barrier", ("add barrier =",)),
    Mistake(
        "[lanes.south-out]",
        '[lanes.south-out]\ncamera = "file:///etc"',
        20,
        "lanes.south-out.camera",
        ("http or https URL",),
    ),
    Mistake(
        "[lanes.south-out]",
        "[lanes.south-out]\nopen_seconds = 0",
        20,
        "lanes.south-out.open_seconds",
        ("greater than 0", "open_seconds = 8.0"),
    ),
    Mistake(
        "[lanes.south-out]",
        '[lanes.south-out]\nopen_seconds = "8"',
        20,
        "lanes.south-out.open_seconds",
        ('is "8"', "seconds"),
    ),
    Mistake(
        "[lanes.south-out]",
        "[lanes.south-out]\nopen_secnds = 8",
        20,
        "lanes.south-out.open_secnds",
        ("did you mean open_seconds?",),
    ),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name, content, mode in (
        ("api.key", KEY, 0o600),
        ("open.key", KEY, 0o644),
        ("empty.key", "\n", 0o600),
        ("wrong.key", "sk_test_0123456789abcdefghij", 0o600),
    ):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    return tmp_path / "edge.toml"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.key}: {mistake.wrong}")
def test_a_mistake_is_told_with_its_line_its_key_and_what_to_do(
    file: Path, mistake: Mistake
) -> None:
    file.write_text(WORKING.replace(mistake.right, mistake.wrong, 1))

    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)

    told = [line for line in str(caught.value).splitlines() if f" {mistake.key}: " in line]
    assert len(told) == 1, str(caught.value)
    assert told[0].startswith(f"{file}:{mistake.line}: {mistake.key}: ")
    assert [hint for hint in mistake.hints if hint not in told[0]] == []


def test_what_the_mistakes_are_made_in_works(file: Path) -> None:
    file.write_text(WORKING)

    settings = load_settings(file).settings

    assert settings.space_count == 2
    assert settings.rate_card.unit_minor == 350


def test_all_faults_are_told_in_the_order_of_the_file(file: Path) -> None:
    file.write_text(
        WORKING.replace("elm-street", "elm street")
        .replace("time_zone", "timezone")
        .replace('"entry"', '"in"')
    )

    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)

    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "lot.time_zone",
        "lot.id",
        "lot.timezone",
        "lanes.north-in.direction",
    ]


def test_a_key_in_the_file_is_never_repeated_in_a_fault(file: Path) -> None:
    file.write_text(WORKING.replace('"api.key"', f'"{KEY}"'))

    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)

    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line", "hint"),
    [
        (b"[lot]\nid = elm\n", 2, "quotes"),
        (b"[lot]\nid = 1\nid = 2\n", 3, "once"),
        (b"[lot\n", 1, "is not TOML"),
        (b'[lot]\nid = """\n\n', 3, "is not TOML"),
        (b"[lot]\nname = '\xff'\n", 2, "UTF-8"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(
    file: Path, content: bytes, line: int, hint: str
) -> None:
    file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)

    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert hint in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: no such file"):
        load_settings(tmp_path / "none.toml")


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigurationError, match="over 4 MiB"):
        load_settings(Path("/dev/zero"))


@given(st.data())
def test_whatever_a_value_is_replaced_by_the_file_loads_or_its_faults_are_told(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = WORKING.splitlines()
    file = tmp_path_factory.getbasetemp() / "edge.toml"
    for place in data.draw(st.sets(st.integers(0, len(lines) - 1), min_size=1, max_size=3)):
        key, equals, _ = lines[place].partition(" = ")
        value = data.draw(st.sampled_from(VALUES))
        lines[place] = f"{key} = {value}" if equals else f"{key.strip('[]')}.x = {value}"
    file.write_text("\n".join(lines))

    with pytest.raises(ConfigurationError) as caught:  # there is no api.key
        load_settings(file)

    assert all(re.match(rf"{re.escape(str(file))}:\d+: .+", line) for line in _told(caught))


def _told(caught: pytest.ExceptionInfo[ConfigurationError]) -> list[str]:
    return str(caught.value).splitlines()
