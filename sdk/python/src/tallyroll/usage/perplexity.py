"""Perplexity's Sonar: citations and thinking stand beside the completion and the total.

Source: `perplexity.types.shared.UsageInfo`, `.EmbeddingsUsage` (perplexityai 0.46).
"""

from tallyroll.usage.openai_chat import OWN, fold_chat
from tallyroll.usage.surface import Surface
from tallyroll.usage.tally import Tally


def _count(tally: Tally) -> None:
    """The total covers the prompt and the completion alone."""
    usage = tally.usage
    prompt, completion = usage.required("prompt_tokens"), usage.required("completion_tokens")
    tally.check("total_tokens", usage.total("total_tokens"), prompt + completion)
    tally.add("input_uncached", prompt)
    tally.add("output_text", completion)
    tally.add("output_citation", usage.count("citation_tokens"))
    tally.add("output_reasoning", usage.count("reasoning_tokens"))
    tally.add_unit("web_search_requests", usage.beside().count("num_search_queries"))
    usage.ignore("cost")


CHAT = Surface(_count, own=OWN, fold=fold_chat)
