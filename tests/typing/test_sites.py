"""What the type checker refuses: nothing that comes of a test key leads to live hardware."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAD = """\
from parkgraph.front.contract import LivePrincipal, Principal, SandboxPrincipal
from parkgraph.front.views import reach
from parkgraph.model.sites import LiveSite, Site, SyntheticSite
from parkgraph.runtime.clock import Clock
from parkgraph_edge.devices.modbus_barrier import live_barrier, simulated_barrier
"""
RIGHT = {
    "a live lot has live hardware": (
        "def of(site: LiveSite, clock: Clock) -> None:\n"
        "    live_barrier(site, 'host', 502, clock)\n"
    ),
    "a synthetic lot has simulated hardware": (
        "def of(site: SyntheticSite, clock: Clock) -> None:\n"
        "    simulated_barrier(site, 'host', 502, clock)\n"
    ),
    "a test key reaches simulated hardware": (
        "def of(who: SandboxPrincipal, site: Site, clock: Clock) -> None:\n"
        "    simulated_barrier(reach(who, site), 'host', 502, clock)\n"
    ),
    "a live key reaches live hardware": (
        "def of(who: LivePrincipal, site: LiveSite, clock: Clock) -> None:\n"
        "    live_barrier(reach(who, site), 'host', 502, clock)\n"
    ),
    "a site is looked at before its hardware is chosen": (
        "def of(who: Principal, site: Site, clock: Clock) -> None:\n"
        "    match reach(who, site):\n"
        "        case LiveSite() as live:\n"
        "            live_barrier(live, 'host', 502, clock)\n"
        "        case SyntheticSite() as synthetic:\n"
        "            simulated_barrier(synthetic, 'host', 502, clock)\n"
    ),
}
WRONG = {
    "a synthetic lot has no live hardware": (
        "def of(site: SyntheticSite, clock: Clock) -> None:\n"
        "    live_barrier(site, 'host', 502, clock)\n"
    ),
    "a live lot has no simulated hardware": (
        "def of(site: LiveSite, clock: Clock) -> None:\n"
        "    simulated_barrier(site, 'host', 502, clock)\n"
    ),
    "a lot of either kind has no live hardware": (
        "def of(site: Site, clock: Clock) -> None:\n    live_barrier(site, 'host', 502, clock)\n"
    ),
    "a test key reaches no live hardware": (
        "def of(who: SandboxPrincipal, site: Site, clock: Clock) -> None:\n"
        "    live_barrier(reach(who, site), 'host', 502, clock)\n"
    ),
    "a test key at a live lot reaches no live hardware": (
        "def of(who: SandboxPrincipal, site: LiveSite, clock: Clock) -> None:\n"
        "    live_barrier(reach(who, site), 'host', 502, clock)\n"
    ),
    "a key of either kind reaches no live hardware": (
        "def of(who: Principal, site: LiveSite, clock: Clock) -> None:\n"
        "    live_barrier(reach(who, site), 'host', 502, clock)\n"
    ),
    "a principal is no site": (
        "def of(who: SandboxPrincipal, clock: Clock) -> None:\n"
        "    live_barrier(who, 'host', 502, clock)\n"
    ),
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy has to say of each snippet, by its name."""
    folder = tmp_path_factory.mktemp("snippets")
    names = {f"snippet_{place}": name for place, name in enumerate([*RIGHT, *WRONG])}
    for module, name in names.items():
        (folder / f"{module}.py").write_text(HEAD + (RIGHT | WRONG)[name])
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in {0, 1}, run.stdout + run.stderr
    said = [line for line in run.stdout.splitlines() if ": error: " in line]
    return {
        name: [line for line in said if Path(line.partition(":")[0]).stem == module]
        for module, name in names.items()
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", RIGHT)
def test_what_fits_is_no_type_error(faults: dict[str, list[str]], name: str) -> None:
    assert faults[name] == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_a_type_error(faults: dict[str, list[str]], name: str) -> None:
    assert len(faults[name]) == 1
    assert "[arg-type]" in faults[name][0]


def test_barriers_are_made_for_a_site_and_nowhere_else() -> None:
    makers = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "edge").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "ModbusBarrier"
    }

    assert makers == {"edge/parkgraph_edge/devices/modbus_barrier.py"}
