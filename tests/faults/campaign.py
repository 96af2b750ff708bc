"""What every harness shares: a result that is whole at any moment, and progress with time left."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Final, TextIO

from pydantic import BaseModel

MOST_NAMED: Final = 50
SAY_EVERY_SECONDS: Final = 2.0


class NotHereError(Exception):
    """This machine lacks what a harness needs; says what. Nothing was tested."""


class Result(BaseModel):
    """What one run came to so far. `violations` are broken promises, each a sentence."""

    harness: str
    machine: str = ""
    seed: int = 0
    seconds: float = 0.0
    is_complete: bool = False
    violations_found: int = 0
    violations: list[str] = []

    def violated(self, sentences: Sequence[str], *, where: str) -> None:
        """Count broken promises and keep the first of them."""
        self.violations_found += len(sentences)
        room = max(0, MOST_NAMED - len(self.violations))
        self.violations += [f"{where}: {sentence}" for sentence in sentences[:room]]

    def figures(self) -> str:
        """Return what was counted, in one line for people."""
        raise NotImplementedError

    def line(self) -> str:
        """Return the one line that ends a run."""
        verdict = "KEPT" if not self.violations_found else f"BROKEN {self.violations_found}x"
        ended = "" if self.is_complete else ", not complete"
        return f"{self.harness}: {verdict}{ended}; {self.figures()}; {self.seconds:.0f} s"


class Progress:
    """Lines on stderr: how far, what was counted, and about how much time is left."""

    def __init__(self, name: str, steps: int, *, out: TextIO = sys.stderr) -> None:
        """Expect `steps` of about the same length."""
        self._name = name
        self._steps = max(1, steps)
        self._out = out
        self._began = time.monotonic()
        self._said = 0.0

    def at(self, step: float, figures: str) -> None:
        """Say that `step` steps are done, unless it was said a moment ago."""
        now = time.monotonic()
        if now - self._said < SAY_EVERY_SECONDS and step < self._steps:
            return
        self._said = now
        spent = now - self._began
        left = f"about {spent / step * (self._steps - step):.0f} s left" if step else "starting"
        self._out.write(f"[{self._name} {step:.0f}/{self._steps}] {figures} · {left}\n")
        self._out.flush()


def needs(*tools: str, root: bool = False) -> None:
    """Make sure that this machine has `tools`, and that this is root where that is needed.

    Raises:
        NotHereError: with what is missing and how to get it.
    """
    if root and os.geteuid() != 0:
        raise NotHereError("needs root, to mount file systems and make network namespaces")
    # Packages put some of these where only root looks.
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        raise NotHereError(f"needs {', '.join(missing)}: apt-get install {_packages(missing)}")


def _packages(tools: Sequence[str]) -> str:
    packages = {
        "mkfs.xfs": "xfsprogs", "mkfs.ext4": "e2fsprogs", "nft": "nftables", "ip": "iproute2",
        "nsenter": "util-linux", "mount": "mount",
    }  # fmt: skip
    return " ".join(sorted({packages.get(tool, tool) for tool in tools}))
