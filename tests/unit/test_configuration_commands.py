"""What `config check` and `config show` print, and that the files in `config` are right."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parkgraph.model.records import SpaceClass
from parkgraph_cloud.settings import load_settings as load_cloud_settings
from parkgraph_edge.configuration_commands import add_parser, schema
from parkgraph_edge.settings import load_settings
from tests.builders import the_documented_configuration
from tests.networks import FLOAT, a_network

CONFIG = Path(__file__).parents[2] / "config"
KEY = "pk_live_0123456789abcdefghij"

Run = Callable[..., int]


@pytest.fixture
def run() -> Run:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers(required=True))

    def run(*words: object) -> int:
        arguments = parser.parse_args(["config", *map(str, words)])
        status: int = arguments.run(arguments)
        return status

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text(the_documented_configuration())
    (tmp_path / "api.key").write_text(KEY)
    (tmp_path / "api.key").chmod(0o600)
    return path


def test_the_documented_configuration_is_at_most_twenty_lines() -> None:
    lines = (CONFIG / "edge.toml").read_text().splitlines()

    assert len([line for line in lines if line.strip()]) <= 20


def test_a_good_file_is_ok(file: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status = run("check", file)

    assert status == 0
    assert capsys.readouterr().out == f"{file}: ok, 2 lanes, 12 spaces\n"


def test_networks_of_the_site_s_own_are_tried(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    own = '[vision]\ndetector = "plates.onnx"\nreader = "cct.onnx"\n'
    file.write_text(file.read_text() + own)
    a_network(file.parent / "plates.onnx", takes=(FLOAT, (1, 64)), gives=np.zeros(1, np.float32))

    status = run("check", file)

    detector, reader = capsys.readouterr().err.splitlines()
    line = file.read_text().count("\n") - 1
    assert status == 2
    assert detector.startswith(f"{file}:{line}: vision.detector: {file.parent}/plates.onnx: takes")
    assert reader.startswith(f"{file}:{line + 1}: vision.reader: {file.parent}/cct.onnx: no such")


@pytest.mark.parametrize("action", ["check", "show"])
def test_a_bad_file_is_refused_with_its_faults(
    action: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(action, tmp_path / "none.toml")

    assert status == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/none.toml: cannot be read")


def test_show_says_value_unit_and_source(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run("show", file)

    told = {line.split(" ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert status == 0
    assert told["lot.currency"].split() == ["lot.currency", "=", '"USD"', "#", "edge.toml:5"]
    assert told["lanes.north-in.open_seconds"].endswith("# seconds; default")
    assert told["lot.rate_per_hour"].endswith("# lot.currency per hour; edge.toml:6")


def test_show_never_prints_a_secret(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = 'camera = "http://guard:tomato@10.0.0.7/1"'
    file.write_text(file.read_text().replace('direction = "exit"', f'direction = "exit", {camera}'))

    run("show", file)

    out = capsys.readouterr().out
    assert 'camera = "http://…@10.0.0.7/1"' in out
    assert "tomato" not in out
    assert KEY not in out


def test_a_credential_of_systemd_stands_in_for_the_key_file(
    file: Path, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = file.parent / "credentials"
    credentials.mkdir()
    (file.parent / "api.key").rename(credentials / "api.key")
    (credentials / "api.key").chmod(0o440)
    file.write_text(file.read_text().replace("key_file", "# key_file"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    key = load_settings(file).settings.api.read_key().get_secret_value()
    run("show", file)

    assert key == KEY
    assert "credential of systemd" in capsys.readouterr().out


def test_the_schema_in_the_repository_is_the_models(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("show", "--schema")

    assert capsys.readouterr().out == schema()
    assert (CONFIG / "edge.schema.json").read_text() == schema()
    assert json.loads(schema())["required"] == ["lot", "api", "state", "lanes"]


def test_spaces_may_be_listed_by_class(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("spaces")]
    file.write_text("\n".join([*lines, "[spaces]", 'standard = ["S"]', 'accessible = ["H"]']))

    settings = load_settings(file).settings

    assert settings.spaces_by_class == {
        SpaceClass.STANDARD: ("S",),
        SpaceClass.AUTONOMOUS: (),
        SpaceClass.ACCESSIBLE: ("H",),
    }
    assert settings.space_count == 2


def test_a_lot_without_broker_runs_alone(file: Path) -> None:
    file.write_text(re.sub(r"\[cloud\].*?(?=\[state\])", "", file.read_text(), flags=re.DOTALL))

    assert load_settings(file).settings.cloud is None


def test_the_documented_configuration_of_the_cloud_is_right(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text((CONFIG / "cloud.toml").read_text())
    (tmp_path / "api.key").write_text(KEY)
    (tmp_path / "api.key").chmod(0o600)

    settings = load_cloud_settings(path).settings

    assert str(settings.mqtt.broker) == "mqtt://127.0.0.1:1883"
    assert settings.api.listen.port == 8090
    assert settings.api.key_file == tmp_path / "api.key"
