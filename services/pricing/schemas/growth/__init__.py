"""HTTP models of growth."""
