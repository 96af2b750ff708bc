"""The cloud core: a copy of every lot's journal, and the operators' console."""
