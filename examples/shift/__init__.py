"""From seats to usage, worked on real traces: what a vendor would have earned either way."""
