"""Charge models, one file each: a price is a value, and what it comes to is a pure function."""
