"""A provider's server on this machine, and a meter whose events stay here."""

from sdk.python.tests.wrapping.conftest import _capturing, _events, _provider, _transport

__all__ = ["_capturing", "_events", "_provider", "_transport"]
