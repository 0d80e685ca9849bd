"""Pure rules of invoicing: no SQL, no broker, no clock, no settings, no Stripe."""
