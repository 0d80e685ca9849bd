"""What the demo prints: one table per invoice, and what became of the events."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.catalog import TENANTS
from shared.money import CURRENCIES


def invoice_table(tenant: str, invoice: dict[str, Any], page: Path | None) -> RenderableType:
    """Return an invoice as a person reads it; `page` is a copy of what its URL showed."""
    exponent = CURRENCIES[invoice["currency"].upper()].exponent
    table = Table(expand=True, border_style="dim")
    table.add_column("Charge")
    table.add_column("Quantity", justify="right")
    table.add_column("Exact amount", justify="right", style="dim")
    table.add_column(f"Amount {invoice['currency'].upper()}", justify="right")
    for line in invoice["lines"]:
        table.add_row(
            line["charge"],
            f"{Decimal(line['quantity']):,}",
            _shown(line["amount_exact"]),
            f"{_major(line['amount_minor'], exponent):,}",
        )
    table.add_section()
    total = f"{_major(invoice['total_minor'], exponent):,}"
    table.add_row(Text("Total", style="bold"), "", "", Text(total, style="bold green"))
    link = Text(invoice["hosted_invoice_url"], style="cyan", overflow="fold")
    if page is not None:
        link.append(f"\nkept as {page}", style="dim")
    title = f"[bold]{TENANTS[tenant]['name']}[/]  {invoice['number']}  ({invoice['stripe_status']})"
    return Panel(Group(table, link), title=title, title_align="left", border_style="blue")


def events_table(events: dict[str, int]) -> RenderableType:
    """Return what became of everything that was put on the wire."""
    meanings = {
        "sent": "events put on the wire, re-sends and malformed ones included",
        "acknowledged": "of these accepted, after Kafka had them",
        "counted": "different events: what is billed",
        "duplicates": "acknowledged again and not counted again",
        "rejected": "malformed, refused with a reason",
    }
    table = Table(border_style="dim", title="Events", title_justify="left", show_header=False)
    for name, meaning in meanings.items():
        table.add_row(name, f"[bold]{events[name]:,}[/]", meaning)
    return table


def _major(minor: int, exponent: int) -> Decimal:
    return Decimal(minor).scaleb(-exponent)


def _shown(exact: str) -> str:
    return exact if "/" in exact else f"{Decimal(exact):,}"
