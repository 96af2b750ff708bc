"""What callers saw in spaces, and for how long it counts."""

from datetime import timedelta
from typing import Final

COUNTS_FOR: Final = timedelta(minutes=15)
