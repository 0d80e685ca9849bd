"""How requests reach the server: proxies, certificates, redirects, closed connections."""

import ssl
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.exceptions import SSLError

from tallyroll import HTTPTransport
from tallyroll.connections import Connections
from tallyroll.testing import RecordingServer, answer

FAR = "http://events.example:8001"
PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
ENVIRONMENT = (*PROXY_NAMES, *(name.upper() for name in PROXY_NAMES))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


class Front:
    """Answers 200 to any POST; keeps the first line and the headers of each."""

    def __init__(self) -> None:
        seen = self.seen = list[tuple[str, dict[str, str]]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.http.server_port}"
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self._thread.join()
        self.http.server_close()


@pytest.fixture(name="front")
def _front() -> Iterator[Front]:
    with Front() as front:
        yield front


def _post(endpoint: str) -> int:
    transport = HTTPTransport(endpoint, "tr_test_key", timeout=2.0)
    status = transport.send(b'{"events":[]}').status
    transport.close()
    return status


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment(
    front: Front, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It gets the request, with its own password, and no part of that goes further."""
    monkeypatch.setenv(name, f"http://user:secret@{front.address}")

    assert 200 == _post(FAR)
    ((path, headers),) = front.seen
    assert f"{FAR}/v1/events" == path
    assert "Basic dXNlcjpzZWNyZXQ=" == headers["proxy-authorization"]
    assert "Bearer tr_test_key" == headers["authorization"]


def test_no_proxy_for_this_machine(
    front: Front, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for what NO_PROXY names."""
    monkeypatch.setenv("HTTP_PROXY", front.address)
    assert 202 == _post(server.endpoint)

    monkeypatch.setenv("NO_PROXY", "events.example")
    assert Connections(FAR, 1.0)._proxy is None
    assert Connections("http://other.example", 1.0)._proxy is not None
    assert [] == front.seen


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[::1"])
def test_a_proxy_that_cannot_work(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Is an error at construction; going around it is not for us to decide."""
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(ValueError, match="proxy"):
        HTTPTransport(FAR, "tr_test_key")


def test_a_redirect_is_an_answer(server: RecordingServer) -> None:
    """The key is for the address that was given, so nothing is sent elsewhere."""
    server.script = [answer(307, location=f"{server.endpoint}/elsewhere")]

    assert 307 == _post(server.endpoint)
    assert 1 == len(server.bodies)


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    """The key alone says who one is."""
    transport = HTTPTransport("http://user:secret@127.0.0.1:1", "tr_test_key")

    assert "HTTPTransport('127.0.0.1')" == repr(transport)
    assert "secret" not in transport._connections._url


def test_certificates_without_certifi(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no dependency: the system's authorities hold then, and are never left out."""
    far = "https://events.example"
    assert Connections(far, 1.0)._certificates is not None

    monkeypatch.setitem(sys.modules, "certifi", None)

    assert Connections(far, 1.0)._certificates is None


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that nobody vouches for gets no key and no event; SSL_CERT_FILE vouches."""
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    front = Front()
    front.http.socket = context.wrap_socket(front.http.socket, server_side=True)
    front.http.handle_error = lambda *_: None  # type: ignore[method-assign]
    with front:
        with pytest.raises(SSLError):
            _post(f"https://{front.address}")
        assert [] == front.seen
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert 200 == _post(f"https://{front.address}")
