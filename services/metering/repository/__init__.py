"""The only SQL of metering, by what it is about."""
