"""The garbage collector of a process that makes many short-lived values."""

import gc

ALLOCATIONS_PER_COLLECTION = 100_000


def collect_rarely() -> None:
    """Look for cycles less often, and never in what is there by now; call it once all is loaded.

    A request or a statement makes thousands of tuples that all die with it; by default they would
    have the whole heap looked through many times a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
