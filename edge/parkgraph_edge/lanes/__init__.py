"""The shell of the lanes: one task each, which looks, submits, and carries out what was committed."""
