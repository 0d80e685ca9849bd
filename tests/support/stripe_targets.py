"""Who answers the conformance suite: the simulator, `stripe-mock`, Stripe's test mode."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stripe
import uvicorn

from deploy.local.stripe_simulator import create_simulator
from tests.support.stripe_shapes import shape_faults

MOCK = "github.com/stripe/stripe-mock@v0.203.0"
TOOLS = Path(__file__).parents[2] / "var" / "tools"
BUILD_SECONDS_MAX = 300
KEY = "STRIPE_API_KEY"


def available_targets() -> list[str]:
    """Return the targets that can answer here; the simulator always can."""
    real = os.environ.get(KEY, "").startswith("sk_test_")
    return [
        "simulator",
        *(["stripe-mock"] if mock_binary() is not None else []),
        *(["stripe"] if real else []),
    ]


def mock_binary() -> Path | None:
    """Return the program, built once where there is a Go toolchain and a way to its modules."""
    binary = TOOLS / "stripe-mock"
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        return None
    environment = os.environ | {
        "GOBIN": str(TOOLS),
        "GOCACHE": str(TOOLS / "go" / "cache"),
        "GOFLAGS": "-mod=mod -modcacherw",
        "GOPATH": str(TOOLS / "go"),
    }
    try:
        subprocess.run(
            [go, "install", MOCK],
            env=environment,
            check=True,
            capture_output=True,
            timeout=BUILD_SECONDS_MAX,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return binary


@dataclass
class Target:
    """One of them: `stateless` answers fixtures, so that only shapes and parameters compare."""

    name: str
    client: stripe.StripeClient

    @property
    def api(self) -> Any:
        return self.client.v1

    @property
    def stateless(self) -> bool:
        return self.name == "stripe-mock"

    def shaped(self, thing: Any, kind: type) -> None:
        """Assert that an answer is an object of the SDK's class, as the SDK describes it."""
        assert isinstance(thing, kind) or self.stateless, type(thing).__name__
        if not self.stateless:
            assert shape_faults(thing) == []

    def same(self, expected: Any, found: Any) -> None:
        if not self.stateless:
            assert expected == found

    async def refused(
        self, call: Awaitable[Any], *, code: str | None = None, param: str | None = None
    ) -> None:
        """Assert that a call is refused for this reason; a fixture refuses nothing by state."""
        refusal = None
        try:
            await call
        except stripe.StripeError as error:
            refusal = error
        if self.stateless:
            return  # it refuses nothing by state, and names no codes
        assert refusal is not None, "the call was accepted"
        assert code in {None, refusal.code}, refusal
        assert param in {None, getattr(refusal, "param", None)}, refusal


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Target]:
    servers = {"simulator": _simulator, "stripe-mock": _mock, "stripe": _stripe}
    async with servers[name]() as url:
        http = stripe.HTTPXClient()
        key = os.environ[KEY] if name == "stripe" else "sk_test_conformance"
        client = stripe.StripeClient(
            key,
            base_addresses={"api": url} if url else None,
            max_network_retries=2,
            http_client=http,
        )
        yield Target(name, client)
        await http.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def _stripe() -> AsyncIterator[None]:
    yield None


class _QuietServer(uvicorn.Server):
    """Leaves the signal handlers of the test process alone."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    app = create_simulator()
    server = _QuietServer(uvicorn.Config(app, log_level="error", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task
    listener.close()


@asynccontextmanager
async def _mock() -> AsyncIterator[str]:
    port, secure = _free_port(), _free_port()
    process = await asyncio.create_subprocess_exec(
        str(mock_binary()),
        *("-http-port", str(port), "-https-port", str(secure)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while not await _listens(port):  # noqa: ASYNC110  # another process's port
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
