"""Nine shapes of plans that a vendor tries beside its own: seats, usage, hybrids, commitments."""

from typing import Any

SHAPES = "shapes"
TOKENS = ["input_*", "output_*"]
SEARCHES = ["web_search_requests"]
MILLION = "1000000"


def _charge(key: str, model: str, kinds: list[str] | None = None, **more: Any) -> dict[str, Any]:
    usage = {} if kinds is None else {"usage": {"kinds": kinds}}
    return {"key": key, "name": key.title(), "model": model, **usage, **more}


def _matrix(key: str, factor: int, **more: Any) -> dict[str, Any]:
    cells = [
        {"models": [model], "kinds": [kind], "unit_amount": str(price * factor)}
        for model, scale in (("model-a", 2), ("model-b", 1))
        for kind, price in (("input_*", 2 * scale), ("output_*", 9 * scale))
    ]
    return _charge(key, "matrix", TOKENS, per=MILLION, cells=cells, **more)


def _credits(key: str, model: str, **more: Any) -> dict[str, Any]:
    rates = [
        {"kinds": ["input_*"], "units": "300", "per": MILLION},
        {"kinds": ["output_*"], "units": "1500", "per": MILLION},
    ]
    conversion = {"unit": "credits", "rates": rates}
    return _charge(key, model, TOKENS, conversion=conversion, **more)


def shapes() -> dict[str, Any]:
    """Return the content of a version with nine plans."""
    tiers = [{"up_to": "100000", "unit_amount": "0.01"}, {"up_to": None, "unit_amount": "0.008"}]
    charges = [
        _charge("seat", "per_seat", unit_amount="40"),
        _charge("fee", "flat", amount="500"),
        _charge("within", "per_unit", ["*"], unit_amount="0"),
        _charge("tokens", "per_unit", TOKENS, per=MILLION, unit_amount="5"),
        _charge("searches", "per_unit", SEARCHES, unit_amount="0.01"),
        _charge("packs", "package", SEARCHES, package_size="1000", package_amount="9"),
        _charge("surcharge", "surcharge", per=MILLION, unit_amount="0.25"),
        _matrix("list", 1),
        _matrix("dear", 2, discount_percent="10"),
        _credits("pooled", "per_unit", unit_amount="0.01", pools=["credits"]),
        _credits("tiered", "graduated", tiers=tiers),
        _credits("cliff", "volume", tiers=tiers),
    ]
    plans: dict[str, list[str]] = {
        "seats": ["seat", "within"],
        "seats-and-surcharge": ["seat", "within", "surcharge"],
        "usage": ["list", "searches"],
        "hybrid": ["seat", "pooled", "searches"],
        "credits": ["tiered", "packs"],
        "cliff": ["fee", "cliff", "searches"],
        "one-price": ["tokens", "packs"],
        "committed": ["dear", "searches"],
        "bounded": ["fee", "list", "packs"],
    }
    around: dict[str, dict[str, Any]] = {
        "committed": {"commitment": {"amount": "1000"}},
        "bounded": {"minimum_amount": "600", "maximum_amount": "5000"},
    }
    return {
        "currency": "USD",
        "pools": [{"key": "credits", "name": "Credits", "included_per_seat": "1900"}],
        "charges": charges,
        "plans": [
            {"key": key, "name": key.title(), "charges": names, **around.get(key, {})}
            for key, names in plans.items()
        ],
    }
