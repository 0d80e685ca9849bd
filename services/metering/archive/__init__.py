"""The archive: every event of the log as Parquet, and the recount of days from it."""
