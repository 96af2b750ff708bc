"""Plumbing that any daemon of ours needs. No parking word belongs in here."""
