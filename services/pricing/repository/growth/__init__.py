"""What growth is read from: usage, statements, and the logs of trainings and segments."""
