"""What of the tokens is not text: a second axis, counted in units beside the token types.

A unit `input_uncached_audio_tokens` says how many of `input_uncached` are audio. They are part of
the type, so a price for them is the difference to that of text.
"""

from collections.abc import Mapping, Sequence

from tallyroll.usage.fields import Fields
from tallyroll.usage.lines import MODALITY_ASSUMED
from tallyroll.usage.tally import Tally

INPUT = ("input_cache_read", "input_cache_write", "input_uncached")
"""In the order in which text is given out: where nothing else is said, text was cached first."""
OUTPUT = ("output_reasoning", "output_text")
MODALITIES = ("text", "image", "audio", "video", "unknown")


def by_modality(details: Fields, *modalities: str) -> dict[str, int]:
    """Return the counts of fields such as `audio_tokens`."""
    return {one: details.count(f"{one}_tokens") for one in modalities}


def split(
    tally: Tally,
    token_types: Sequence[str],
    stated: Mapping[str, int],
    *,
    field: str,
    whole: bool,
    cached: Mapping[str, int] | None = None,
) -> None:
    """Count in units what of the token types is not text.

    `stated` has tokens by modality over all the types together, `cached` those of
    `input_cache_read` alone where the provider says. If `stated` speaks of the `whole`, what it
    leaves open has an unknown modality, else it is text. `field` is named in faults.
    """
    if not tally.is_sound() or not any(stated.values()):
        return
    rest = dict(stated)
    if cached and any(cached.values()):
        _allot(tally, ("input_cache_read",), cached, field=field, whole=whole)
        token_types = [one for one in token_types if one != "input_cache_read"]
        rest = {
            one: n - cached.get(one, 0) for one, n in {**dict.fromkeys(cached, 0), **rest}.items()
        }
    _allot(tally, token_types, rest, field=field, whole=whole)


def _allot(
    tally: Tally, token_types: Sequence[str], stated: Mapping[str, int], *, field: str, whole: bool
) -> None:
    counts = {one: tally.tokens.get(one, 0) for one in token_types if tally.tokens.get(one)}
    total = sum(counts.values())
    left = dict(stated)
    remainder = total - sum(left.values())
    if remainder < 0 or min(left.values(), default=0) < 0:
        tally.contradict("modalities_differ", field, f"exceed the {total} tokens that they split")
        left = {"unknown": total}
    elif remainder:
        name = "unknown" if whole else "text"
        left[name] = left.get(name, 0) + remainder
    if len(counts) > 1 and sum(1 for count in left.values() if count) > 1:
        tally.flags.add(MODALITY_ASSUMED)
    _give_out(tally, counts, left)


def _give_out(tally: Tally, counts: Mapping[str, int], left: dict[str, int]) -> None:
    for token_type, count in counts.items():
        open_count = count
        for modality in MODALITIES:
            taken = min(open_count, left.get(modality, 0))
            open_count -= taken
            left[modality] = left.get(modality, 0) - taken
            if taken and modality != "text":
                of_type = token_type.replace("output_text", "output")
                tally.add_unit(f"{of_type}_{modality}_tokens", taken)
