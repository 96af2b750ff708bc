"""Figures as text for a terminal of 100 columns."""

from collections.abc import Sequence

from tests.bench.attack import Siege
from tests.bench.backlog import FEWEST_CALLS, Backlog
from tests.bench.bookings import NAIVE, Summary
from tests.bench.camera import Margin, Watched
from tests.bench.demonstration import Reaction
from tests.bench.ledger import Ran
from tests.bench.machine import Resident
from tests.bench.reads import CONNECTIONS, ReadRound


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with the first column to the left and the others to the right."""
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    lines = []
    for first, *others in [columns, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines


def show_bookings(found: Sequence[Summary]) -> list[str]:
    """Return the bookings as a table, and under it every answer that was no 201."""
    columns = (
        "bookings", "conn.", "sync", "201s/s", "range", "p50 ms", "p99 ms", "naive x",
        "its p99",
        "commits", "/CPU s", "MiB",
    )  # fmt: skip
    lines = table(columns, [_booking_row(one) for one in found])
    lines.append("Each acknowledged session was found in the database. Barriers: closed ports.")
    lines.extend(
        f"{one.server} at {one.connections}: {count} times {status}"
        for one in found
        for status, count in one.refused.items()
    )
    return lines


def _booking_row(one: Summary) -> tuple[str, ...]:
    is_reference = one.server == NAIVE.name or one.to_naive is None
    return (
        one.server, str(one.connections), f"+{one.added_ms:g}ms" if one.added_ms else "",
        f"{one.per_second:.0f}",
        f"{one.lowest:.0f}-{one.highest:.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}",
        "" if is_reference else f"{one.to_naive:.1f}",
        "" if is_reference or one.p99_to_naive is None else f"{one.p99_to_naive:.2f}",
        f"{one.commits_each:.2f}",
        f"{one.per_cpu_second:.0f}", f"{one.resident_mib:.0f}",
    )  # fmt: skip


def show_reads(found: Sequence[ReadRound]) -> list[str]:
    """Return the reads of a stay beside a bare server, round by round."""
    rows = [
        (
            str(number), f"{one.gateway.per_second:.0f}", f"{one.bare.per_second:.0f}",
            f"{one.gateway.per_second / max(1.0, one.bare.per_second):.2f} x",
            f"{one.gateway.p99_ms:.1f}", f"{one.bare.p99_ms:.1f}",
        )
        for number, one in enumerate(found, 1)
    ]  # fmt: skip
    columns = ("GET of a stay, round", "200s/s", "bare Starlette", "to bare", "p99 ms", "bare p99")
    return [*table(columns, rows), f"{CONNECTIONS} connections. Aim: >= 0.4 x."]


def show_ledger(found: Sequence[Ran]) -> list[str]:
    """Return group commit beside its references, and how long an exit waits, as tables."""
    batched = [one for one in found if one.kind != "exits"]
    grouped = {one.added_ms: one.per_second for one in batched if one.kind == "grouped"}
    rows = [
        (
            one.kind, str(one.callers), f"{one.added_ms:g}", f"{one.per_second:.0f}",
            f"{one.commits_each:.3f}", f"{grouped[one.added_ms] / one.per_second:.2f} x",
        )
        for one in batched
        if one.added_ms in grouped
    ]  # fmt: skip
    columns = ("commands", "callers", "ms a sync more", "a second", "commits each", "grouped is")
    exits = [
        (str(one.callers), f"{one.exit_p50_ms:.1f}", f"{one.exit_p99_ms:.1f}")
        for one in found
        if one.exit_p99_ms is not None
    ]
    return [*table(columns, rows), "", *table(("an exit among callers", "p50 ms", "p99 ms"), exits)]


def show_memory(found: Sequence[Resident]) -> list[str]:
    """Return the memory of each process as a table."""
    rows = [(one.name, f"{one.now_mib:.0f}", f"{one.peak_mib:.0f}") for one in found]
    return table(("resident memory, MiB", "now", "peak"), rows)


def show_reaction(reaction: Reaction) -> list[str]:
    """Return the times of plates and barriers as a table."""
    spreads = {
        "frame to decision": reaction.frame_to_decision_ms,
        "decision to boom": reaction.decision_to_boom_ms,
    }
    rows = [(name, f"{one.p50:.0f}", f"{one.p95:.0f}") for name, one in spreads.items()]
    return table(("reaction, ms", "p50", "p95"), rows)


def show_attack(found: Siege) -> list[str]:
    """Return what honest callers saw alone and beside attackers, and what these did."""
    alone = found.calls[0] if found.calls else None
    rows = [
        (
            one.when, str(one.answered), f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}",
            f"{one.longest_ms:.1f}",
            f"{one.p99_ms / alone.p99_ms:.2f} x" if alone and alone.p99_ms and one is not alone
            else "",
            str(sum(one.refused.values())),
        )
        for one in found.calls
    ]  # fmt: skip
    columns = ("honest GETs", "200s", "p50 ms", "p99 ms", "longest", "p99 to alone", "refused")
    lines = [*table(columns, rows), "Aim: p99 <= 3 x alone, none refused."]
    lines.extend(
        f"{one.when}: {count} times {status}"
        for one in found.calls
        for status, count in one.refused.items()
    )
    if found.attack:
        statuses = ", ".join(f"{n} times {status}" for status, n in found.attack.statuses.items())
        held, cut_off = found.attack.half_open, found.attack.cut_off
        lines += [
            f"{held} connections half-open at the end; {cut_off} were cut off and begun anew.",
            f"{found.attack.bad_keys_per_second:.0f} bad keys a second: {statuses}.",
        ]
    return lines


def show_camera(found: Watched) -> list[str]:
    """Return what watching a camera costs, and how each case of its picture is judged."""
    reference = found.costs[0].percent
    rows = [
        (one.name, f"{one.percent:.1f} %", f"{one.percent / reference:.2f} x")
        for one in found.costs
    ]
    lines = table(("1080p JPEG at 10 a second", "of a core", "to full decode"), rows)
    lines.append(f"{found.kibibytes:.0f} KiB each, nobody there. Aim: <= 5 %, at most 8 %.")
    columns = (
        "picture", "brightest", "white", "spread", "sharpness", "matching", "lost", "judged",
        "after s",
    )  # fmt: skip
    return [*lines, "", *table(columns, [_margin_row(one) for one in found.margins])]


def _margin_row(one: Margin) -> tuple[str, ...]:
    measured = (one.saturated, one.spread, one.sharpness, one.matching, one.lost)
    return (
        one.case, f"{one.brightest:.0f}",
        *("" if value is None else f"{value:.2f}" for value in measured), one.state,
        "" if one.after_seconds is None else f"{one.after_seconds:.1f}",
    )  # fmt: skip


def show_backlog(found: Backlog) -> list[str]:
    """Return what a long outage costs, beside its references, as tables."""
    rows: list[tuple[str, str, str, str]] = []
    if found.build_seconds and found.journal_mib:
        built = f"{found.rows / found.build_seconds:.0f} rows/s"
        rows.append((f"{found.rows} rows written, {found.journal_mib:.0f} MiB", built, "", ""))
    if found.bare_seconds:
        each = ", ".join(f"{found.rows / max(0.001, one):.0f}" for one in found.bare_seconds)
        bare = f"{found.bare_per_second:.0f} rows/s"
        rows.append((f"bare batched inserts ({each})", bare, "", ""))
    if found.drain_seconds:
        ratio = found.drained_per_second / max(1.0, found.bare_per_second)
        drained = f"{found.drained_per_second:.0f} rows/s"
        rows.append(
            (f"drained in {found.drain_seconds:.1f} s", drained, f"{ratio:.2f} x", ">= 0.1 x")
        )
    for one in found.memory:
        is_first = one is found.memory[0]
        ratio = one.now_mib / found.memory[0].now_mib
        compared = ("", "") if is_first else (f"{ratio:.2f} x", "<= 1.3 x")
        rows.append((one.name, f"{one.now_mib:.1f} MiB", *compared))
    lines = table(("backlog", "measured", "to reference", "aim"), rows)
    if found.calls:
        lines += ["", *_backlog_calls(found)]
    if found.first_row_seconds:
        lines.append(f"The cloud had the first row {found.first_row_seconds:.1f} s after the start")
    if found.faults is not None:
        lines += found.faults or ["Order kept: every row of the copy follows on the one before."]
    return lines


def _backlog_calls(found: Backlog) -> list[str]:
    idle = next((one for one in found.calls if one.when == "idle"), None)
    rows = [
        (
            one.when, str(one.created), f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}",
            f"{one.longest_ms:.1f}",
            f"{one.p50_ms / idle.p50_ms:.2f} x" if idle and one is not idle else "",
            f"{one.p99_ms / idle.p99_ms:.2f} x" if idle and one is not idle else "",
        )
        for one in found.calls
    ]  # fmt: skip
    columns = (
        "bookings at 5/s",
        "201s",
        "p50 ms",
        "p99 ms",
        "longest",
        "p50 to idle",
        "p99 to idle",
    )
    lines = [*table(columns, rows), "Aim: p99 while draining <= 2 x of idle."]
    for one in found.calls:
        lines.extend(f"{one.when}: {count} times {status}" for status, count in one.others.items())
        if one.created < FEWEST_CALLS:
            lines.append(f"{one.when}: under {FEWEST_CALLS} calls, so this p99 says little")
    return lines
