"""`python -m deploy.local.stripe_simulator --port 12111 --state var/stripe.sqlite --control`."""

import argparse
from pathlib import Path

import uvicorn

from deploy.local.stripe_simulator.app import create_simulator
from deploy.local.stripe_simulator.settings import Settings
from shared.logging import configure_logging


def main() -> None:
    options = _parser().parse_args()
    configure_logging("stripe_simulator", "console")
    if (options.webhook_url is None) != (options.webhook_secret is None):
        raise SystemExit("--webhook-url and --webhook-secret go together")
    if options.state is not None:
        options.state.parent.mkdir(parents=True, exist_ok=True)
    app = create_simulator(
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        state_path=options.state,
        account_name=options.account_name,
        control=options.control,
        settings=Settings(rate_limits=options.rate_limits),
    )
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stripe_simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port on 127.0.0.1")
    parser.add_argument("--state", type=Path, help="SQLite file; without it all is in memory")
    parser.add_argument("--webhook-url", help="where events are posted")
    parser.add_argument(
        "--webhook-secret", action="append", help="whsec_…, signs the events; may be given again"
    )
    parser.add_argument(
        "--account-name", default="Tallyroll Demo", help="the vendor named on hosted pages"
    )
    parser.add_argument(
        "--rate-limits", action="store_true", help="25 requests a second per endpoint, 100 in all"
    )
    parser.add_argument("--control", action="store_true", help="open the control API at /_sim")
    return parser


if __name__ == "__main__":
    main()
