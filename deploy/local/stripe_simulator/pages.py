"""The hosted invoice page and its print view, for who holds the unguessable address."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.money import shown
from deploy.local.stripe_simulator.resources.invoice_object import all_lines, url_expires_at
from deploy.local.stripe_simulator.state import Body

_STATUS_WORDS = {
    "open": "Open",
    "paid": "Paid",
    "void": "Void",
    "uncollectible": "Uncollectible",
}
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Pages:
    def __init__(self, api: Api) -> None:
        self.api = api
        self.templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[Route]:
        return [
            Route("/invoice/{token}", self.hosted_page),
            Route("/invoice/{token}/pdf", self.print_view),
        ]

    async def hosted_page(self, request: Request) -> Response:
        return self._page(request, printed=False)

    async def print_view(self, request: Request) -> Response:
        """Answer with HTML laid out for paper; the simulator makes no PDF."""
        return self._page(request, printed=True)

    def _page(self, request: Request, *, printed: bool) -> Response:
        token = request.path_params["token"]
        found = self.api.state.invoice_by_token(token)
        if found is None:
            return self._message("This invoice cannot be found.", status=404)
        account, invoice = found
        if self.api.clock.seconds() > url_expires_at(invoice):
            return self._message("This link has expired.", status=410)
        lines = all_lines(self.api.state, account, invoice["id"])
        context = _context(invoice, lines)
        html = self.templates.get_template("invoice.html").render(
            **context, printed=printed, print_url=f"/invoice/{token}/pdf"
        )
        return HTMLResponse(html, headers=_HEADERS)

    def _message(self, text: str, *, status: int) -> Response:
        html = self.templates.get_template("message.html").render(text=text)
        return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _context(invoice: Body, lines: list[Body]) -> dict[str, Any]:
    code = invoice["currency"]
    total = invoice["subtotal"]
    return {
        "address": _address(invoice["customer_address"] or {}),
        "amount_remaining": shown(total - invoice["amount_paid"], code),
        "currency": code.upper(),
        "custom_fields": invoice["custom_fields"] or [],
        "due": _day(invoice["due_date"]),
        "initial": (invoice["account_name"].strip() or "?")[0].upper(),
        "invoice": invoice,
        "issued": _day(invoice["effective_at"]),
        "lines": [_line(line, code) for line in lines],
        "paid_on": _day(invoice["status_transitions"]["paid_at"]),
        "status": invoice["status"],
        "status_word": _STATUS_WORDS[invoice["status"]],
        "total": shown(total, code),
    }


def _address(address: Body) -> list[str]:
    town = " ".join(address[part] for part in ("postal_code", "city") if address.get(part))
    rows = [address.get("line1"), address.get("line2"), town, address.get("state")]
    return [row for row in [*rows, address.get("country")] if row]


def _line(line: Body, code: str) -> dict[str, str]:
    start, end = line["period"]["start"], line["period"]["end"]
    period = "" if start == end else f"{_day(start)} – {_day(end)}"  # noqa: RUF001  # en dash
    return {
        "amount": shown(line["amount"], code),
        "description": line["description"] or "Item",
        "period": period,
        "quantity": f"{line['quantity']:,}",
    }


def _day(seconds: int | None) -> str:
    """Write a day as `30 November 2023`, in UTC."""
    if seconds is None:
        return ""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.day} {moment:%B %Y}"
