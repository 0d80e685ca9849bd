"""The services of Tallyroll: metering counts, pricing rates, invoicing bills."""
