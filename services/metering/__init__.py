"""Metering: takes token events in, counts each exactly once, publishes and seals the sums."""
