"""One module per Stripe resource; together they are the API."""
