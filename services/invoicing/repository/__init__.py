"""The only SQL of invoicing, by subject: invoices, Stripe, messages that could not be used."""
