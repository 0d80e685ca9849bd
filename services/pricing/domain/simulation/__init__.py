"""Backtests: what plans would have brought in over usage that is past, measured exactly."""
