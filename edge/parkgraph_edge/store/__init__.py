"""The commands of a lot: each reads its facts, asks a rule, and says what is to be recorded."""
