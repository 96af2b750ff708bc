"""What a stay costs. The first form of the rate card: one price an hour, by started minutes."""

from datetime import timedelta


def price_minor(rate_minor_per_hour: int, elapsed: timedelta) -> int:
    """Return the price of `elapsed` in minor units, for each started minute, rounded down once.

    A stay that a clock makes negative costs nothing.
    """
    minutes = max(0, -(-elapsed // timedelta(minutes=1)))
    return rate_minor_per_hour * minutes // 60
