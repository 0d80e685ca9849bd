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
CLI_PAGE = ROOT / "docs" / "guides" / "import-usage.md"
"""Its commands run in sdk/python/tests/cli/test_guide.py."""
RUN_BY_OTHER_TESTS = {
    *("make up", ". var/up/env", "make demo", "make test", "make check"),
    *("make chaos", "make chaos VARIANT=naive"),
}
"""Commands of `console` blocks: the suite itself, and what the fixture below does by hand."""
GUIDED = (
    "start.md",
    "guides/send-usage-over-http.md",
    "guides/ask-about-an-event.md",
    "guides/correct-usage.md",
    "guides/read-usage.md",
    "guides/hand-out-statements.md",
    "guides/close-the-books.md",
    "guides/define-a-meter.md",
    "guides/change-a-price.md",
    "guides/invoice-in-mid-period.md",
    "guides/prices-in-files.md",
    "guides/simulate-a-plan.md",
    "guides/change-a-subscription.md",
    "guides/seats.md",
    "concepts/provider-cost.md",
    "guides/save-tokens.md",
    "concepts/credits.md",
    "concepts/tax.md",
    "guides/prove-the-count.md",
    "guides/receive-webhooks.md",
    "guides/see-growth.md",
    "guides/manage-agents.md",
    "guides/keep-a-budget.md",
)
"""The pages whose commands run, in this order, in one shell."""
LINK = re.compile(r"\]\(([^)#\s]+)")
SCRIPT_SECONDS_MAX = 600
INVOICE_SECONDS_MAX = 60.0
ALL_PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "services/*/*.md", "deploy/**/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
)
PAGES = [page for page in ALL_PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the (language, text) of a page's code blocks."""
    return [(m[1], m[2]) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module", name="deployment")
async def _deployment() -> AsyncIterator[Deployment]:
    root = ROOT / "var" / "docs"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        yield deployment


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != CLI_PAGE], ids=lambda page: page.name
)
def test_console_commands_are_known(page: Path) -> None:
    """A page tells people to type only what a test runs."""
    typed = {
        line
        for language, text in blocks(page)
        if language == "console"
        for line in text.splitlines()
    }

    assert typed <= RUN_BY_OTHER_TESTS


async def test_the_pages_do_what_they_say(deployment: Deployment) -> None:
    """docs/start.md from top to bottom ends with the invoice that it promises; so do the guides."""
    variables = write_variables(deployment, await first_key(deployment))
    script = [f". {variables}"]
    for page in GUIDED:
        for language, text in blocks(ROOT / "docs" / page):
            if language == "bash":
                control = text.replace(".venv/bin/tallyrollctl", '"$PYTHON" -m services.cli')
                script.append(control.replace(".venv/bin/python", '"$PYTHON"'))
            if language == "python":
                script.append(f'"$PYTHON" - <<"END"\n{text}END')

    output = await _run("\n".join(script))

    assert '"code":"ambiguous_token_type"' in output
    assert 'webhook.test {"endpoint_id": "books"}' in output
    assert 11_464 == await _invoiced_minor(deployment)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link to another file of the repository names one that exists."""
    text = page.read_text(encoding="utf-8")
    targets = [target for target in LINK.findall(text) if "://" not in target]

    assert [] == [target for target in targets if not (page.parent / target).exists()]


def test_every_bash_block_is_run() -> None:
    """A page with commands to paste is one of those that the test above runs."""
    pasted = {page for page in PAGES if any(language == "bash" for language, _ in blocks(page))}

    assert {ROOT / "docs" / page for page in GUIDED} == pasted


def test_the_seven_files_are_short() -> None:
    """What the README asks a newcomer to read is seven files, under 600 lines together."""
    reading = (ROOT / "README.md").read_text(encoding="utf-8").partition("seven files")[2]
    files = re.findall(r"^\d\. \[`([^`]+)`\]", reading, re.MULTILINE)
    lines = sum((ROOT / name).read_text(encoding="utf-8").count("\n") for name in files)

    assert 7 == len(files)
    assert lines < 600


async def _run(script: str) -> str:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "python" / "src")])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SCRIPT_SECONDS_MAX):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def _invoiced_minor(deployment: Deployment) -> int:
    headers = {"Authorization": f"Bearer {deployment.secrets['api_key']}"}
    url = f"{deployment.url('invoicing')}/v1/invoices"
    async with httpx.AsyncClient(headers=headers) as client, asyncio.timeout(INVOICE_SECONDS_MAX):
        while True:
            answer = await client.get(url, params={"tenant": "hooli", "state": "sent"})
            if found := answer.json()["invoices"]:
                return int(found[0]["total_minor"])
            await asyncio.sleep(0.2)
