"""What the run counted itself, as JSON and as a table."""

import statistics
from collections.abc import Sequence

from pydantic import BaseModel

from parkgraph_demo.journals import compare
from parkgraph_demo.narrator import Narrator
from parkgraph_demo.stack import LOT, Stack
from parkgraph_demo.story import Story, Visit, completed_in_cloud


class Spread(BaseModel):
    """Milliseconds: the median and what 95 of 100 stay under."""

    p50: float
    p95: float


class Read(BaseModel):
    """One plate, read from frames; `ms` is from the newest frame's arrival to the decision."""

    truth: str
    read: str
    confidence: float
    ms: int


class Journal(BaseModel):
    """How many records each side holds."""

    edge: int
    cloud: int


class Report(BaseModel):
    """The run in figures."""

    stays: int
    offline_stays: int
    sold_while_cut_off: int
    plate_reads: list[Read]
    gate_openings: int
    journal: Journal
    lost: int
    duplicated: int
    frame_to_decision_ms: Spread
    decision_to_boom_ms: Spread
    refused_presentations: int
    collisions: int


async def count(stack: Stack, story: Story) -> Report:
    """Count what the run did: from both journals, the cloud's API and the simulator's truth."""
    edge, cloud, lost, doubled = await compare(LOT, stack.edge_ledger, stack.cloud_database)
    listed = await completed_in_cloud(stack, story.visits)
    lanes = (await stack.side_door.truth())["lanes"].values()
    chronicle = story.chronicle
    return Report(
        stays=sum(1 for times in listed.values() if times),
        offline_stays=sum(1 for v in story.visits if v.is_offline and listed[v.session.id]),
        sold_while_cut_off=sum(1 for v in story.visits if v.is_sold_by_cloud),
        plate_reads=[
            Read(truth=r.truth, read=r.read, confidence=round(r.confidence, 4), ms=r.ms)
            for r in chronicle.reads
        ],
        gate_openings=sum(lane["boom_openings"] for lane in lanes),
        journal=Journal(edge=edge, cloud=cloud),
        lost=lost + sum(1 for times in listed.values() if not times),
        duplicated=doubled + sum(times - 1 for times in listed.values() if times > 1),
        frame_to_decision_ms=_spread([read.ms for read in chronicle.reads]),
        decision_to_boom_ms=_spread(chronicle.decision_to_boom_ms),
        refused_presentations=chronicle.refusals,
        collisions=sum(lane["collisions"] for lane in lanes),
    )


async def show(stack: Stack, story: Story, report: Report, narrator: Narrator) -> None:
    """Print the run as a table."""
    rows = [await _row(stack, visit) for visit in story.visits]
    narrator.heading("What the cloud has")
    narrator.table(("stay", "plate", "read at exit", "came in by", "minutes", "owes"), rows)
    narrator.plain(
        f"  records: lot {report.journal.edge}, cloud {report.journal.cloud}"
        f" · lost {report.lost} · duplicated {report.duplicated}"
        f" · barrier openings {report.gate_openings}"
    )
    frame, boom = report.frame_to_decision_ms, report.decision_to_boom_ms
    narrator.plain(
        f"  frame to decision {frame.p50:.0f} ms (p95 {frame.p95:.0f})"
        f" · decision to boom {boom.p50:.0f} ms (p95 {boom.p95:.0f})"
    )


async def _row(stack: Stack, visit: Visit) -> tuple[str, ...]:
    session = await stack.cloud.session(visit.session.id)
    inside = (
        (session.ended_at - session.entered_at).total_seconds() / 60
        if session.ended_at and session.entered_at
        else 0.0
    )
    sold = ", sold in the cloud" if visit.is_sold_by_cloud else ""
    where = f" (cut off{sold})" if visit.is_offline else ""
    owes = "" if session.amount is None else f"{session.amount:.2f} {session.currency}"
    return (
        f"{visit.name}{where}", visit.plate, visit.read, visit.means, f"{inside:.1f}", owes,
    )  # fmt: skip


def _spread(values: Sequence[int]) -> Spread:
    if len(values) < 2:
        only = float(values[0]) if values else 0.0
        return Spread(p50=only, p95=only)
    return Spread(
        p50=statistics.median(values),
        p95=round(statistics.quantiles(values, n=20, method="inclusive")[-1], 1),
    )
