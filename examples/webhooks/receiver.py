"""A receiver of webhooks: checks the signature, acts once for each `webhook-id`, answers quickly.

    WEBHOOK_SECRET=whsec_… python examples/webhooks/receiver.py --port 9801

Ends with the first `webhook.test`, unless `--stay` says otherwise. A real one keeps the ids that it
has seen in its database, in the transaction of what it does about the event.
"""

import argparse
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

from standardwebhooks import Webhook, WebhookVerificationError

BODY_BYTES_MAX = 1024 * 1024


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is signed, 401 to anything else; a repetition is answered alike."""

    webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    seen: ClassVar[set[str]] = set()
    was_tried = False

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length", "0")), BODY_BYTES_MAX)
        body = self.rfile.read(length)
        try:
            event = self.webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self._answer(401)
            return
        if self.headers["webhook-id"] not in self.seen:
            self.seen.add(self.headers["webhook-id"])
            print(event["type"], json.dumps(event["data"]), flush=True)
        self._answer(204)
        Receiver.was_tried |= event["type"] == "webhook.test"

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing about requests: what was received is printed above."""


def main() -> None:
    """Receive on loopback until a `webhook.test` comes, or until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9801)
    parser.add_argument("--stay", action="store_true")
    arguments = parser.parse_args()
    with HTTPServer(("127.0.0.1", arguments.port), Receiver) as server:
        while arguments.stay or not Receiver.was_tried:
            server.handle_request()


if __name__ == "__main__":
    main()
