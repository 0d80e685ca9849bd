"""Webhooks out: what a vendor's endpoints are told, signed, delivered at least once."""
