"""What the official SDK says about Stripe's objects and parameters, as checks.

Its classes are generated from Stripe's own description of the API: every field of an object with
its type, every parameter of a call with the parameters below it.
"""

import re
import sys
import types
import typing
from decimal import Decimal
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe

_ALWAYS_THERE = {"object", "lastResponse"}


def shape_faults(thing: Any, path: str = "") -> list[str]:
    """Return where an object of the SDK lacks a field, has one too many, or one of another type."""
    faults = []
    kind = type(thing)
    declared = _declared_fields(kind)
    present = set(thing.to_dict())
    for name, annotation in declared.items():
        if name == "deleted" or name in _ALWAYS_THERE:
            continue
        here = f"{path}.{name}" if path else name
        if name not in present:
            if not _may_be_none(annotation):
                faults.append(f"{here} is missing")
            continue
        faults += _value_faults(thing[name], annotation, here)
    if kind is not stripe.StripeObject and declared:
        unknown = sorted(present - set(declared) - _ALWAYS_THERE)
        faults += [
            f"{path}.{name} is unknown" if path else f"{name} is unknown" for name in unknown
        ]
    return faults


def _value_faults(value: Any, annotation: Any, path: str) -> list[str]:
    if value is None:
        return [] if _may_be_none(annotation) else [f"{path} is null"]
    if isinstance(value, stripe.ListObject):
        return [fault for at, one in enumerate(value.data) for fault in _below(one, f"{path}.{at}")]
    if isinstance(value, stripe.StripeObject):
        return _below(value, path)
    if isinstance(value, list):
        return [fault for at, one in enumerate(value) for fault in _below(one, f"{path}.{at}")]
    wanted = _plain_types(annotation)
    if wanted and not isinstance(value, tuple(wanted)):
        return [f"{path} is {type(value).__name__}"]
    return []


def _below(value: Any, path: str) -> list[str]:
    known = isinstance(value, stripe.StripeObject) and type(value) is not stripe.StripeObject
    return shape_faults(value, path) if known else []


def _declared_fields(kind: type) -> dict[str, Any]:
    """Return the annotations of a class; one that is written as text may be anything."""
    return {
        name: Any if isinstance(annotation, str) else annotation
        for name, annotation in vars(kind).get("__annotations__", {}).items()
        if not name.startswith("_") and get_origin(annotation) is not typing.ClassVar
    }


def _may_be_none(annotation: Any) -> bool:
    return annotation is Any or (_is_union(annotation) and type(None) in get_args(annotation))


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _plain_types(annotation: Any) -> list[type]:
    """Return the types that a plain value may have, none where it may be anything."""
    if _is_union(annotation):
        parts = [_plain_types(one) for one in get_args(annotation) if one is not type(None)]
        return [] if [] in parts else [one for part in parts for one in part]
    if get_origin(annotation) is Literal:
        return [type(one) for one in get_args(annotation)]
    if annotation is float:
        return [float, int]
    if annotation in (int, str, bool, Decimal):
        return [annotation]
    return [str] if isinstance(annotation, ForwardRef) else []


def parameter_names(params: Any) -> dict[str, Any]:
    """Return a call's parameters as a tree: name to the parameters below it, None below a leaf."""
    module = vars(sys.modules[params.__module__])
    found: dict[str, Any] = {}
    for name, annotation in params.__annotations__.items():
        inner = [module.get(word) for word in re.findall(r"\w+", str(annotation))]
        nested = [one for one in inner if hasattr(one, "__total__") and one is not params]
        found[name] = parameter_names(nested[0]) if nested else None
    return found
