"""The use cases of the API: one request each; the caller commits."""
