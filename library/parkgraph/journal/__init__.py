"""The journal of a lot: written by the ledger, chained, applied to facts, copied by the link."""
