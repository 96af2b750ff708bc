"""Old backups put back by an operator, who says so; and what may be forgiven then."""

import contextlib
import sqlite3
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Final

from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.epochs import begin_recovery, is_recovering
from tests.simulation.clouds import DATABASE
from tests.simulation.database import open_database
from tests.simulation.disk import Disk, Snapshot
from tests.simulation.engine import Simulation
from tests.simulation.lots import LEDGER, TAIL, LotSite
from tests.simulation.machines import Machine
from tests.simulation.mounts import Mount
from tests.simulation.vehicles import Town

if TYPE_CHECKING:
    from tests.simulation.faults import Fault

_ROWS: Final = "SELECT hash, subject FROM journal WHERE stream IN (?, ?)"
_UNACKNOWLEDGED: Final = """\
SELECT journal.hash FROM journal
  JOIN cursors AS head ON head.stream = journal.stream AND head.name = 'head'
   AND head.epoch = journal.epoch
  LEFT JOIN cursors AS known ON known.stream = journal.stream AND known.name = 'acknowledged'
   AND known.epoch = journal.epoch
 WHERE journal.stream = :lot AND journal.seq > coalesce(known.seq, 0)
"""
_STREAMS: Final = "SELECT DISTINCT stream FROM cursors UNION SELECT lot || '/cloud' FROM lots"


@contextlib.contextmanager
def looked_into(machine: Machine, name: str) -> Iterator[sqlite3.Connection]:
    """Open a copy of a database as it is on the disk now, so that looking changes nothing."""
    copy = Disk(Random(0))
    copy.restore(machine.disk.snapshot())
    mount = Mount(copy, lambda _: None)
    connection = open_database(mount, name)
    try:
        yield connection
    finally:
        connection.close()
        mount.detach()


class Restores:
    """Takes backups, restores them, and tells the oracle what was lost on every machine."""

    def __init__(self, simulation: Simulation, town: Town) -> None:
        self._simulation = simulation
        self._town = town
        self._backups: dict[Fault, Snapshot] = {}
        self.lost_rows = 0

    def back_up(self, fault: "Fault") -> None:
        """Take the backup that `fault` will restore."""
        machine = self._simulation.machines[fault.target]
        self._backups[fault] = machine.disk.snapshot()

    def restore(self, fault: "Fault") -> None:
        """Put the backup back, declare it, and forgive what no other machine has."""
        machine = self._simulation.machines[fault.target]
        backup = self._backups.pop(fault, None)
        name = LEDGER if fault.target != "cloud" else DATABASE
        if backup is None or name not in backup or not machine.is_powered:
            return
        lots = [lot for lot in self._town.lots if fault.target in {"cloud", lot.name}]
        if fault.target == "cloud" and any(self._waits_for_cloud(lot) for lot in lots):
            return  # what two machines forgot at once is nowhere
        had = {lot.name: self._rows(machine, name, lot) for lot in lots}
        # Backups that are older than a restore are of another history; the manual says so.
        self._backups = {f: b for f, b in self._backups.items() if f.target != fault.target}
        machine.disk.quota_bytes, machine.disk.failing_syncs = None, 0
        machine.disk.put_out_fuse()
        if self._is_only_the_database(fault, machine):
            # Rolled back behind everybody's back: the tail and the cloud have all that is missing.
            self._town.oracle.rolled_back.add(fault.target)
            machine.restore({**backup, TAIL: machine.disk.snapshot()[TAIL]})
            return
        machine.restore(backup)
        if not self._declare(machine, name, fault):
            return
        for lot in lots:
            # Either machine may have been the last that had a row, of its own stream or its copy.
            left = self._rows(lot.machine, LEDGER, lot)
            left |= self._rows(self._town.cloud.machine, DATABASE, lot)
            lost = [subject for row, subject in had[lot.name].items() if row not in left]
            self.lost_rows += len(lost)
            self._forgive(lot, set(lost), is_cloud=fault.target == "cloud")

    def _is_only_the_database(self, fault: "Fault", machine: Machine) -> bool:
        if self._town.oracle.restored_at or fault.amount <= 0.5 or fault.target == "cloud":
            return False
        with looked_into(machine, LEDGER) as connection:
            if not _is_migrated(connection):
                return False
            rows = connection.execute(_UNACKNOWLEDGED, {"lot": fault.target}).fetchall()
        # While the disk is full, commits stand without their second copy; then both are needed.
        tail = machine.disk.snapshot().get(TAIL, b"")
        return TAIL in machine.disk.files and all(row["hash"].encode() in tail for row in rows)

    def _waits_for_cloud(self, lot: LotSite) -> bool:
        if lot.name not in self._town.oracle.rolled_back:
            return False
        return lot.connection is None or is_recovering(lot.connection, lot.name)

    def _rows(self, machine: Machine, name: str, lot: LotSite) -> dict[str, str]:
        with looked_into(machine, name) as connection:
            if not _is_migrated(connection):
                return {}
            streams = (lot.name, stream_of_cloud(lot.name))
            return {row["hash"]: row["subject"] for row in connection.execute(_ROWS, streams)}

    def _declare(self, machine: Machine, name: str, fault: "Fault") -> bool:
        """Mark the restored streams as the operator does, before the program starts."""
        connection = machine.open_database(name)
        try:
            if not _is_migrated(connection):
                return False
            if fault.target != "cloud":
                begin_recovery(connection, fault.target)
                return True
            for row in connection.execute(_STREAMS).fetchall():
                if row["stream"].endswith("/cloud"):
                    begin_recovery(connection, row["stream"])
            return True
        finally:
            connection.close()

    def _forgive(self, lot: LotSite, subjects: set[str], *, is_cloud: bool) -> None:
        oracle = self._town.oracle
        oracle.restored_at["cloud" if is_cloud else lot.name].append(self._simulation.loop.time())
        oracle.forgotten |= subjects
        here = [promise for promise in oracle.promises if promise.lot is lot]
        # Who came in under a stay that nobody knows any more is unknown under any other.
        lost = {id(p.vehicle) for p in here if p.session in subjects}
        for promise in here:
            promise.is_forgiven |= id(promise.vehicle) in lost
        for ended in oracle.ends:
            if ended.lot is lot and ended.session in subjects:
                ended.is_forgiven = True


def _is_migrated(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name = 'journal'"
    return connection.execute(query).fetchone() is not None
