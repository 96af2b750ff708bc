"""What the lot decides, as pure functions of facts, a wish and the time."""
