"""What came of the calls, as tables for people."""

from tests.fuzz.tally import KINDS, Failure, Tally


def show(tally: Tally) -> list[str]:
    """Return what came of the calls of one side as a table, and below it what was wrong."""
    heads = ("cases", "2xx", "4xx", "503", *KINDS, "beyond")
    lines = [f"{tally.side:<40}" + "".join(f"{head:>13}" for head in heads)]
    rows = {name: _row(tally, name) for name in sorted(tally.statuses, key=_by_path)}
    lines += [f"{name:<40}" + "".join(f"{n:>13}" for n in row) for name, row in rows.items()]
    totals = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines.append(f"{'together':<40}" + "".join(f"{n:>13}" for n in totals))
    if tally.beyond:
        lines += ["", "allowed by the schema and refused, as it cannot say:"]
        lines += [f"  {times:>6} times: {why}" for why, times in tally.beyond.most_common()]
    for failure in sorted(tally.failures.values(), key=lambda each: KINDS.index(each.kind)):
        lines += ["", *_told(tally.side, failure)]
    return [*lines, *(f"\nBROKEN {each}" for each in tally.broken)]


def _by_path(operation: str) -> list[str]:
    return operation.split()[::-1]


def _row(tally: Tally, operation: str) -> list[int]:
    statuses = tally.statuses[operation]
    return [
        statuses.total(),
        sum(times for status, times in statuses.items() if 200 <= status < 300),
        sum(times for status, times in statuses.items() if 400 <= status < 500),
        statuses[503],
        *(tally.failed(operation, kind) for kind in KINDS),
        tally.beyond_of[operation],
    ]


def _told(side: str, failure: Failure) -> list[str]:
    return [
        f"FAILED {failure.times.total()} times, {side}: {failure.check} (seed {failure.seed})",
        *(f"  {times} times {name}" for name, times in failure.times.most_common()),
        *(f"  {line}" for line in failure.message.splitlines() if line),
        f"  {failure.curl}",
        f"  -> {failure.answer}",
    ]
