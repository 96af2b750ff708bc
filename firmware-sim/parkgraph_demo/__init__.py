"""A lot, its hardware, a broker and a cloud on one machine, and a story that they live through."""
