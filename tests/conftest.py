"""What holds for all tests."""

from hypothesis import settings

# A busy machine is slow, not wrong; pytest's own limit of time ends what hangs.
settings.register_profile("all", deadline=None)
settings.load_profile("all")
