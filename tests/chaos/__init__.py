"""Faults under load, judged by a ledger of what was acknowledged: `python -m tests.chaos`."""
