"""Vendors, their tenants and API keys: tables, migrations, a cached look-up, the write API."""
