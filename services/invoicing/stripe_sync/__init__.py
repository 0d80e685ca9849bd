"""An invoice's way through Stripe: journaled steps that resume wherever a crash left them."""
