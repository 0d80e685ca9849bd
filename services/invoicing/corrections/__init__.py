"""What is done about an issued invoice, and what became of its payments."""
