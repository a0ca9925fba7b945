"""Logging and counting: structlog to standard error (the systemd journal), Prometheus counters in one place."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()


def counter(name: str, text: str, *labels: str) -> Counter:
    """A counter `precomplaint_<name>` with the given label names."""
    return Counter(f"precomplaint_{name}", text, labels, registry=REGISTRY)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """A gauge `precomplaint_<name>` with the given label names."""
    return Gauge(f"precomplaint_{name}", text, labels, registry=REGISTRY)


def histogram(name: str, text: str, *labels: str) -> Histogram:
    """A histogram `precomplaint_<name>` with the given label names."""
    return Histogram(f"precomplaint_{name}", text, labels, registry=REGISTRY)


def configure_logging(*, as_json: bool, level: int = logging.INFO) -> None:
    """Send every log event to standard error: JSON lines under systemd, readable lines on a terminal.

    Standard output belongs to the command's result. Libraries that log by `logging` come out the same way,
    from WARNING up.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    if not as_json:
        shared.pop()  # the console renderer shows exceptions itself, and better
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
