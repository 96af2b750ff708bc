"""Calls of one side made up from the document that it serves, and the checks of their answers."""

import contextlib
import itertools
import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from parkgraph.front.openapi import OPERATIONS, PATH
from tests.conformance.world import LOT, SPACES, WAYMO
from tests.fuzz.serving import Served, serving
from tests.fuzz.tally import Tally
from tests.json_schema import faults, resolved

BOOKING: Final = "POST /api/v1/sessions"
KEY_MAKING: Final = "POST /api/v1/api-keys"
REQUEST_KEY: Final = "Idempotency-Key"
EVENTS: Final = "GET /api/v1/sessions/{session}/events"
# Headers that are not the contract's.
OF_HTTP: Final = {
    "cache-control",
    "connection",
    "content-disposition",
    "content-length",
    "content-type",
    "date",
    "server",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
}
# All boundaries of all operations are more cases than a short run has.
CASES_WITH_COVERAGE: Final = 4_000
MOST_EXAMPLES: Final = 40
_SUCCESS: Final = ["2xx", "4xx", "503"]
# 422: the request was sent before, as another.
_TAKEN: Final = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
_REFUSALS: Final = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "503"]

# Whose vehicles come again and again, beside those with made-up plates.
_PLATES: Final = tuple(f"AV-{number}" for number in range(40))

Told = Callable[[Tally], None]


class Sense:
    """Makes more of the calls such as go well: about what is there, and not yet done.

    Every other call about a stay or a key is about one of the newest, every other booking is for
    one of a few vehicles, and every other request is sent for the first time.
    """

    def __init__(self, seed: int) -> None:
        self._newest = {name: deque[str](maxlen=2) for name in ("session", "key")}
        self._chance = random.Random(seed)
        self._requests = itertools.count()

    def before_call(self, _: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
        for name in self._newest.keys() & case.path_parameters.keys():
            if self._newest[name] and self._is_time():
                case.path_parameters[name] = self._chance.choice(self._newest[name])
        if case.operation.label == BOOKING and isinstance(case.body, dict) and self._is_time():
            case.body["plate"] = self._chance.choice(_PLATES)
        if REQUEST_KEY in case.headers and self._is_time():
            case.headers[REQUEST_KEY] = f"request-{next(self._requests)}"

    def after_call(self, _: HookContext, case: Case[Any], response: Response) -> None:
        if response.status_code != 201:
            return
        made = json.loads(response.content)
        if case.operation.label == BOOKING:
            self._newest["session"].append(made["session"]["id"])
        if case.operation.label == KEY_MAKING:
            self._newest["key"].append(made["api_key"]["id"])

    def _is_time(self) -> bool:
        return self._chance.random() < 0.5


@schemathesis.check
def the_answer_is_documented(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """See that the document has all headers and fields of an answer, and what its events hold."""
    contract = case.operation.schema.raw_schema
    described = case.operation.definition.raw["responses"].get(str(response.status_code))
    if described is None or case.method != case.operation.method.upper():
        return
    answer = resolved(contract, described)
    headers = response.headers.keys() - {name.lower() for name in answer["headers"]}
    assert headers <= OF_HTTP, f"not documented: {sorted(headers - OF_HTTP)}"
    kind = response.headers.get("content-type", [""])[0].partition(";")[0]
    content = answer["content"]
    told = {name.partition(";")[0]: each for name, each in content.items()}.get(kind)
    if told is None:
        return
    wrong = [
        fault
        for schema, value in _parts(told, kind, response.text)
        for fault in faults(contract, schema, value)
    ]
    assert not wrong, "\n".join(wrong[:20])


def _parts(told: dict[str, Any], kind: str, text: str) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the parts of an answer that have a schema, each with it."""
    if kind.endswith("json"):
        yield told["schema"], json.loads(text)
    for line in text.splitlines() if "x-event-data" in told else ():
        if line.startswith("data: "):
            yield told["x-event-data"], json.loads(line[6:])


def campaign(side: str, folder: Path, *, cases: int, seed: int, tell: Told) -> Tally:
    """Make about `cases` calls of `side`, and `tell` of them as they are made."""
    tally = Tally(side)
    with serving(side, folder, seed=seed) as served, _with_sense(seed):
        has_coverage = cases >= CASES_WITH_COVERAGE
        while tally.cases < cases and not tally.broken:
            _round(served, tally, cases, seed=seed, has_coverage=has_coverage, tell=tell)
            seed, has_coverage = seed + 1, False
    return tally


@contextlib.contextmanager
def _with_sense(seed: int) -> Iterator[None]:
    sense = Sense(seed)
    hooks: dict[str, Callable[..., Any]] = {
        "before_call": sense.before_call,
        "after_call": sense.after_call,
    }
    for name, hook in hooks.items():
        GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, name)
    try:
        yield
    finally:
        for hook in hooks.values():
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _round(
    served: Served, tally: Tally, cases: int, *, seed: int, has_coverage: bool, tell: Told
) -> None:
    examples = max(1, min(MOST_EXAMPLES, (cases - tally.cases) // (2 * len(OPERATIONS))))
    config = _configuration(served, seed=seed, examples=examples, has_coverage=has_coverage)
    schema = schemathesis.openapi.from_url(served.url + PATH, config=config)
    stream = from_schema(schema).execute()
    before = tally.cases
    for event in stream:
        match event:
            case events.ScenarioFinished():
                tally.take(event.recorder, seed)
                tell(tally)
                if tally.cases >= cases:
                    stream.stop()
            case events.NonFatalError():
                tally.broken.append(f"{event.label}: {event.info.title}: {event.info.message}")
            case events.FatalError():
                raise event.exception
    if tally.cases == before:
        tally.broken.append("a round made no calls")


def _configuration(
    served: Served, *, seed: int, examples: int, has_coverage: bool
) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "auth": {"openapi": {"key": {"bearer": served.key}}},
            "max-stream-events": 1,
            "request-timeout": 20,
            "continue-on-failure": True,
            "output": {"sanitization": {"enabled": False}},
            "generation": {
                "mode": "all",
                "max-examples": examples,
                "database": "none",
                "with-security-parameters": False,
            },
            "phases": {"coverage": {"enabled": has_coverage}},
            "dictionaries": {
                "lots": {"values": [LOT]},
                "fleets": {"values": [WAYMO]},
                "spaces": {"values": list(SPACES)},
            },
            "parameters": {
                "path.lot": {"dictionary": "lots", "probability": 0.8},
                "query.lot_id": {"dictionary": "lots", "probability": 0.5},
                "query.fleet_id": {"dictionary": "fleets", "probability": 0.5},
                "body.lot_id": {"dictionary": "lots", "probability": 0.8},
                "body.observations[*].space": {"dictionary": "spaces", "probability": 0.9},
            },
            "checks": {
                # tests/component/test_authorisation.py sees to that, in every way.
                "ignored_auth": {"enabled": False},
                "not_a_server_error": {"expected-statuses": _SUCCESS},
                "positive_data_acceptance": {"expected-statuses": _TAKEN},
                "negative_data_rejection": {"expected-statuses": _REFUSALS},
            },
            # Their schema is of the whole text, and schemathesis takes it for that of one event.
            "operations": [
                {
                    "include-name": EVENTS,
                    "checks": {"response_schema_conformance": {"enabled": False}},
                }
            ],
        }
    )
