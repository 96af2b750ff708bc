"""The trace of a run: a hash over all that happened. Two runs of one seed have the same."""

import hashlib
from array import array
from itertools import zip_longest
from typing import Final

_CHUNK: Final = 1 << 16


class Trace:
    """Numbers, hashed in chunks; all are kept on request, to find where two runs part."""

    def __init__(self, *, is_kept: bool = False) -> None:
        """Begin an empty trace; hold on to every number if it `is_kept`."""
        self._hash = hashlib.sha256()
        self._chunk = array("d")
        self._kept = array("d") if is_kept else None
        # Bound once, as it is called several times in each step.
        self.note = self._chunk.append

    def is_chunk_full(self) -> bool:
        """Say whether it is time to call `digest_chunk`."""
        return len(self._chunk) >= _CHUNK

    def digest_chunk(self) -> None:
        """Fold what was noted into the hash."""
        self._hash.update(self._chunk.tobytes())
        if self._kept is not None:
            self._kept.extend(self._chunk)
        del self._chunk[:]

    def hexdigest(self) -> str:
        """Return the hash of all that was noted so far."""
        self.digest_chunk()
        return self._hash.hexdigest()

    def first_difference(self, other: "Trace") -> int | None:
        """Return the index of the first number that differs from `other`'s; both were kept."""
        self.digest_chunk()
        other.digest_chunk()
        pairs = zip_longest(self._kept or (), other._kept or ())
        return next((i for i, (one, two) in enumerate(pairs) if one != two), None)
