"""How a figure is written."""


def number(value: float | None) -> str:
    """Return a figure with as many digits as it deserves."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(value: float | None) -> str:
    """Return how many times as good."""
    return "-" if value is None else f"{value:,.2f} x" if value < 10 else f"{value:,.0f} x"
