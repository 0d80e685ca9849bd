"""The messages between the services: one module per topic, frozen, versioned, with examples."""
