"""A writer that trusts `synchronous=NORMAL`: the reference which shows that a power cut bites.

`python -m tests.faults.bare_writer FILE` prints the number of each row once it is committed.
"""

import itertools
import sqlite3
import sys
from pathlib import Path


def main() -> None:
    """Write until killed."""
    connection = sqlite3.connect(Path(sys.argv[1]), isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, text TEXT)")
    print("ready", flush=True)
    for number in itertools.count(1):
        connection.execute("INSERT INTO rows VALUES (?, ?)", (number, "x" * 200))
        print(number, flush=True)


if __name__ == "__main__":
    main()
