"""Logs: events with fields, in the past tense. Readable at a terminal, JSON otherwise."""

import sys
from pathlib import Path

import structlog


def set_up(*, to: str | None = None) -> None:
    """Send logs to stderr, or to be appended to the file `to`; as JSON unless at a terminal."""
    stream = Path(to).open("a", buffering=1, encoding="utf-8") if to else sys.stderr  # noqa: SIM115
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer()
            if stream.isatty()
            else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
