"""Mutation testing of pricing's domain: small changes of the code that some test must notice."""
