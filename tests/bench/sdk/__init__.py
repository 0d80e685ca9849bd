"""What metering costs the program that is metered: Tallyroll's SDK beside others of the field."""
