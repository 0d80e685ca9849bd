"""For whom and in which run: what events inherit from the code around them."""

from tallyroll.context.attribution import Attribution, ContextFields
from tallyroll.context.entering import Context

__all__ = ["Attribution", "Context", "ContextFields"]
