"""Time zones by their names, which may come from anywhere."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def find_zone(name: str | None) -> ZoneInfo:
    """Return the time zone `name`; UTC where there is none of that name."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # which one depends on the name's form
        return ZoneInfo("UTC")
