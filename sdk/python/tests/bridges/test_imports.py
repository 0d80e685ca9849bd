"""A bridge is for those who have its framework; others do not pay for it."""

import subprocess
import sys

import pytest

FRAMEWORKS = {
    "opentelemetry": "opentelemetry",
    "litellm": "litellm",
    "langchain": "langchain_core",
    "openai_agents": "agents",
}


def test_nothing_imports_a_framework_but_its_own_bridge() -> None:
    """Neither the SDK nor what the bridges share."""
    shared = "bridge, counting, langchain_usage, litellm_usage, providers, scopes, spans"
    code = (
        f"import sys, tallyroll; from tallyroll.bridges import {shared}; "
        f"print(sorted(set({list(FRAMEWORKS.values())}) & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(("bridge", "framework"), FRAMEWORKS.items())
def test_a_missing_framework_is_named(bridge: str, framework: str) -> None:
    """Who imports the bridge without it is told which one is missing."""
    code = (
        f"import sys; sys.modules[{framework!r}] = None\n"
        f"try:\n    import tallyroll.bridges.{bridge}\n"
        f"except ImportError as error:\n    print(error.name.partition('.')[0])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == framework
