"""Test doubles: a transport that keeps what it gets, and a real HTTP server that can misbehave."""

from tallyroll.testing.capturing import CapturedEvents, CapturingTransport, accept_all
from tallyroll.testing.server import RecordingServer, Step, answer, commit_then_drop, drop

__all__ = [
    "CapturedEvents",
    "CapturingTransport",
    "RecordingServer",
    "Step",
    "accept_all",
    "answer",
    "commit_then_drop",
    "drop",
]
