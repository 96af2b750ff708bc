"""The units start what they should, never give up at a barrier, and are closed to all else."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ["parkgraph-edge", "parkgraph-cloud", "parkgraph-firmware-sim"]
DAEMONS = ["parkgraph-edge", "parkgraph-cloud"]
WORST_EXPOSURE = 15  # in tenths: systemd calls up to 1.9 "OK"

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed (Debian: apt install systemd)",
)


class _Unit(dict[str, list[str]]):
    """Directives of a unit by name, whatever their section, in order."""

    def __init__(self, name: str) -> None:
        super().__init__()
        for line in (UNITS / f"{name}.service").read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                self.setdefault(key, []).append(value)


@pytest.fixture
def runnable_units(tmp_path: Path) -> Path:
    """Copies of the units whose program exists on this machine."""
    for name in NAMES:
        unit = (UNITS / f"{name}.service").read_text()
        program = f"/opt/parkgraph/bin/{name} "
        assert program in unit
        (tmp_path / f"{name}.service").write_text(unit.replace(program, "/bin/true "))
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_has_its_directives_in_sections_that_parse(name: str) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)

    parser.read(UNITS / f"{name}.service")

    assert parser.sections() == ["Unit", "Service", "Install"]
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_started_again_for_ever(name: str) -> None:
    unit = _Unit(name)

    assert unit["Restart"] == ["always"]
    assert unit["RestartSec"] == ["1"]
    assert unit["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_says_when_it_is_ready_and_that_it_lives(name: str) -> None:
    unit = _Unit(name)

    assert unit["Type"] == ["notify"]
    assert float(unit["WatchdogSec"][0]) <= 30


def test_a_gateway_that_hangs_is_replaced_after_fifteen_seconds() -> None:
    assert _Unit("parkgraph-edge")["WatchdogSec"] == ["15"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_required_and_no_network_is_waited_for(name: str) -> None:
    unit = _Unit(name)

    stopping = {"Requires", "Requisite", "BindsTo", "PartOf", "RequiresMountsFor"}
    assert stopping.isdisjoint(unit)
    assert "network-online.target" not in " ".join(unit.get("After", []))


@pytest.mark.parametrize("name", DAEMONS)
def test_the_key_is_passed_as_a_credential_under_the_name_that_settings_look_for(name: str) -> None:
    assert _Unit(name)["LoadCredential"] == ["api.key:/etc/parkgraph/api.key"]


@pytest.mark.parametrize(
    "directive",
    [
        "CapabilityBoundingSet=",
        "DynamicUser=yes",
        "MemoryDenyWriteExecute=yes",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
        "ProtectKernelModules=yes",
        "ProtectSystem=strict",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallFilter=@system-service",
        "UMask=0077",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_sandboxed(name: str, directive: str) -> None:
    key, _, value = directive.partition("=")

    assert value in _Unit(name)[key]


@pytest.mark.parametrize("limit", ["MemoryMax", "CPUWeight", "TasksMax"])
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_has_limits(name: str, limit: str) -> None:
    assert limit in _Unit(name)


def test_the_simulated_hardware_talks_to_this_machine_only() -> None:
    unit = _Unit("parkgraph-firmware-sim")

    assert unit["IPAddressDeny"] == ["any"]
    assert unit["IPAddressAllow"] == ["localhost"]


@needs_systemd_analyze
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_no_fault_in_a_unit(name: str, runnable_units: Path) -> None:
    unit = runnable_units / f"{name}.service"

    verified = _systemd_analyze("verify", "--man=no", "--recursive-errors=no", unit)

    assert verified.stderr == ""
    assert verified.returncode == 0


@needs_systemd_analyze
@pytest.mark.parametrize("name", NAMES)
def test_systemd_calls_a_unit_well_protected(name: str, runnable_units: Path) -> None:
    unit = runnable_units / f"{name}.service"

    judged = _systemd_analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={WORST_EXPOSURE}", unit
    )

    assert judged.returncode == 0, judged.stdout


def test_installing_is_told_in_thirty_lines() -> None:
    assert len((UNITS / "README.md").read_text().splitlines()) <= 30


def _systemd_analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=30
    )
