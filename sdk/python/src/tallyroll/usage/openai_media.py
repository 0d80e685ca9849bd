"""Embeddings, images and transcriptions in OpenAI's format.

Source: `openai.types` (openai 3.57): `CreateEmbeddingResponse.Usage`, `ImagesResponse.Usage`,
`ImageGenCompletedEvent.Usage`, `audio.Transcription.Usage`, `audio.TranscriptionTextDoneEvent`.
"""

from collections.abc import Sequence
from dataclasses import replace

from tallyroll.usage import modality
from tallyroll.usage.surface import Folded, Json, Surface, at
from tallyroll.usage.tally import Tally


def _count_embeddings(tally: Tally) -> None:
    """Embeddings have input alone."""
    tally.add("input_uncached", tally.usage.required("prompt_tokens"))
    tally.usage.ignore("completion_tokens", "cost")
    tally.check_total("total_tokens")


def _count_images(tally: Tally) -> None:
    usage = tally.usage
    tally.add("input_uncached", usage.required("input_tokens"))
    tally.add("output_text", usage.required("output_tokens"))
    tally.check_total("total_tokens")
    for name, types in (("input", modality.INPUT), ("output", modality.OUTPUT)):
        field = f"{name}_tokens_details"
        stated = modality.by_modality(usage.inner(field), "text", "image")
        modality.split(tally, types, stated, field=field, whole=True)


def _count_transcription(tally: Tally) -> None:
    """Either tokens or a duration, after the model; both at once would count twice."""
    usage = tally.usage
    if usage.text("type") == "duration" or usage.value("input_tokens") is None:
        tally.add_unit("audio_seconds", usage.quantity("seconds"))
        if usage.value("seconds") is None:
            usage.required("seconds")
        return
    tally.add("input_uncached", usage.required("input_tokens"))
    tally.add("output_text", usage.required("output_tokens"))
    tally.check_total("total_tokens")
    if usage.value("seconds") is not None:
        tally.contradict("fields_differ", "seconds", "stands beside tokens; it is one or the other")
    stated = modality.by_modality(usage.inner("input_token_details"), "text", "audio")
    modality.split(tally, modality.INPUT, stated, field="input_token_details", whole=True)


def _fold_ended(chunks: Sequence[Json], ends: tuple[str, ...]) -> list[Folded]:
    ended = [chunk for chunk in chunks if at(chunk, "type") in ends]
    body = ended[-1] if ended else {}
    return [Folded(body, at(body, "usage") is not None)]


def fold_transcription(chunks: Sequence[Json]) -> list[Folded]:
    """The event at the end has the usage."""
    return _fold_ended(chunks, ("transcript.text.done", "transcription.done"))


def _fold_images(chunks: Sequence[Json]) -> list[Folded]:
    """The finished image has the usage; previews have none."""
    ends = ("image_generation.completed", "image_edit.completed")
    several = sum(at(chunk, "type") in ends for chunk in chunks) > 1
    # Whether each of several images has its own usage is not documented: the last one is partial.
    return [
        replace(one, complete=one.complete and not several) for one in _fold_ended(chunks, ends)
    ]


EMBEDDINGS = Surface(_count_embeddings, own=("prompt_tokens",))
IMAGES = Surface(_count_images, own=("input_tokens", "output_tokens"), fold=_fold_images)
TRANSCRIPTION = Surface(
    _count_transcription, own=("input_tokens", "seconds"), fold=fold_transcription
)
