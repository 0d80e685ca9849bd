"""Invoicing: turns rated statements into invoices and takes them through Stripe, once each."""
