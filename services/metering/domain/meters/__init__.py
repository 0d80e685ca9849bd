"""Meters: what cannot be a plain sum of tokens or units, as exact functions of events."""
