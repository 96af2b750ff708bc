"""A lot does what its cloud says, and nobody else."""

import pytest

from parkgraph.runtime.signatures import PublicKeys, SigningKey

OURS = SigningKey(bytes(range(32)))
OTHER = SigningKey(bytes(range(1, 33)))
TOPIC, SAID = "pg/1/p01/elm/down/rows", b'{"rows": []}'


def test_what_was_signed_is_believed() -> None:
    signature = OURS.sign(TOPIC, SAID)

    assert PublicKeys([OURS.public_key]).believe(TOPIC, SAID, signature)


def test_while_keys_are_replaced_both_are_believed() -> None:
    both = PublicKeys([OTHER.public_key, OURS.public_key])

    assert both.believe(TOPIC, SAID, OURS.sign(TOPIC, SAID))
    assert both.believe(TOPIC, SAID, OTHER.sign(TOPIC, SAID))


@pytest.mark.parametrize(
    ("topic", "said", "signature"),
    [
        (TOPIC, SAID, None),
        (TOPIC, SAID, ""),
        (TOPIC, SAID, "not Base64: ü"),
        (TOPIC, SAID, "c2hvcnQ="),
        (TOPIC, SAID, OTHER.sign(TOPIC, SAID)),
        (TOPIC, SAID + b" ", OURS.sign(TOPIC, SAID)),
        ("pg/1/p01/oak/down/rows", SAID, OURS.sign(TOPIC, SAID)),
        (TOPIC + "x", SAID, OURS.sign(TOPIC, b"x" + SAID)),
    ],
)
def test_what_others_signed_or_changed_is_not(
    topic: str, said: bytes, signature: str | None
) -> None:
    assert not PublicKeys([OURS.public_key]).believe(topic, said, signature)


@pytest.mark.parametrize("text", ["", "c2hvcnQ=", "paste here what the command prints"])
def test_what_is_no_public_key_is_told_with_the_command_that_prints_one(text: str) -> None:
    with pytest.raises(ValueError, match="run parkgraph-cloud key where the cloud runs"):
        PublicKeys([text])
