"""From an answer of a provider, however it was seen, to events of a meter."""
