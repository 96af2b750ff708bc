"""A writer that trusts `synchronous=NORMAL`: the reference which shows that a power cut bites.

`python -m tests.faults.bare_writer FILE ROWS` prints how many rows it has committed, and waits.
"""

import signal
import sqlite3
import sys
from pathlib import Path


def main() -> None:
    """Write so many rows, each in a commit of its own, and wait to be killed."""
    rows = int(sys.argv[2])
    connection = sqlite3.connect(Path(sys.argv[1]), isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")
    # A checkpoint syncs, also in NORMAL: one here, and none by chance just before the cut.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    for number in range(1, rows + 1):
        connection.execute("INSERT INTO rows VALUES (?, ?)", (number, "x" * 200))
    print(rows, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
