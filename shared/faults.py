"""What a model says is wrong with an input, as faults: stable codes, printable places."""

from collections.abc import Mapping

from pydantic import ValidationError

from shared.errors import Fault

CODES: Mapping[str, str] = {
    "missing": "missing_field",
    "model_type": "not_an_object",
    "model_attributes_type": "not_an_object",
    "dict_type": "not_an_object",
    "list_type": "not_a_list",
    "extra_forbidden": "unknown_field",
    "string_pattern_mismatch": "invalid_text",
    "string_type": "invalid_text",
    "string_unicode": "invalid_text",
    "literal_error": "unknown_choice",
    "int_type": "not_a_whole_number",
    "int_parsing": "not_a_whole_number",
    "int_from_float": "not_a_whole_number",
    "json_invalid": "invalid_json",
    "union_tag_not_found": "missing_field",
    "union_tag_invalid": "unknown_choice",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "bool_type": "not_true_or_false",
    "date_type": "not_a_day",
    "date_parsing": "not_a_day",
    "date_from_datetime_parsing": "not_a_day",
    "date_from_datetime_inexact": "not_a_day",
    "too_short": "empty_list",
    "too_long": "list_too_long",
}
"""Pydantic's names for a fault → ours; what is not here keeps its name."""

MESSAGES: Mapping[str, str] = {
    "missing": "This is required.",
    "model_type": "An object is expected here.",
    "model_attributes_type": "An object is expected here.",
    "dict_type": "An object is expected here.",
    "list_type": "A list is expected here.",
    "extra_forbidden": "There is no field of this name here.",
    "string_type": "A text is expected here.",
    "string_unicode": "This text is no valid Unicode.",
    "int_type": "A whole number is expected here.",
    "int_parsing": "A whole number is expected here.",
    "bool_type": "true or false is expected here.",
    "date_parsing": "There is no such day.",
    "date_from_datetime_parsing": "There is no such day.",
    "union_tag_not_found": "This is required.",
}
"""What pydantic says in the words of Python, or by the names of our classes, in words of JSON."""


def faults_of(
    error: ValidationError, *, path: str = "", codes: Mapping[str, str] = CODES
) -> list[Fault]:
    """Return all faults, each with its place below `path` ("charges[2].tiers[0].up_to")."""
    return [
        Fault(codes.get(fault["type"], fault["type"]), place_of(path, fault["loc"]), said(fault))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def place_of(path: str, location: tuple[int | str, ...]) -> str:
    """Return a place in words; parts that are nothing are left out."""
    for part in filter(lambda part: part != "", location):
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return printable(path)


def printable(text: str) -> str:
    """Return text that can be answered: a field's name may be no valid Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()


def said(fault: Mapping[str, object]) -> str:
    """Return what is wrong, in words for the client; what was sent is not among them."""
    if isinstance(context := fault.get("ctx"), dict) and "expected_tags" in context:
        return f"One of {context['expected_tags']} is expected here."
    message = MESSAGES.get(str(fault["type"])) or str(fault["msg"])
    return printable(message.removeprefix("Value error, "))
