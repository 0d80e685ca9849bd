"""Which Stripe account serves a vendor's mode, and the open client of each."""

from http import HTTPStatus

from pydantic import SecretStr

from services.invoicing.repository import stripe as stripe_repository
from services.invoicing.sealing import StripeCredentials, unseal
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_gateway import StripeGateway
from services.invoicing.stripe_throttle import Throttle
from services.invoicing.stripe_types import Stripe
from shared.accounts.repository import Account
from shared.database import Database
from shared.errors import TallyrollError
from shared.events.message import Mode

REQUESTS_PER_SECOND = {"live": 100.0, "test": 25.0}
"""Stripe's documented limits of an account."""

_PREFIXES = {"test": ("sk_test_", "rk_test_"), "live": ("sk_live_", "rk_live_")}


def check_key(settings: InvoicingSettings, account: Account, api_key: str) -> None:
    """Refuse a key of the other mode, and a live key while Stripe's address is replaced."""
    if not api_key.startswith(_PREFIXES[account.mode]):
        message = f"A {account.mode} account takes a key that begins with sk_{account.mode}_."
        raise TallyrollError("stripe_key_mode_mismatch", message, subject="api_key")
    if account.mode == "live" and settings.stripe_api_base:
        message = "This deployment speaks to a simulated Stripe; it takes no live key."
        raise TallyrollError("stripe_is_simulated", message, HTTPStatus.CONFLICT, "api_key")


class StripeAccounts:
    """Looks up credentials (decrypted in memory only) and keeps one open client per key."""

    def __init__(self, database: Database, settings: InvoicingSettings) -> None:
        self._database = database
        self._settings = settings
        self._gateways: dict[str, StripeGateway] = {}

    async def credentials(self, account: Account) -> StripeCredentials | None:
        """Return the vendor's own credentials, else in test mode the deployment's, else None."""
        async with self._database.transaction() as connection:
            row = await stripe_repository.read_account(connection, account)
        if row is not None:
            secret_key = self._settings.secret_key.get_secret_value().encode()
            return unseal(secret_key, account, row["sealed"])
        return self.deployment_credentials(account)

    def deployment_credentials(self, account: Account) -> StripeCredentials | None:
        api_key = _text(self._settings.stripe_api_key)
        if account.mode != "test" or not api_key.startswith(_PREFIXES["test"]):
            return None
        secret = _text(self._settings.stripe_webhook_secret)
        return StripeCredentials(api_key, (secret,) if secret else ())

    async def gateway(self, account: Account) -> Stripe | None:
        """Return the client of an account, None when it has no Stripe account yet."""
        credentials = await self.credentials(account)
        if credentials is None:
            return None
        check_key(self._settings, account, credentials.api_key)
        if credentials.api_key not in self._gateways:
            self._gateways[credentials.api_key] = StripeGateway(
                credentials.api_key,
                api_base=self._settings.stripe_api_base,
                throttle=self._throttle(account.mode),
            )
        return self._gateways[credentials.api_key]

    def _throttle(self, mode: Mode) -> Throttle:
        overall = self._settings.stripe_requests_per_second
        return Throttle(
            per_endpoint=self._settings.stripe_requests_per_second_endpoint,
            overall=REQUESTS_PER_SECOND[mode] if overall is None else overall,
        )

    async def close(self) -> None:
        for gateway in self._gateways.values():
            await gateway.close()


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
