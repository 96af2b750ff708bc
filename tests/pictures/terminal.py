"""What a program wrote to a terminal, as an SVG that reads the same everywhere."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

# Source: ECMA-48, section 8.3.117; of its attributes, those that the demo uses.
_CLASSES: Final = {"1": "bold", "2": "dim", "31": "red", "32": "green"}
_SEQUENCE: Final = re.compile(r"\x1b\[([\d;]*)m")
_OTHER_SEQUENCE: Final = re.compile(r"\x1b\[[\d;?]*[A-Za-ln-z]")

_FONT_PIXELS: Final = 14
_CELL_PIXELS: Final = 8.4
_LINE_PIXELS: Final = 19
_MARGIN_PIXELS: Final = 18
_HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<title>{title}</title>
<style>
text {{ font: {font}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", \
"Liberation Mono", monospace; fill: #c9d1d9; white-space: pre }}
.bold {{ fill: #ffffff; font-weight: bold }}
.dim {{ fill: #8b949e }}
.red {{ fill: #ff7b72 }}
.green {{ fill: #56d364 }}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Characters of one look that stand beside each other; `column` is that of the first."""

    column: int
    text: str
    look: str


def lines_of(written: str) -> list[list[Run]]:
    """Return the lines of what was `written`, without empty ones at the end."""
    plain = _OTHER_SEQUENCE.sub("", written.replace("\r\n", "\n"))
    lines = [list(_runs(line)) for line in plain.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _runs(line: str) -> Iterator[Run]:
    column, look = 0, ""
    # Split at sequences: text, attributes, text, attributes, …, text.
    for at, part in enumerate(_SEQUENCE.split(line)):
        if at % 2:
            look = _CLASSES.get(part, "")
        elif part:
            yield Run(column, part, look)
            column += len(part)


def svg(lines: list[list[Run]], *, title: str) -> str:
    """Return a picture of `lines`, as wide as the longest."""
    columns = max((run.column + len(run.text) for line in lines for run in line), default=1)
    head = _HEAD.format(
        width=round(columns * _CELL_PIXELS + 2 * _MARGIN_PIXELS),
        height=len(lines) * _LINE_PIXELS + 2 * _MARGIN_PIXELS,
        title=escape(title),
        font=_FONT_PIXELS,
    )
    body = [
        _text(run, _MARGIN_PIXELS + number * _LINE_PIXELS + _FONT_PIXELS)
        for number, line in enumerate(lines)
        for run in line
        if run.text.strip()
    ]
    return head + "\n".join(body) + "\n</svg>\n"


def _text(run: Run, y: int) -> str:
    blank = len(run.text) - len(run.text.lstrip())
    text = run.text.strip()
    x = _MARGIN_PIXELS + (run.column + blank) * _CELL_PIXELS
    # The length is given, so that columns stand under each other in any font.
    length = len(text) * _CELL_PIXELS
    look = f' class="{run.look}"' if run.look else ""
    return (
        f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}"{look} xml:space="preserve">'
        f"{escape(text, quote=False)}</text>"
    )
