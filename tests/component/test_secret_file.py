"""A key is made once, whole, and for its owner alone."""

import os
from pathlib import Path

import pytest

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.secret_file import kept_secret
from tests.fakes import randomness


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "own.key", randomness(1).randbytes)
    again = kept_secret(tmp_path / "own.key", randomness(2).randbytes)

    assert first == again
    assert len(first) == 32
    assert (tmp_path / "own.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["own.key"]


def test_of_two_programs_that_make_it_at_once_both_have_the_same(tmp_path: Path) -> None:
    path = tmp_path / "own.key"

    def interrupted(count: int) -> bytes:
        kept_secret(path, os.urandom)  # another one is faster
        return os.urandom(count)

    late = kept_secret(path, interrupted)

    assert late == kept_secret(path, os.urandom)


def test_a_secret_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="check folder, owner, disk"):
        kept_secret(tmp_path / "nowhere" / "own.key", os.urandom)


def test_half_a_secret_is_none(tmp_path: Path) -> None:
    (tmp_path / "own.key").write_bytes(b"half")

    with pytest.raises(UnavailableError, match="is 4 bytes and not 32; put a backup back"):
        kept_secret(tmp_path / "own.key", os.urandom)
