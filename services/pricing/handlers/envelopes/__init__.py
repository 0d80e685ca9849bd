"""Envelopes: asked before work, looked at after it."""
