"""The demo: real traces through the SDK, Kafka, the three services and Stripe, to the cent."""
