"""A damaged second copy: what is whole is taken back, and nothing else gets into the ledger."""

import contextlib

import pytest

from parkgraph.runtime.errors import CorruptError, UnavailableError
from tests.fakes import journal_of, randomness
from tests.tails import Place, a_lot_with


@pytest.mark.parametrize(
    "rest",
    [
        b'{"epoch":1,"row":{"seq":3,"at":',
        b"\0" * 512 + b'{"epoch": 1, "row": \n' + b"\0" * 40 + b"\n",
    ],
    ids=["torn", "parts lost"],
)
async def test_a_last_append_that_was_torn_or_lost_parts_is_nothing(
    place: Place, rest: bytes
) -> None:
    await a_lot_with(place, "CAR 1")
    place.tail.write_bytes(place.content() + rest)

    await place.book("CAR 2")

    assert place.seqs() == [1, 2, 3]
    assert place.asides == []


def change_body(line: bytes) -> bytes:
    return line.replace(b"CAR", b"KAR")


@pytest.mark.parametrize("cars", [("CAR 1",), ("CAR 1", "CAR 2")], ids=["last", "not last"])
async def test_a_row_that_does_not_verify_is_not_taken_back(
    place: Place, cars: tuple[str, ...]
) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book(*cars)
    place.put_back()
    first, second, *others = place.content().splitlines(keepends=True)
    place.tail.write_bytes(b"".join([first, change_body(second), *others]))

    with pytest.raises(CorruptError, match="personal part does not fit"):
        await place.start()

    assert [row.type for row in journal_of(place.database)] == ["lot_described"]


async def test_a_damaged_line_of_a_row_that_the_ledger_has_is_mended(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    whole = place.content()
    place.tail.write_bytes(change_body(whole))

    await place.start()

    assert place.content() == whole


async def test_an_unreadable_line_before_rows_that_the_ledger_lost_is_a_gap(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    place.put_back()
    first, second, third = place.content().splitlines(keepends=True)
    place.tail.write_bytes(first + b"\0" * (len(second) - 1) + b"\n" + third)

    with pytest.raises(UnavailableError, match="begins at row 3"):
        await place.start()


async def test_whatever_is_cut_off_the_file_nothing_that_was_answered_is_missing(
    place: Place,
) -> None:
    """Everything that the database lost is either taken back, or the ledger stays shut."""
    place.has_copy = False
    await a_lot_with(place)
    place.keep()
    await place.book(*(f"CAR {n}" for n in range(3)))
    whole = place.content()
    ends = [len(whole[: at + 1]) for at, byte in enumerate(whole) if byte == 10]

    for length in range(ends[0], len(whole) + 1, 97):
        place.put_back()
        place.tail.write_bytes(whole[:length])
        await place.start()

        assert len(journal_of(place.database)) == sum(end <= length for end in ends)


async def test_no_flipped_bit_of_the_file_gets_into_the_ledger(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    rows = journal_of(place.database)
    whole = place.content()
    chance = randomness(3)

    for _ in range(60):
        place.put_back()
        changed = bytearray(whole)
        changed[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        place.tail.write_bytes(changed)
        with contextlib.suppress(CorruptError, UnavailableError):
            await place.start()

        taken = journal_of(place.database)
        assert taken == rows[: len(taken)]
