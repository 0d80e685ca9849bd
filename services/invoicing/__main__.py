"""`python -m services.invoicing`: the API, the consumer, the outbox relay and the Stripe loops."""

from services.invoicing.app import main

if __name__ == "__main__":
    main()
