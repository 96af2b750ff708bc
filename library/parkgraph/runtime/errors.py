"""The three kinds of error a caller can do something about. Anything else is a bug."""


class RefusedError(Exception):
    """The caller asks for what may not be; asking again will not help."""


class UnavailableError(Exception):
    """Something outside is away for now; its loop tries again."""


class CorruptError(Exception):
    """Something outside sent what cannot be; it is kept aside and reported, not retried."""
