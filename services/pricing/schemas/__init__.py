"""HTTP models of pricing."""
