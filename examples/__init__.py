"""Runnable examples of Tallyroll."""
