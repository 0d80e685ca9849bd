"""Tax settings of `world`'s vendor, written over the API."""

from typing import Any

VAT = {
    "label": "VAT",
    "jurisdiction": "Germany",
    "country": "DE",
    "percent": "19",
    "valid_from": "2026-01-01",
}
BERLIN = {"line1": "Invalidenstr. 117", "city": "Berlin", "postal_code": "10115", "country": "DE"}


async def put_rate(api: Any, rate_id: str = "de-vat", **values: Any) -> Any:
    path = f"/v1/tax-rates/{rate_id}"
    return await api.http.put(path, json=VAT | values, headers=await api.key())


async def put_setting(api: Any, tenant_id: str | None = None, **values: Any) -> Any:
    path = "/v1/tax-settings" if tenant_id is None else f"/v1/tax-settings/{tenant_id}"
    return await api.http.put(path, json=values, headers=await api.key())


async def taxed_by(api: Any, percent: str = "19", **values: Any) -> None:
    """Let all of the vendor's tenants be taxed by one rate."""
    (await put_rate(api, percent=percent, **values)).raise_for_status()
    (await put_setting(api, treatment="rates", rate_ids=["de-vat"])).raise_for_status()
