"""Backtests over past usage: a columnar store for scanning, the functions that bill for the money.

Runs in a process of its own, on a read-only snapshot; nothing here writes a bill.
"""
