"""A month's invoices beside what they were made of, and beside Stripe; nothing is changed."""
