"""A provider's server on this machine, and a meter whose events stay here."""

import os

from sdk.python.tests.wrapping.conftest import _capturing, _events, _provider, _transport

__all__ = ["_capturing", "_events", "_provider", "_transport"]
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
"""Else the import of litellm asks the network for prices."""
