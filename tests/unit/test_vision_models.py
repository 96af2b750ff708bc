"""The networks that are shipped, and their cards."""

import hashlib

import pytest

from parkgraph_edge.vision.network import MODELS

MOST_BYTES = 20 * 2**20


@pytest.mark.parametrize("name", ["detector", "reader"])
def test_a_card_is_of_the_network_beside_it(name: str) -> None:
    network = (MODELS / f"{name}.onnx").read_bytes()

    assert hashlib.sha256(network).hexdigest() in (MODELS / f"{name}.md").read_text(
        encoding="utf-8"
    )


def test_no_other_network_is_shipped_and_all_are_small() -> None:
    networks = sorted(MODELS.glob("*.onnx"))

    assert [path.stem for path in networks] == ["detector", "reader"]
    assert sum(path.stat().st_size for path in networks) <= MOST_BYTES
