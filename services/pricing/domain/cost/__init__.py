"""Provider cost: what the vendor pays for usage. Amounts are exact and in US dollars."""
