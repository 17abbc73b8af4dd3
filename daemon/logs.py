"""Writes what happened to standard error: one JSON object a line, or a readable form on a terminal.

structlog's events and those of the standard library (aiohttp, asyncpg, asyncio) take the same way, so that every
line has the same fields and passes the same concealment. Standard error is customary for logs and leaves standard
output to commands; systemd takes both.

Bearer tokens are known by their shape, whether registered or not.

Refuses: local variables of a traceback (they hold tokens), aiohttp's access log (it prints the webhook's path and
OAuth codes), anything registered with `conceal`, and to fail: whatever a field holds, a line comes out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import date, time
from enum import Enum
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import structlog
from pydantic import SecretBytes, SecretStr
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from daemon.core.bearer import PREFIX

_MASK = "***"
_SECRET_FIELDS = frozenset(
    {
        "access_token",
        "authorization",
        "client_secret",
        "cookie",
        "password",
        "refresh_token",
        "old_webhook_secret",
        "verify_token",
        "webhook_secret",
    }
)
# What follows "Bearer", also quoted for a URL, and our own admin tokens, whole or cut off.
_TOKENS = re.compile(rf"(bearer(?:\s|%20|\+)+)[\w.~+/=%-]{{12,}}|{PREFIX}\w*", re.IGNORECASE | re.ASCII)
_SHORTEST_SECRET = 4
_LONGEST_TEXT = 8192  # journald cuts lines at 48 KiB
_DEEPEST = 8

_concealed: set[str] = set()
_concealed_pattern: re.Pattern[str] | None = None


def configure(level: str = "info", form: str = "auto") -> None:
    """Set up every logger of this process; `level` and `form` as in the settings' section [logs]."""
    on_terminal = sys.stderr.isatty()
    shapes: list[Processor]
    if form == "console" or (form == "auto" and on_terminal):
        shapes = [
            _explained(structlog.processors.ExceptionRenderer()),  # as text, without local variables
            _redacted,
            structlog.dev.ConsoleRenderer(colors=on_terminal, timestamp_key="at"),
        ]
    else:
        shapes = [
            _explained(structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))),
            _redacted,
            _json_line,
        ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.StackInfoRenderer(),
            *shapes,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,  # so that a later call reaches the loggers that modules hold
    )
    root = logging.getLogger()
    root.handlers = [_Relay()]
    root.setLevel(number)
    logging.getLogger("aiohttp.access").disabled = True
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed


def conceal(*secrets: str | SecretStr) -> None:
    """Print *** for these from now on, wherever in a line they stand, also quoted for a URL, for JSON or by repr.

    Texts under 4 characters are left alone: they would tear holes into every line and protect nothing.
    """
    global _concealed_pattern  # noqa: PLW0603  (one process, one standard error, one set of secrets)
    for secret in secrets:
        text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if len(text) >= _SHORTEST_SECRET:
            escaped = (repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
            _concealed.update((text, quote(text, safe=""), quote(text), quote_plus(text), *escaped))
    # The longest first, or a secret that begins like another would leave its end behind.
    longest_first = sorted(_concealed, key=lambda text: (-len(text), text))
    _concealed_pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _clean(text: str) -> str:
    """Conceal before cutting: half a secret would not be recognised."""
    if _concealed_pattern is not None:
        text = _concealed_pattern.sub(_MASK, text)
    text = _TOKENS.sub(rf"\1{_MASK}", text)
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates are no UTF-8


def _plain(value: object, depth: int) -> Any:
    """Turn anything into what JSON knows, concealed on the way; `depth` counts containers from outside."""
    plain: Any
    if isinstance(value, SecretStr | SecretBytes):
        plain = _MASK
    elif isinstance(value, Enum):
        plain = _plain(value.value, depth)
    elif value is None or isinstance(value, bool):
        plain = value
    elif isinstance(value, float):
        plain = float(value)  # numpy's are subclasses, which orjson refuses
    elif isinstance(value, int) and -(2**63) <= value < 2**64:
        plain = int(value)
    elif not isinstance(value, Mapping | list | tuple | set | frozenset):
        plain = _clean(_text(value))
    elif depth >= _DEEPEST:
        plain = "…"
    elif isinstance(value, Mapping):
        plain = {_clean(str(key)): _field(key, part, depth + 1) for key, part in value.items()}
    else:
        plain = [_field(None, part, depth + 1) for part in value]
    return plain


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, str) else repr(value)


def _field(name: object, value: object, depth: int) -> Any:
    if isinstance(name, str) and name.lower() in _SECRET_FIELDS:
        return _MASK
    try:
        return _plain(value, depth)
    except Exception as error:  # a foreign __repr__ may raise anything
        return f"<{type(value).__name__} that raised {type(error).__name__}>"


def _explained(render: Processor) -> Processor:
    def explain(logger: object, method: str, event: MutableMapping[str, Any]) -> Any:
        try:
            return render(logger, method, event)
        except Exception as error:  # an exception may be ill-made itself
            return {**event, "exception": f"<an exception whose rendering raised {type(error).__name__}>"}

    return explain


def _redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {_clean(str(name)): _field(name, value, 0) for name, value in event.items()}


def _json_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "event") if name in event}
    return orjson.dumps({**first, **event}).decode()


class _StandardError:
    """Where structlog hands its finished lines."""

    def __init__(self, *_names: object) -> None:
        """Accept and forget the name that `get_logger` was given."""

    def write(self, line: str) -> None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # the reader is gone: the daemon works on, and nobody can be told
            pass

    debug = info = warning = error = critical = write


class _Relay(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # arguments that do not fit the message, or cannot be printed
            text = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(level, text, logger=record.name, exc_info=record.exc_info)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process: Python's own traceback would print messages as they are."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger().critical("process.crashed", exc_info=(kind, error, trace))
