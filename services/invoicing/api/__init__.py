"""HTTP in: invoices, what waits for a person, the vendor's Stripe account, webhooks."""
