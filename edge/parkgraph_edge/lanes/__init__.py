"""The shell of the lanes: one task each looks, submits and carries out what was committed."""
