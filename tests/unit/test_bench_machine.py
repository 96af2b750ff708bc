"""What is read of processes, from processes that run."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.machine import cpu_seconds, describe, family, file_system, resident


def test_a_process_that_computes_has_computed() -> None:
    before = cpu_seconds(os.getpid())

    while cpu_seconds(os.getpid()) - before < 0.02:
        sum(range(10_000))

    assert cpu_seconds(os.getpid()) > before


def test_a_family_is_a_process_and_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        eldest, *others = family(os.getpid())

        assert eldest == os.getpid()
        assert child.pid in others
        child.kill()


def test_a_process_never_had_less_memory_than_it_has() -> None:
    own = resident(os.getpid(), "tests")

    assert 0 < own.now_mib <= own.peak_mib


def test_the_machine_is_described_in_one_line(tmp_path: Path) -> None:
    line = describe(tmp_path)

    assert "\n" not in line
    assert f"databases on {file_system(tmp_path)}" in line
