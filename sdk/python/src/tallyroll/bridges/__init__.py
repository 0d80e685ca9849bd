"""Bridges: usage that other frameworks already see becomes events of a meter.

Each module imports its framework only when it is imported itself.
"""
