"""Golden vectors: published and own cases, run through the functions that bill."""
