"""Setting up a bare machine: what is missing is named, and nobody's files are lost."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the set-up reads, and programs that stand in for this machine's."""
    (tmp_path / "requirements.lock").write_text(LOCK)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("cat", "cksum", "mkdir", "rm", "touch"):
        (programs / name).symlink_to(Path("/bin") / name)
    return tmp_path


def set_up(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "config" / "set-up.sh")],
        cwd=checkout,
        env={"PATH": str(checkout / "programs")},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def install(checkout: Path, program: str, script: str) -> None:
    path = checkout / "programs" / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_an_old_python_is_named_with_what_is_needed(checkout: Path) -> None:
    install(checkout, "python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    ended = set_up(checkout)

    assert ended.returncode == 1
    assert "Python 3.11 or newer is needed; found: Python 3.9.2" in ended.stderr


def test_a_missing_venv_module_is_named_with_its_package(checkout: Path) -> None:
    install(checkout, "python3", 'case "$2" in *ensurepip*) exit 1;; esac')

    ended = set_up(checkout)

    assert ended.returncode == 1
    assert "apt install python3-venv" in ended.stderr


def test_what_is_downloaded_is_said_before(checkout: Path) -> None:
    install(checkout, "python3", "exit 0")

    ended = set_up(checkout)

    said = " ".join(ended.stdout.split())
    assert re.search(r"downloading about \d+ MB of Python packages", said)
    assert f"into {checkout}/.venv" in said


def test_a_set_up_that_was_interrupted_is_begun_anew(checkout: Path) -> None:
    install(checkout, "python3", 'case "$2" in venv) mkdir -p "$3"; touch "$3/made";; esac')
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".setting-up").touch()
    (checkout / ".venv" / "half").touch()

    set_up(checkout)

    assert not (checkout / ".venv" / "half").exists()
    assert (checkout / ".venv" / "made").exists()
    assert not (checkout / ".venv" / ".ready").exists()


def test_a_strangers_environment_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "theirs").touch()

    ended = set_up(checkout)

    assert ended.returncode == 1
    assert "was not made by make" in ended.stderr
    assert (checkout / ".venv" / "theirs").exists()


def test_every_package_of_the_lock_has_one_version_and_its_hashes() -> None:
    entries = re.findall(r"^[a-z0-9].*(?:\n .*)*", LOCK, re.MULTILINE)

    assert len(entries) > 50
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("word", ["://", "--index-url", "--find-links", " /", "file:"])
def test_the_lock_names_no_registry_and_no_path(word: str) -> None:
    assert word not in LOCK


@pytest.mark.parametrize("needed", ["hatchling", "editables", "pydantic", "onnxruntime", "pytest"])
def test_the_lock_holds_what_the_set_up_needs(needed: str) -> None:
    assert re.search(rf"^{needed}==", LOCK, re.MULTILINE)
