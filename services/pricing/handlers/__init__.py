"""Use cases of pricing: one message or request, one transaction, no commit."""
