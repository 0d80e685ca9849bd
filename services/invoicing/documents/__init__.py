"""What the customer gets: the usage statement of an invoice as PDF, CSV and Parquet."""
