"""What holds for all whole stories."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
"""Else the import of litellm asks the network for prices."""
