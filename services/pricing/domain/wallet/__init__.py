"""Prepaid credits: grants, the order in which they are drawn, what returns and what expires."""
