"""One POST: to the address that was checked, as the name that was asked for, within bounds."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.invoicing.domain.webhook_address import Target
from services.invoicing.webhooks_out.sender import ANSWER_CHARACTERS_KEPT, WebhookSender
from tests.support.webhook_receiver import Received, Receiver, answer, running_receiver

NAME = "hooks.example.com"
PUBLIC = "93.184.215.14"


class Names:
    """A name server that a test controls: one list of addresses for each question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


class Diverted(httpcore.AnyIOBackend):
    """A network on which every address is the receiver's; it notes what was asked for."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.connected: list[tuple[str, int]] = []
        self.unreachable: set[str] = set()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.unreachable:
            raise httpcore.ConnectError
        return await super().connect_tcp("127.0.0.1", self.receiver.port, timeout)


def certificate_of(name: str, folder: Path) -> Path:
    """Write a self-signed certificate for a name, and its key, to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.fixture(name="certificate")
def _certificate(tmp_path: Path) -> Path:
    return certificate_of(NAME, tmp_path)


@pytest.fixture(name="secure")
async def _secure(certificate: Path) -> AsyncIterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with running_receiver(tls) as receiver:
        yield receiver


def loopback(receiver: Receiver) -> Target:
    return Target("http", "127.0.0.1", receiver.port, "/hook?a=b")


async def post(sender: WebhookSender, target: Target) -> Any:
    try:
        return await sender.post(target, {"webhook-id": "e-1"}, '{"ok": true}')
    finally:
        await sender.close()


async def test_tls_is_with_the_name_at_the_checked_address(
    secure: Receiver, certificate: Path
) -> None:
    """The connection goes to the address; certificate, SNI and Host are the name's."""
    network, names = Diverted(secure), Names([PUBLIC])
    sender = WebhookSender(
        allow_loopback=False,
        seconds_max=5,
        resolve=names,
        network=network,
        ssl_context=ssl.create_default_context(cafile=str(certificate)),
    )

    came = await post(sender, Target("https", NAME, 443, "/hook"))

    assert (200, None) == (came.status, came.failure)
    assert [(PUBLIC, 443)] == network.connected
    assert NAME == secure.received[0].headers["host"]


async def test_a_certificate_of_another_name_is_refused(
    secure: Receiver, certificate: Path
) -> None:
    """Whoever answers at the address must prove to be the name."""
    sender = WebhookSender(
        allow_loopback=False,
        seconds_max=5,
        resolve=Names([PUBLIC]),
        network=Diverted(secure),
        ssl_context=ssl.create_default_context(cafile=str(certificate)),
    )

    came = await post(sender, Target("https", "other.example.com", 443, "/hook"))

    assert (None, "tls_failed") == (came.status, came.failure)
    assert [] == secure.received


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:169.254.169.254"],
        ["fe80::1%eth0"],
        [PUBLIC, "192.168.0.1"],
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(
    receiver: Receiver, found: list[str]
) -> None:
    """One refused address is enough, wherever it stands in the answer."""
    network = Diverted(receiver)
    sender = WebhookSender(
        allow_loopback=False, seconds_max=5, resolve=Names(found), network=network
    )

    came = await post(sender, Target("https", NAME, 443, "/"))

    assert "address_refused" == came.failure
    assert [] == network.connected


async def test_a_name_is_asked_for_once(receiver: Receiver) -> None:
    """A name server that answers well first and inside afterwards (rebinding) gets one question."""
    network, names = Diverted(receiver), Names([PUBLIC], ["127.0.0.1"])
    sender = WebhookSender(allow_loopback=False, seconds_max=5, resolve=names, network=network)

    await post(sender, Target("http", NAME, 80, "/"))

    assert [NAME] == names.asked
    assert [(PUBLIC, 80)] == network.connected
    assert 1 == len(receiver.received)


async def test_the_next_checked_address_is_tried(receiver: Receiver) -> None:
    """An address without a way to it does not end the attempt while another is there."""
    network = Diverted(receiver)
    network.unreachable = {"2606:4700::1111"}
    sender = WebhookSender(
        allow_loopback=False,
        seconds_max=5,
        resolve=Names(["2606:4700::1111", PUBLIC]),
        network=network,
    )

    came = await post(sender, Target("http", NAME, 80, "/"))

    assert 200 == came.status
    assert ["2606:4700::1111", PUBLIC] == [host for host, _ in network.connected]


async def test_loopback_needs_the_setting(receiver: Receiver) -> None:
    """Without it not even a host that is written as loopback is connected to."""
    off = await post(WebhookSender(allow_loopback=False, seconds_max=5), loopback(receiver))
    on = await post(WebhookSender(allow_loopback=True, seconds_max=5), loopback(receiver))

    assert (None, "address_refused") == (off.status, off.failure)
    assert (200, "ok") == (on.status, on.text)
    assert "/hook?a=b" == receiver.received[0].path


async def test_a_name_without_address_is_said_to_be_unknown() -> None:
    """An empty answer of the name server is a failure of its own."""
    sender = WebhookSender(allow_loopback=False, seconds_max=5, resolve=Names([]))

    assert "unknown_host" == (await post(sender, Target("https", NAME, 443, "/"))).failure


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """Where an answer points to is never asked."""
    receiver.answers = [answer(302, Location=f"http://127.0.0.1:{receiver.port}/else")]

    came = await post(WebhookSender(allow_loopback=True, seconds_max=5), loopback(receiver))

    assert 302 == came.status
    assert ["/hook?a=b"] == [one.path for one in receiver.received]


async def test_an_endless_answer_is_cut(receiver: Receiver) -> None:
    """Of an answer that never ends at most 64 KiB are read, and 500 characters are kept."""
    sent = 0

    async def pour(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"\x00<b>" * 4096)
            await writer.drain()
            sent += 4 * 4096

    receiver.reply = pour

    came = await post(WebhookSender(allow_loopback=True, seconds_max=20), loopback(receiver))

    assert 200 == came.status
    assert ANSWER_CHARACTERS_KEPT == len(came.text)
    assert came.text.isprintable()
    assert sent < 64 * 1024 * 1024


async def test_an_answer_in_drips_is_a_timeout(receiver: Receiver) -> None:
    """The time is that of the whole exchange, however many bytes come in between."""

    async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    receiver.reply = drip

    came = await post(WebhookSender(allow_loopback=True, seconds_max=0.3), loopback(receiver))

    assert (None, "timeout") == (came.status, came.failure)
    assert 300 <= came.latency_ms < 5_000


@pytest.mark.parametrize(
    ("bytes_sent", "failure"),
    [(b"", "invalid_answer"), (b"SSH-2.0-OpenSSH\r\n\r\n", "invalid_answer")],
)
async def test_what_is_no_http_is_a_failure(
    receiver: Receiver, bytes_sent: bytes, failure: str
) -> None:
    """A connection that is closed, or another protocol, has a code and no status."""
    receiver.answers = [bytes_sent]

    came = await post(WebhookSender(allow_loopback=True, seconds_max=5), loopback(receiver))

    assert (None, failure) == (came.status, came.failure)


async def test_a_closed_port_is_a_failure(receiver: Receiver) -> None:
    """Nobody listens: a code of its own."""
    target = Target("http", "127.0.0.1", 1, "/")

    came = await post(WebhookSender(allow_loopback=True, seconds_max=5), target)

    assert "connection_failed" == came.failure
