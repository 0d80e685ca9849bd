"""The pure part of metering: what an event is, when it counts. No clock, no SQL, no settings."""
