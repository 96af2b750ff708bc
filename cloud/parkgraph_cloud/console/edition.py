"""What the page says now, and since which revision each of its parts says so."""

from collections.abc import Mapping


class Edition:
    """The newest text of every part of the page. A revision is `name-number`."""

    def __init__(self, name: str) -> None:
        """Count revisions under `name`, which no other run of the program uses."""
        self._name = name
        self._number = 0
        self._parts: dict[str, tuple[int, str]] = {}

    @property
    def revision(self) -> str:
        """The newest revision."""
        return f"{self._name}-{self._number}"

    def renew(self, parts: Mapping[str, str]) -> None:
        """Take `parts` as what the page says now."""
        if changed := {
            key: text for key, text in parts.items() if self._parts.get(key, (0, None))[1] != text
        }:
            self._number += 1
            self._parts |= {key: (self._number, text) for key, text in changed.items()}

    def changed_since(self, revision: str) -> dict[str, str] | None:
        """Return the parts that changed after `revision`; None where it is none of this run."""
        name, _, number = revision.rpartition("-")
        if name != self._name or not number.isdecimal():
            return None
        return {key: text for key, (at, text) in self._parts.items() if at > int(number)}
