"""What came of the calls: how many, and what was wrong with the answers."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemathesis.core.transport import Response
from schemathesis.engine.recorder import CheckNode, ScenarioRecorder

SERVER_ERROR: Final = "5xx"
UNDOCUMENTED: Final = "undocumented"
SCHEMA: Final = "schema"
OTHER: Final = "other"
KINDS: Final = (SERVER_ERROR, UNDOCUMENTED, SCHEMA, OTHER)
_KIND_OF: Final[Mapping[str, str]] = {
    "not_a_server_error": SERVER_ERROR,
    "status_code_conformance": UNDOCUMENTED,
    "content_type_conformance": SCHEMA,
    "response_schema_conformance": SCHEMA,
    "response_headers_conformance": SCHEMA,
    "the_answer_is_documented": SCHEMA,
}
_REFUSED: Final = "positive_data_acceptance"

# What OpenAPI cannot say, or not so that people could read it: by what the refusal names.
BEYOND_THE_SCHEMA: Final[Mapping[str, str]] = {
    "cursor": "a place is in a journal of that lot",
    "plate": "letters and digits of any script; plate or VIN is given",
    "fleet_id": "a key of all fleets says which",
    "scopes": "a plan includes them",
    "plan": "a fleet has a plan of fleets",
    "observations.*.space": "the lot has it",
    "increment_minutes": "increments fill a day",
}
# The same, by how the message begins after the field.
BEYOND_IN_WORDS: Final[Mapping[str, str]] = {
    "holds NUL": "no NUL, in any text",
    "holds a bidirectional": "no bidirectional control character, in any text",
    "is an integer beyond": "no integer beyond 64 bits, in unknown fields too",
    "is NaN, Infinity or": "no number too large, in unknown fields too",
    "a space is held for at most": "extensions add up",
    "a session lasts for at most": "extensions add up",
    "Input should be a valid integer": "integers are written without a fraction: 5, not 5.0",
}


@dataclass
class Failure:
    """One way to fail, the first call that showed it, and how often each operation did."""

    check: str
    message: str
    curl: str
    answer: str
    seed: int
    times: Counter[str] = field(default_factory=Counter)

    @property
    def kind(self) -> str:
        """Which column of the table it is counted in."""
        return _KIND_OF.get(self.check, OTHER)


@dataclass
class Tally:
    """The calls of one side and what was wrong with them."""

    side: str
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    beyond: Counter[str] = field(default_factory=Counter)
    beyond_of: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many calls were answered."""
        return sum(statuses.total() for statuses in self.statuses.values())

    @property
    def is_clean(self) -> bool:
        """Whether nothing was wrong."""
        return not self.failures and not self.broken

    def failed(self, operation: str, kind: str) -> int:
        """Return how many calls of an operation failed in that way."""
        return sum(each.times[operation] for each in self.failures.values() if each.kind == kind)

    def take(self, recorder: ScenarioRecorder, seed: int) -> None:
        """Count what was called, and what the checks said."""
        for case, interaction in recorder.interactions.items():
            operation = recorder.cases[case].value.operation.label
            if interaction.response is None:
                self.broken.append(f"{operation} got no answer: {interaction.request.uri}")
                continue
            statuses = self.statuses.setdefault(operation, Counter())
            statuses[interaction.response.status_code] += 1
        for case, checks in recorder.checks.items():
            for check in checks:
                self._take_check(recorder, case, check, seed)

    def _take_check(
        self, recorder: ScenarioRecorder, case: str, check: CheckNode, seed: int
    ) -> None:
        if check.failure_info is None:
            return
        failure = check.failure_info.failure
        about = failure.case_id or case
        response = recorder.interactions[about].response
        operation = recorder.cases[about].value.operation.label
        if check.name == _REFUSED and response and (why := beyond_the_schema(response)):
            self.beyond[why] += 1
            self.beyond_of[operation] += 1
            return
        field_at_fault = _error_of(response).get("field", "") if check.name == _REFUSED else ""
        title = f"{failure.title} {_without_numbers(field_at_fault)}".rstrip()
        found = self.failures.setdefault(
            (check.name, title),
            Failure(
                check=check.name,
                message=f"{title}: {failure.message}",
                curl=check.failure_info.code_sample,
                answer=_shown(response),
                seed=seed,
            ),
        )
        found.times[operation] += 1


def beyond_the_schema(response: Response) -> str | None:
    """Return why a request that the schema allows was refused all the same.

    None where that is not known, of all that was told to be at fault.
    """
    error = _error_of(response)
    reasons = [next(_reasons(each), None) for each in error.get("fields", [error])]
    return reasons[0] if all(reasons) else None


def _reasons(told: dict[str, Any]) -> Iterator[str]:
    place, message = told.get("field", ""), told.get("message", "")
    if reason := BEYOND_THE_SCHEMA.get(_without_numbers(place)):
        yield reason
    words = message.removeprefix(f"{place}: ")
    yield from (why for start, why in BEYOND_IN_WORDS.items() if words.startswith(start))


def _without_numbers(place: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in place.split("."))


def _error_of(response: Response | None) -> dict[str, Any]:
    """Return the error that an answer tells of, in either form; nothing where it tells of none."""
    try:
        body = json.loads(response.content) if response else None
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    return error if isinstance(error, dict) else {}


def _shown(response: Response | None) -> str:
    if response is None:
        return "no answer"
    return f"{response.status_code} {response.content[:400].decode(errors='replace')}"
