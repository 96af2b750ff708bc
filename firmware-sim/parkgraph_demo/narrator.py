"""Tells the story as it happens: one line an event, from the lot's journal and the simulator."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Final, TextIO
from zoneinfo import ZoneInfo

WIDTH: Final = 100
_GREEN, _RED, _DIM, _BOLD, _OFF = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Narrator:
    """Prints lines of at most 100 columns; plain when the output is no terminal."""

    def __init__(
        self, zone: ZoneInfo, *, is_cut: Callable[[], bool], out: TextIO = sys.stdout
    ) -> None:
        """Print to `out`, in the time of `zone`."""
        self.zone = zone
        self._is_cut = is_cut
        self._out = out
        self._has_colour = out.isatty()

    def say(self, who: str, what: str, *, at: datetime) -> None:
        """Print one event."""
        clock = at.astimezone(self.zone).strftime("%H:%M:%S")
        link = "link CUT" if self._is_cut() else "link up "
        room = WIDTH - len(clock) - len(link) - 15
        line = f"{clock}  {self._paint(link)}  {who[:9]:<9}  {what[:room]}"
        self._print(line)

    def heading(self, text: str) -> None:
        """Print what comes next."""
        self._print("")
        self._print(f"{_BOLD}{text}{_OFF}" if self._has_colour else text)

    def table(self, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Print a table whose columns are as wide as what is in them."""
        widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
        for row in [columns, *rows]:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._print(("  " + "  ".join(cells)).rstrip()[:WIDTH])

    def plain(self, text: str) -> None:
        """Print a line as it is."""
        self._print(text)

    def _paint(self, link: str) -> str:
        if not self._has_colour:
            return link
        return f"{_RED if self._is_cut() else _GREEN}{link}{_OFF}"

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()
