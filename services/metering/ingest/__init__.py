"""The way in: a body becomes judged events, and those become acknowledged Arrow envelopes."""
