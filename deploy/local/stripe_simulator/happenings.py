"""What happens outside the API: a customer pays, a webhook comes again or about nothing known."""

from typing import Any

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.errors import StripeError, missing_object, state_conflict
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.cards import CARD
from deploy.local.stripe_simulator.resources.events import queue_deliveries, record_event
from deploy.local.stripe_simulator.resources.finalization import PAID_EVENTS
from deploy.local.stripe_simulator.resources.invoice_object import save_invoice, shown_invoice
from deploy.local.stripe_simulator.resources.payments import record_payment
from deploy.local.stripe_simulator.state import Body


class Happenings:
    def __init__(self, api: Api) -> None:
        self.api = api

    def pay(self, given: dict[str, Any]) -> Any:
        """Let a customer pay `amount` (minor units) of an open `invoice`, in part or too much."""
        amount, card = given.get("amount"), CARD.read(given.get("card", "pm_card_visa"), "card")
        if type(amount) is not int or amount < 1 or card is None:
            raise StripeError("amount is a whole number above 0.", param="amount")
        call, record = self._find("invoice", given.get("invoice"))
        if record["status"] not in {"open", "uncollectible"}:
            raise state_conflict(f"A {record['status']} invoice cannot be paid.")
        with self.api.state.transaction():
            before = shown_invoice(call, record)
            record_payment(call, record, amount, card_name=card)
            events = list(PAID_EVENTS) if record["status"] == "paid" else []
            if record["amount_overpaid"]:
                events.append("invoice.overpaid")
            shown = save_invoice(call, record, before, *events)
        self.api.sender.wake()
        return shown

    def make_event(self, given: dict[str, Any]) -> Any:
        """Make an event of any `type` about any `object`, known or not, for `account`."""
        name, snapshot, account = (given.get(key) for key in ("type", "object", "account"))
        if not isinstance(name, str) or not isinstance(snapshot, dict) or "id" not in snapshot:
            raise StripeError("Give a type, and an object with an id.", param="object")
        with self.api.state.transaction():
            event = record_event(self._call(str(account or "acct_unknown")), name, snapshot)
        self.api.sender.wake()
        return {"event": event["id"]}

    def send_again(self, given: dict[str, Any]) -> Any:
        """Deliver an `event` again, as it was, or with the object of the event `object_of`."""
        call, event = self._find("event", given.get("event"))
        if "object_of" in given:
            _, older = self._find("event", given["object_of"])
            event = event | {"data": {**event["data"], "object": older["data"]["object"]}}
        endpoints = [endpoint.id for endpoint in self.api.sender.fixed]
        endpoints += [one["id"] for one in call.state.all(call.account, "webhook_endpoint")]
        with self.api.state.transaction():
            queue_deliveries(call, event, endpoints)
        self.api.sender.wake()
        return {"deliveries": len(endpoints)}

    def prune_key(self, given: dict[str, Any]) -> Any:
        """Forget an idempotency `key` of every account now."""
        found = self.api.state.connection.execute(
            "DELETE FROM answers WHERE key = ?", (str(given.get("key")),)
        )
        return {"pruned": found.rowcount}

    def _find(self, kind: str, identifier: Any) -> tuple[Call, Body]:
        """Return an object of whichever account has it, and a context in that account."""
        row = self.api.state.connection.execute(
            "SELECT account FROM objects WHERE kind = ? AND id = ?", (kind, str(identifier))
        ).fetchone()
        if row is None:
            raise missing_object(kind, str(identifier), param=kind)
        call = self._call(str(row[0]))
        return call, call.find(kind, str(identifier))

    def _call(self, account: str) -> Call:
        return self.api.call(account, self.api.base_url)
