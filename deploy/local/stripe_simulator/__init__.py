"""A strict, stateful simulator of the part of Stripe's API that invoicing uses."""

from deploy.local.stripe_simulator.app import create_simulator

__all__ = ["create_simulator"]
