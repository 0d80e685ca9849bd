"""The pages that a newcomer follows: their commands run, in their order, on a real deployment."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from deploy.local.staying_up import VENDOR, first_key, write_variables

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(bash|python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN_BY_OTHER_TESTS = {"make up", ". var/up/env", "make demo", "make test", "make check"}
"""Commands of `console` blocks: the suite itself, and what the fixture below does by hand."""
BLOCK_SECONDS_MAX = 60.0
INVOICE_SECONDS_MAX = 60.0
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if BLOCK.search(page.read_text(encoding="utf-8"))
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the (language, text) of a page's code blocks."""
    return [(m[1], m[2]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module", name="deployment")
async def _deployment() -> AsyncIterator[Deployment]:
    root = ROOT / "var" / "docs"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        yield deployment


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_commands_are_known(page: Path) -> None:
    """A page tells people to type only what a test runs."""
    typed = {
        line
        for language, text in blocks(page)
        if language == "console"
        for line in text.splitlines()
    }

    assert typed <= RUN_BY_OTHER_TESTS


async def test_the_first_invoice_is_what_the_page_says(deployment: Deployment) -> None:
    """docs/start.md from top to bottom ends with the invoice that it promises."""
    variables = write_variables(deployment, await first_key(deployment))
    script = [f". {variables}"]
    for language, text in blocks(ROOT / "docs" / "start.md"):
        if language == "bash":
            script.append(text.replace(".venv/bin/tallyrollctl", '"$PYTHON" -m services.cli'))
        if language == "python":
            script.append(f'"$PYTHON" - <<"END"\n{text}END')

    await _run("\n".join(script))

    assert 11_464 == await _invoiced_minor(deployment)


async def _run(script: str) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "python" / "src")])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(BLOCK_SECONDS_MAX):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()


async def _invoiced_minor(deployment: Deployment) -> int:
    headers = {"Authorization": f"Bearer {deployment.secrets['api_key']}"}
    url = f"{deployment.url('invoicing')}/v1/invoices"
    async with httpx.AsyncClient(headers=headers) as client, asyncio.timeout(INVOICE_SECONDS_MAX):
        while True:
            answer = await client.get(url, params={"tenant": "hooli", "state": "sent"})
            if found := answer.json()["invoices"]:
                return int(found[0]["total_minor"])
            await asyncio.sleep(0.2)
