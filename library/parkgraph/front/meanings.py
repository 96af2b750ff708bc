"""What each error says, and what its caller does about it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from parkgraph.front.contract import LONGEST_BODY


class Meaning(NamedTuple):
    """Both for people, in whole sentences."""

    what: str
    remedy: str


MEANINGS: Final[Mapping[str, Meaning]] = {
    "BAD_REQUEST": Meaning(
        "Something is missing, out of range or not JSON: `field` names it, `fields` all of it where"
        " there is more.",
        "Mend the request. The same one is refused again.",
    ),
    "UNAUTHORIZED": Meaning(
        "There is no key, or none that works here: it is misspelt, over or revoked.",
        "Send `Authorization: Bearer pk_live_…`. A lot knows a new key as soon as it has heard of"
        " it from the cloud.",
    ),
    "FORBIDDEN": Meaning(
        "The key works and may not do this: it lacks the scope, belongs to another fleet, or is a"
        " `pk_test_` key at a real lot or a `pk_live_` key at a synthetic one.",
        "Use a key that has the scope, of that fleet or of the operator, for lots of that kind; or"
        " take a plan that includes it.",
    ),
    "NOT_FOUND": Meaning(
        "There is no such path, lot, stay or key, or none that this key may see.",
        "Look at the id. A lot knows itself and its own stays only.",
    ),
    "METHOD_NOT_ALLOWED": Meaning(
        "The path does not take this method.", "Use one of those that `Allow` names."
    ),
    "CONFLICT": Meaning(
        "It does not fit how things are: the vehicle has an open stay at the lot, the stay cannot"
        " be ended, cancelled or extended in its state, or the same request is still on its way.",
        "Read the stay and decide anew.",
    ),
    "LOT_FULL": Meaning(
        "No space for this vehicle is free; from the cloud, none that it may sell.",
        "Search for another lot, or ask again later.",
    ),
    "PAYLOAD_TOO_LARGE": Meaning(
        f"The body is longer than {LONGEST_BODY:,} bytes.", "Send less at once."
    ),
    "UNSUPPORTED_MEDIA_TYPE": Meaning(
        "The body is not sent as JSON in UTF-8.", "Send `Content-Type: application/json`."
    ),
    "IDEMPOTENCY_MISMATCH": Meaning(
        "The `Idempotency-Key` came with another request before: method, address or body differ.",
        "Make up a new key for a new request; send an old one with the very same bytes only.",
    ),
    "UPGRADE_REQUIRED": Meaning(
        "The request came without TLS; nothing of it was read.",
        "Send it to the `https` address, and renew a key that was sent in the clear.",
    ),
    "RATE_LIMITED": Meaning(
        "The budget of the key, of the end user or, without a key that works, of the address is"
        " used up.",
        "Wait `Retry-After` seconds, and a little longer by chance, so that not all come back at"
        " once.",
    ),
    "INTERNAL": Meaning(
        "Something is broken on this side; it was logged under `request_id`.",
        "Send it again with the same `Idempotency-Key`. If it stays, tell us the `request_id`.",
    ),
    "UNAVAILABLE": Meaning(
        "Not possible now.",
        "Send it again with the same `Idempotency-Key` after `Retry-After` seconds.",
    ),
    "LOT_OFFLINE": Meaning(
        "Only from the cloud: it cannot reach the lot and has nothing left to sell for it, or must"
        " hear from it first. The lot itself still answers.",
        "Ask the lot, or the cloud again after `Retry-After` seconds.",
    ),
    "REQUIRES_CLOUD": Meaning(
        "Only from a lot: this is for the cloud to decide. Nothing was done, and nothing queued.",
        "Send it to the cloud, when it can be reached.",
    ),
}
