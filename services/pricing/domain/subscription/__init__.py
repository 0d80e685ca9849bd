"""A subscription over time: what holds on which day, and for how many seats."""
