"""In what the answers of lot and cloud to one request may differ; in nothing else."""

from collections.abc import Mapping
from typing import Any, Final

# Where the value is the side's own; that there is one, and of which kind, is the same.
VALUES: Final[Mapping[str, str]] = {
    "id": "each side makes the ids of what it books",
    "session_code": "the same as `id`",
    "short_code": "made of `id`",
    "request_id": "each side makes its own",
    "message": "says what the caller can do at this side",
    "gate_code": "of the space that the side sells",
    "assigned_space": "each side sells its own spaces",
    "notes": "names the space",
    "scope": "`lot` or `cloud`",
    "as_of": "the lot tells of now, the cloud of when it last heard the lot",
    "stale_after_seconds": "of the side",
    "bookable": "the lot sells what is free, the cloud what the lot has lent it",
    "free": "the lot fills up what it lends when the cloud has sold it",
    "free_by_class": "the same by class",
    "next_cursor": "names a stay",
}
# Codes that one side answers with where the other may not.
CODES: Final[Mapping[str, str]] = {
    "REQUIRES_CLOUD": "the lot, to what the cloud owns: keys, agents, and changes of rates",
    "LOT_OFFLINE": "the cloud, to what the lot owns, while that cannot be reached",
    "LOT_FULL": "the lot when nothing is free, the cloud when nothing is left of what was lent",
}


def without_own(answer: Any) -> Any:
    """Return `answer` with the kinds of values that are the side's own in their place."""
    if isinstance(answer, list):
        return [without_own(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: type(each).__name__ if name in VALUES else without_own(each)
        for name, each in answer.items()
    }
