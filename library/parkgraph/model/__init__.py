"""The nouns of a parking lot, the contract on its wires, and the rules both sides share. Pure."""
