"""Pure rating: what usage costs. No clock, no SQL, no broker, no settings."""
