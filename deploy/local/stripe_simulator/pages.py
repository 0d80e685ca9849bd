"""The hosted invoice page, its print view and PDFs, for who holds the unguessable address."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.money import shown
from deploy.local.stripe_simulator.printed import printed
from deploy.local.stripe_simulator.resources.invoice_object import (
    all_lines,
    amount_remaining,
    url_expires_at,
)
from deploy.local.stripe_simulator.state import Body, Filter

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
            Route("/invoice/{token}/print", self.print_view),
            Route("/invoice/{token}/pdf", self.invoice_pdf),
            Route("/credit_note/{token}/pdf", self.note_pdf),
        ]

    async def hosted_page(self, request: Request) -> Response:
        return self._page(request, on_paper=False)

    async def print_view(self, request: Request) -> Response:
        return self._page(request, on_paper=True)

    async def invoice_pdf(self, request: Request) -> Response:
        found = self._invoice(request)
        if isinstance(found, Response):
            return found
        invoice, lines = found
        return _pdf(printed("Invoice", _invoice_print(invoice, lines)), invoice["number"])

    async def note_pdf(self, request: Request) -> Response:
        found = self.api.state.by_token("credit_note", request.path_params["token"])
        if found is None:
            return self._message("This credit note cannot be found.", status=404)
        account, note = found
        invoice = self.api.state.get(account, "invoice", note["invoice"]) or {}
        where = Filter("_credit_note", "eq", note["id"])
        lines = self.api.state.all(account, "credit_note_line_item", where)
        return _pdf(printed("Credit note", _note_print(note, invoice, lines)), note["number"])

    def _page(self, request: Request, *, on_paper: bool) -> Response:
        found = self._invoice(request)
        if isinstance(found, Response):
            return found
        token = request.path_params["token"]
        html = self.templates.get_template("invoice.html").render(
            **_context(*found),
            printed=on_paper,
            pdf_url=f"/invoice/{token}/pdf",
            print_url=f"/invoice/{token}/print",
        )
        return HTMLResponse(html, headers=_HEADERS)

    def _invoice(self, request: Request) -> tuple[Body, list[Body]] | Response:
        found = self.api.state.by_token("invoice", request.path_params["token"])
        if found is None:
            return self._message("This invoice cannot be found.", status=404)
        account, invoice = found
        if self.api.clock.seconds() > url_expires_at(invoice):
            return self._message("This link has expired.", status=410)
        return invoice, all_lines(self.api.state, account, invoice["id"])

    def _message(self, text: str, *, status: int) -> Response:
        html = self.templates.get_template("message.html").render(text=text)
        return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _pdf(content: bytes, number: str) -> Response:
    name = "".join(one if one.isalnum() or one in "-_." else "_" for one in number)
    headers = _HEADERS | {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


def _context(invoice: Body, lines: list[Body]) -> dict[str, Any]:
    code = invoice["currency"]
    return {
        "address": _address(invoice["customer_address"] or {}),
        "amount_remaining": shown(amount_remaining(invoice), code),
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
        "total": shown(invoice["total"], code),
        "totals": _totals(invoice),
    }


def _totals(invoice: Body) -> list[tuple[str, str]]:
    """Return the rows between the lines and the total; what is zero is left out, but tax."""
    code = invoice["currency"]
    discount = sum(one["amount"] for one in invoice["total_discount_amounts"])
    tax = sum(one["amount"] for one in invoice["total_taxes"])
    rows = [("Subtotal", shown(invoice["subtotal"], code))]
    if discount:
        rows.append(("Discount", shown(-discount, code)))
    rows.append(("Tax", shown(tax, code) if invoice["total_taxes"] else "none"))
    return rows


def _due_rows(invoice: Body) -> list[tuple[str, str]]:
    code = invoice["currency"]
    rows = [("Total", f"{shown(invoice['total'], code)} {code.upper()}")]
    credited = invoice["pre_payment_credit_notes_amount"]
    if invoice["starting_balance"] or invoice["ending_balance"]:
        applied = invoice["_amount_due"] - invoice["total"]
        rows.append(("Customer balance", shown(applied, code)))
    if credited:
        rows.append(("Credited", shown(-credited, code)))
    if invoice["amount_paid"]:
        rows.append(("Paid", shown(-invoice["amount_paid"], code)))
    return [*rows, ("Amount due", shown(amount_remaining(invoice), code))]


def _invoice_print(invoice: Body, lines: list[Body]) -> dict[str, Any]:
    code = invoice["currency"]
    facts = [
        ("Invoice number", invoice["number"]),
        ("Date of issue", _day(invoice["effective_at"])),
    ]
    if invoice["due_date"]:
        facts.append(("Date due", _day(invoice["due_date"])))
    facts += [(field["name"], field["value"]) for field in invoice["custom_fields"] or []]
    if invoice["status"] != "open":
        facts.append(("Status", _STATUS_WORDS[invoice["status"]]))
    return {
        "billed_to": _billed_to(invoice),
        "facts": facts,
        "footer": invoice["footer"],
        "lines": [_line(line, code) for line in lines],
        "memo": invoice["description"],
        "totals": [*_totals(invoice), *_due_rows(invoice)],
        "vendor": invoice["account_name"],
    }


def _note_print(note: Body, invoice: Body, lines: list[Body]) -> dict[str, Any]:
    code = note["currency"]
    rows = [
        {**line, "period": "", "description": line["description"] or "Credit"} for line in lines
    ]
    return {
        "billed_to": _billed_to(invoice),
        "facts": [
            ("Credit note number", note["number"]),
            ("Invoice number", invoice["number"]),
            ("Date of issue", _day(note["effective_at"])),
        ],
        "footer": None,
        "lines": [
            row | {"amount": shown(row["amount"], code), "quantity": str(row["quantity"] or 1)}
            for row in rows
        ],
        "memo": note["memo"],
        "totals": [
            ("Subtotal", shown(note["subtotal"], code)),
            ("Tax", shown(sum(one["amount"] for one in note["total_taxes"]), code)),
            ("Total credited", f"{shown(note['total'], code)} {code.upper()}"),
        ],
        "vendor": invoice["account_name"],
    }


def _billed_to(invoice: Body) -> list[str]:
    name = invoice["customer_name"] or invoice["customer_email"] or invoice["customer"]
    email = [invoice["customer_email"]] if invoice["customer_email"] else []
    return [name, *_address(invoice["customer_address"] or {}), *email]


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
