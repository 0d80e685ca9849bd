"""Past usage from files: rows of JSONL or CSV become events, the same ones each time."""
