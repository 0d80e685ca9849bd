"""The local stack: real servers from packages and the Stripe simulator, on loopback."""
