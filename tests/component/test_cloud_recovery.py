"""A cloud that was put back from a backup sells nothing that it may have sold already."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from parkgraph.journal.epochs import is_recovering
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.sqlite import connect, lock
from parkgraph_cloud.recovery import DATABASE_FILE, recover
from parkgraph_cloud.settings import CloudSettings, load_settings
from tests.builders import an_api_key
from tests.fakes import a_cloud_database


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    an_api_key(tmp_path)
    (tmp_path / "cloud.toml").write_text(
        '[api]\nlisten = "127.0.0.1:8090"\nkey_file = "api.key"\n'
        '[mqtt]\nbroker = "mqtt://127.0.0.1:1883"\n[state]\ndirectory = "state"\n'
    )
    return load_settings(tmp_path / "cloud.toml").settings


def a_cloud_that_knows(settings: CloudSettings, lot: str) -> Path:
    settings.state.directory.mkdir()
    path = settings.state.directory / DATABASE_FILE
    with closing(a_cloud_database(path)) as connection:
        connection.execute("INSERT INTO lots VALUES (?, 'Elm', 'UTC', 'USD', '{}')", (lot,))
    return path


def test_every_lot_is_asked_first(settings: CloudSettings) -> None:
    path = a_cloud_that_knows(settings, "elm")

    assert recover(settings) == 1

    with closing(connect(path)) as connection:
        assert is_recovering(connection, "elm/cloud")


def test_a_cloud_that_runs_is_left_alone(settings: CloudSettings) -> None:
    a_cloud_that_knows(settings, "elm")
    lock(settings.state.directory / "lock")

    with pytest.raises(RefusedError, match="another process works on this folder"):
        recover(settings)


@pytest.mark.usefixtures("settings")
def test_without_a_backup_the_command_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parkgraph_cloud", "recover", "--config", tmp_path / "cloud.toml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "put the newest backup there first" in done.stderr
