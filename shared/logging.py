"""Structured logs with structlog: one event name, then fields; never a key, a body or a name."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

FORBIDDEN_FIELDS = frozenset(
    {"api_key", "authorization", "body", "email", "hosted_invoice_url", "password", "secret"}
)
"""Fields whose values are replaced, whoever logs them: bearer secrets and personal data."""


def _hide_forbidden(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in FORBIDDEN_FIELDS & event.keys():
        event[name] = "[hidden]"
    return event


def configure_logging(service: str, log_format: Literal["json", "console"] = "json") -> None:
    """Set up structlog and the standard library's root logger for one process."""
    structlog.contextvars.bind_contextvars(service=service)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide_forbidden,
    ]
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("aiokafka", "httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
