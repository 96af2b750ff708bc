"""Logs: events with fields, in the past tense. Readable at a terminal, JSON otherwise."""

import logging
import sys
from pathlib import Path

import structlog

from parkgraph.runtime.errors import RefusedError


def set_up(*, to: str | None = None) -> None:
    """Send logs to stderr, or to be appended to the file `to`; as JSON unless at a terminal.

    Raises:
        RefusedError: the file cannot be written.
    """
    try:
        stream = Path(to).open("a", buffering=1, encoding="utf-8") if to else sys.stderr  # noqa: SIM115
    except OSError as error:
        raise RefusedError(f"{to}: cannot be written: {error.strerror}; name another") from error
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer()
            if stream.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    # Libraries speak when we have said it better; what asyncio has to say is a bug.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("asyncio").addHandler(logging.StreamHandler(stream))


def leave_out_details(is_left_out: bool) -> None:  # noqa: FBT001
    """Log from now on only what somebody has to do something about, or everything again."""
    level = logging.WARNING if is_left_out else logging.NOTSET
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
