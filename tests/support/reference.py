"""The generated pages of docs/reference: `python -m tests.support.reference` writes them anew.

A test compares them with what the code says, so a change of an API, a message or a setting cannot
go unnoticed.
"""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.invoicing.app import create_app as invoicing_app
from services.invoicing.settings import InvoicingSettings
from services.metering.app import create_app as metering_app
from services.metering.settings import MeteringSettings
from services.pricing.app import create_app as pricing_app
from services.pricing.settings import PricingSettings
from shared.clock import SystemClock
from shared.events.catalogue import asyncapi_document
from shared.settings import SharedSettings
from tests.support.webhook_page import webhook_events_page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
HEAD = "| variable | default | |\n|---|---|---|"
NOWHERE = "postgresql://nobody:none@127.0.0.1:1/none"
SETTINGS: dict[str, type[SharedSettings]] = {
    "every process": SharedSettings,
    "metering": MeteringSettings,
    "pricing": PricingSettings,
    "invoicing": InvoicingSettings,
}


def applications() -> dict[str, FastAPI]:
    """Return the three services' applications, connected to nothing."""
    common: dict[str, Any] = {"kafka_bootstrap": "127.0.0.1:1", "secret_key": "x" * 32}
    metering = MeteringSettings(metering_database_url=NOWHERE, **common)
    pricing = PricingSettings(pricing_database_url=NOWHERE, **common)
    invoicing = InvoicingSettings(invoicing_database_url=NOWHERE, **common)
    return {
        "metering": metering_app(metering),
        "pricing": pricing_app(pricing, SystemClock()),
        "invoicing": invoicing_app(invoicing),
    }


def documents() -> dict[str, str]:
    """Return what each generated file of docs/reference must hold."""
    pages = {
        f"openapi-{service}.json": _json(app.openapi()) for service, app in applications().items()
    }
    pages["asyncapi.json"] = _json(asyncapi_document())
    pages["settings.md"] = _settings_page()
    pages["webhook-events.md"] = webhook_events_page()
    return pages


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _settings_page() -> str:
    parts = ["# Settings\n\nRead from the environment. Generated from the settings classes.\n"]
    shared = set(SharedSettings.model_fields)
    for title, settings in SETTINGS.items():
        own = {
            name: field
            for name, field in settings.model_fields.items()
            if settings is SharedSettings or name not in shared
        }
        rows = "\n".join(_setting(name, field) for name, field in own.items())
        parts.append(
            f"## {title.capitalize()}\n\n| variable | default | |\n|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)


def _setting(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    variable = alias if isinstance(alias, str) else f"TALLYROLL_{name.upper()}"
    default = "required" if field.default is PydanticUndefined else f"`{field.default}`"
    return f"| `{variable}` | {default} | {field.description or ''} |"


def main() -> None:
    """Write every generated page."""
    for name, text in documents().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
