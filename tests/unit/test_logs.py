"""Logs: one line whatever happens, and never a secret in it."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import logging
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretBytes, SecretStr

from daemon import logs

Lines = Callable[[], list[dict[str, Any]]]
CANARY = "canary-Zq7/+'\"é\\x"


@pytest.fixture(autouse=True)
def _loggers_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging is global: give back what this process had."""
    monkeypatch.setattr(logs, "_concealed", set())
    monkeypatch.setattr(logs, "_concealed_pattern", None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level, disabled = root.handlers, root.level, access.disabled
    yield
    root.handlers, access.disabled = handlers, disabled
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Set up JSON logs, and give what was written since the last call."""
    logs.configure("debug", "json")

    def read() -> list[dict[str, Any]]:
        captured = capsys.readouterr()
        assert captured.out == ""
        return [json.loads(line) for line in captured.err.splitlines()]

    return read


def fail(message: str) -> None:
    own_secret = "canary-local-variable"
    raise RuntimeError(message, len(own_secret))


def test_a_line_begins_with_instant_level_and_event(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger("any name").info("webhook.stored", events=2, ratio=0.5, kinds=["a", None, True])

    raw = capsys.readouterr().err
    line = json.loads(raw)
    assert list(line) == ["at", "level", "event", "events", "ratio", "kinds"]
    assert datetime.fromisoformat(line["at"]).tzinfo == UTC
    assert (line["level"], line["event"], line["events"]) == ("info", "webhook.stored", 2)
    assert raw.endswith("}\n")


def test_what_was_bound_to_the_context_is_in_every_line_of_its_task_alone(lines: Lines) -> None:
    async def work(athlete_id: int) -> None:
        structlog.contextvars.bind_contextvars(athlete_id=athlete_id, activity_id=10 * athlete_id)
        await asyncio.sleep(0)
        structlog.get_logger().info("activity.stored")
        logging.getLogger("asyncpg").warning("from the library")

    async def both() -> None:
        await asyncio.gather(work(1), work(2))

    asyncio.run(both())

    written = [(line["event"], line["athlete_id"], line["activity_id"]) for line in lines() if "athlete_id" in line]
    assert sorted(written) == [
        ("activity.stored", 1, 10), ("activity.stored", 2, 20),
        ("from the library", 1, 10), ("from the library", 2, 20),
    ]  # fmt: skip


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    logs.configure("warning", "json")

    structlog.get_logger().info("too.quiet")
    logging.getLogger("asyncio").info("too quiet")
    structlog.get_logger().warning("loud.enough")
    logging.getLogger("asyncio").warning("loud %s", "enough")

    assert [line["event"] for line in lines()] == ["loud.enough", "loud enough"]


def test_the_standard_librarys_records_take_the_same_way(lines: Lines) -> None:
    logs.configure("debug", "json")  # once more: pytest has put its own handlers in meanwhile
    try:
        fail("in a library")
    except RuntimeError:
        logging.getLogger("aiohttp.server").exception("Error handling %s", "request")
    logging.getLogger("odd").log(25, "100 % between levels")
    logging.getLogger("odd").error("%d arguments do not fit", "three")

    first, second, third = lines()
    assert (first["event"], first["logger"], first["level"]) == (
        "Error handling request",
        "aiohttp.server",
        "error",
    )
    assert first["exception"][0]["exc_type"] == "RuntimeError"
    assert (second["event"], second["level"]) == ("100 % between levels", "info")
    assert third["event"] == "%d arguments do not fit"


def test_the_access_log_of_aiohttp_is_silent_and_its_server_log_is_not(lines: Lines) -> None:
    logging.getLogger("aiohttp.access").critical("GET /webhook/secret")
    logging.getLogger("aiohttp.server").debug("kept")

    assert [line["event"] for line in lines()] == ["kept"]


def test_warnings_are_lines_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("info", "json")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    (line,) = lines()
    assert "DeprecationWarning: old ways" in line["event"]
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")


def test_what_ends_the_process_is_a_line_and_an_interrupt_is_left_to_python(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.conceal("canary-crash")
    try:
        fail("canary-crash")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)

    (line,) = lines()
    assert (line["event"], line["level"]) == ("process.crashed", "critical")
    assert "canary" not in json.dumps(line)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "KeyboardInterrupt\n"


# Secrets


@dataclasses.dataclass
class Holder:
    token: str


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_concealed_text_appears_nowhere(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", form)
    logs.conceal(CANARY, SecretStr("canary-second"))
    log = structlog.get_logger()
    structlog.contextvars.bind_contextvars(bound=f"<{CANARY}>")

    log.info("event %s", CANARY, text=f"a {CANARY} b {CANARY}", second="canary-second")
    log.info("nested", deep={"list": [{"x": (CANARY, {CANARY})}], CANARY: 1}, raw=CANARY.encode())
    log.info("objects", holder=Holder(CANARY), path=Path(f"/{CANARY}"), error=ValueError(CANARY), kind=CANARY.upper)
    log.info("stack", stack_info=True)
    logging.getLogger("lib").error("request to %s failed", f"https://host/?token={CANARY}")
    try:
        try:
            try:
                fail(CANARY)
            except RuntimeError as inner:
                raise KeyError({"token": CANARY}) from inner
        except KeyError:
            raise ExceptionGroup(CANARY, [OSError(5, CANARY), ValueError("canary-second")])  # noqa: B904
    except ExceptionGroup as group:
        group.add_note(f"note {CANARY}")
        log.exception("failed", url=f"https://{CANARY}@host")
        logging.getLogger("lib").exception("failed in a library")

    written = capsys.readouterr().err
    assert written.count("***") >= 20
    assert "ExceptionGroup" in written
    assert "canary" not in written
    assert "Zq7" not in written


@pytest.mark.parametrize("secret", ["plain-secret", "with space&plus+", 'quote"\\back', "new\nline", "Zürich/ß%20"])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        repr,
        json.dumps,
        partial(json.dumps, ensure_ascii=False),
        quote,
        partial(quote, safe=""),
        lambda text: urlencode({"k": text}),
    ],
)
def test_a_secret_is_recognised_however_it_is_quoted(
    lines: Lines, secret: str, spell: Callable[[str], str]
) -> None:
    logs.conceal(secret)

    structlog.get_logger().info("said", text=f"before {spell(secret)} after")

    (line,) = lines()
    assert "***" in line["text"]
    assert line["text"].startswith("before ")
    assert line["text"].endswith(" after")
    assert spell(secret).strip("'\"").removeprefix("k=") not in line["text"]


def test_a_secret_that_begins_like_another_leaves_no_end_behind(lines: Lines) -> None:
    logs.conceal("canary", "canary-and-more")

    structlog.get_logger().info("said", text="canary-and-more canary")

    assert lines()[0]["text"] == "*** ***"


def test_too_short_a_secret_tears_no_holes(lines: Lines) -> None:
    logs.conceal("", "a", SecretStr("inf"))

    structlog.get_logger().info("a.plain.info")

    assert lines()[0]["event"] == "a.plain.info"


def test_secret_types_and_fields_named_like_secrets_are_masked(lines: Lines) -> None:
    structlog.get_logger().info(
        "said",
        one=SecretStr("canary1"),
        two=[SecretBytes(b"canary2"), {"in": SecretStr("canary3")}],
        access_token="canary4",
        headers={"Authorization": "Bearer canary5"},
        settings=Holder(token=SecretStr("canary6")),  # type: ignore[arg-type]
    )

    (line,) = lines()
    assert "canary" not in json.dumps(line)
    assert (line["one"], line["two"]) == ("***", ["***", {"in": "***"}])
    assert line["headers"] == {"Authorization": "***"}


@pytest.mark.parametrize(
    "text",
    [
        "dmq_" + "0a" * 32,
        "dmq_0a0a",
        "dmq_",
        "Authorization: Bearer " + "0a" * 20,
        "authorization=bearer%20" + "0a" * 20,
        "bearer+" + "0a" * 20,
        "Bearer  abc.0a0a0a0a0a0a-_~+/==",
        "key=dmq_" + "0a" * 32 + "&x=1",
    ],
)
def test_bearer_tokens_are_known_by_their_shape_though_nobody_registered_them(lines: Lines, text: str) -> None:
    structlog.get_logger().info("said", text=f"before {text} after", nested=[{text: text}])
    logging.getLogger("lib").warning("request with %s failed", text)

    written = lines()
    assert "0a0a" not in json.dumps(written)
    assert "dmq_" not in json.dumps(written)
    assert written[0]["text"].startswith("before ")
    assert written[0]["text"].endswith(" after")


def test_words_about_bearers_are_left_alone(lines: Lines) -> None:
    structlog.get_logger().info("said", text="the bearer of news; a Bearer token is needed")

    assert lines()[0]["text"] == "the bearer of news; a Bearer token is needed"


def test_no_local_variable_of_a_traceback_is_written(lines: Lines) -> None:
    try:
        fail("loudly")
    except RuntimeError:
        structlog.get_logger().exception("failed")

    (line,) = lines()
    (stack,) = line["exception"]
    assert stack["exc_value"] == "('loudly', 21)"
    assert [frame["name"] for frame in stack["frames"]][-1] == "fail"
    assert all(set(frame) == {"filename", "lineno", "name"} for frame in stack["frames"])


# Nothing breaks a line


class Hostile:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class HostileText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise ZeroDivisionError


class Level(enum.IntEnum):
    HIGH = 3


def test_no_value_keeps_a_line_from_being_written(lines: Lines) -> None:
    endless: list[Any] = []
    endless.append(endless)
    structlog.get_logger().info(
        "odd",
        hostile=Hostile(),
        nested=[{"text": HostileText("x")}],
        endless=endless,
        huge=10**40,
        nan=float("nan"),
        surrogate="\ud800",
        keys={1: "a", None: "b", (1, 2): "c"},
        raw=b"\xff",
        number=np.float64(1.5),
        array=np.arange(3),
        level=Level.HIGH,
        instant=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        day=date(2026, 1, 2),
        id=UUID(int=7),
        long="x" * 20_000,
        function=fail,
    )

    (line,) = lines()
    assert line["hostile"] == "<Hostile that raised ZeroDivisionError>"
    assert line["nested"] == [{"text": "<HostileText that raised ZeroDivisionError>"}]
    assert line["endless"] == [[[[[[[["…"]]]]]]]]
    assert line["huge"] == str(10**40)
    assert line["nan"] is None
    assert line["surrogate"] == "\\ud800"
    assert line["keys"] == {"1": "a", "None": "b", "(1, 2)": "c"}
    assert line["number"] == 1.5
    assert line["instant"] == "2026-01-02T03:04:05+00:00"
    assert line["day"] == "2026-01-02"
    assert len(line["long"]) < 8300
    assert line["long"].endswith("(20000 characters)")


def test_an_ill_made_exception_is_still_a_line(lines: Lines) -> None:
    class IllMade(Exception):
        def __init__(self) -> None:
            self.__dict__["__notes__"] = 3

        def __str__(self) -> str:
            raise ZeroDivisionError

    def fail_oddly() -> None:
        raise IllMade

    try:
        fail_oddly()
    except IllMade:
        structlog.get_logger().exception("failed")
    structlog.get_logger().error("outside", exc_info=True)
    structlog.get_logger().error("nonsense", exc_info=(1, 2))

    assert [line["event"] for line in lines()] == ["failed", "outside", "nonsense"]


def test_a_reader_that_is_gone_does_not_stop_the_daemon(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Gone())
        structlog.get_logger().info("unheard")
    structlog.get_logger().info("heard")

    assert [line["event"] for line in lines()] == ["heard"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(value=values, secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=12))
def test_any_value_becomes_json_without_the_secret(value: Any, secret: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "_concealed", set())
        patch.setattr(logs, "_concealed_pattern", None)
        logs.conceal(secret)
        redacted = logs._redacted(None, "info", {"value": [value, f"<{secret}>"]})
        line = json.loads(logs._json_line(None, "info", redacted))

    assert line["value"][1] == "<***>"


# Forms


def test_auto_is_json_where_nobody_watches_and_readable_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure("info", "auto")
    structlog.get_logger().info("said", number=1)
    assert json.loads(capsys.readouterr().err)["number"] == 1

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    logs.configure("info", "auto")
    structlog.get_logger().info("said", number=1)
    readable = capsys.readouterr().err
    assert "said" in readable
    assert not readable.startswith("{")


def test_a_later_set_up_reaches_the_loggers_that_modules_already_hold(lines: Lines) -> None:
    held = structlog.get_logger()
    held.info("first")
    logs.configure("error", "json")
    held.info("second")
    pickle.dumps(held)  # spawned workers inherit module globals by name only; a proxy must not hold a stream

    assert [line["event"] for line in lines()] == ["first"]
