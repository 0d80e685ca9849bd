"""Reading and writing envelopes, what was spent of them, and what is held."""
