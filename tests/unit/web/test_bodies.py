"""Bodies that break off or are damaged, over real sockets: a sender's fault is no fault of ours."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.loops.inbox import Budget, Inbox
from daemon.loops.intervals_hints import IntervalsHints
from daemon.metrics import Metrics
from daemon.store.database import Database
from daemon.store.web_sessions import Owner
from daemon.web.admin import Guard
from daemon.web.answers import Handler
from daemon.web.bodies import content_of, form_of
from daemon.web.doors import refusing
from daemon.web.intervals import IntervalsWebhook
from daemon.web.leaving import LeavingPages
from daemon.web.operator.sign_in import SignIn
from daemon.web.server import application, serving
from daemon.web.sessions import FORM, Session, Sessions, check_forgery
from daemon.web.webhook import Secrets, Webhook
from tests.support.clocks import SetClock

JSON: Final = "application/json"
SECRET: Final = "secret-of-webhooks-in-tests"
DAMAGED: Final = {
    "no gzip at all": ("gzip", b"0123456789"),
    "no deflate at all": ("deflate", b"0123456789"),
    "a wrong checksum": ("gzip", gzip.compress(b"0123456789")[:-8] + bytes(8)),
}


class Reader(NamedTuple):
    """Who reads a body here: at which address, as what it is sent, and what a sender is told."""

    path: str
    content_type: str
    expected: str


READERS: Final = {
    "the API": Reader("/content", JSON, "bad-body"),
    "a page's form": Reader("/form", FORM, "bad-body"),
    "the proof in a form": Reader("/proof", FORM, "bad-body"),
    "an athlete's word": Reader("/word", JSON, "bad-body"),
    "the sign-in page": Reader("/operator/sign-in", FORM, "please send it again"),
    "Strava's webhook": Reader(f"/webhook/{SECRET}", JSON, "bad-body"),
    "Intervals.icu's webhook": Reader(f"/webhook/intervals/{SECRET}", JSON, "bad-body"),
}
COUNTED: Final = {
    READERS["Strava's webhook"]: {"source": "strava", "outcome": "broken_off"},
    READERS["Intervals.icu's webhook"]: {"source": "intervals", "outcome": "malformed"},
}


class Doorway:
    """Every reader behind one server; `begun` and `ended` tell what became of the last request."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.metrics = Metrics(())

    def routes(self) -> Iterable[web.RouteDef]:
        database, clock = Database({}, 1), SetClock()
        sessions = Sessions(database, clock)
        sign_in = SignIn(database, Guard(database, clock, sessions), sessions)
        secret = SecretStr(SECRET)
        strava = Webhook(Inbox(database, lambda: None), Secrets((secret,), secret, None), clock, self.metrics)
        hints = IntervalsHints(database, Budget(60, 3000), clock, lambda: None)
        rooms: Any = None  # the word is read before any of them
        handlers = {
            READERS["the API"]: refusing(_content),
            READERS["a page's form"]: refusing(_form),
            READERS["the proof in a form"]: refusing(_proof),
            READERS["an athlete's word"]: refusing(LeavingPages(rooms, sessions, lambda: None).disconnect),
            READERS["the sign-in page"]: sign_in.sign_in,
            Reader("/webhook/{secret}", JSON, ""): strava.receive,
            Reader("/webhook/intervals/{secret}", JSON, ""): IntervalsWebhook(hints, secret, self.metrics).receive,
        }
        return [web.post(reader.path, self._watched(handler)) for reader, handler in handlers.items()]

    def _watched(self, handler: Handler) -> Handler:
        async def watched(request: web.Request) -> web.StreamResponse:
            self.begun.set()
            try:
                return await handler(request)
            finally:
                self.ended.set()

        return watched

    def counted(self, reader: Reader) -> float:
        return self.metrics.registry.get_sample_value("domestique_webhook_deliveries_total", COUNTED[reader]) or 0.0


async def _content(request: web.Request) -> web.Response:
    return web.json_response(await content_of(request))


async def _form(request: web.Request) -> web.Response:
    return web.json_response(dict(await form_of(request)))


async def _proof(request: web.Request) -> web.Response:
    await check_forgery(request, Session(Owner(1, None), "proof"))
    return web.json_response({})


async def sent(address: str, head: Iterable[str], body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*head, "Host: here.example", "", ""]).encode() + body)
    return reader, writer


async def answered(address: str, head: Iterable[str], body: bytes) -> tuple[int, bytes]:
    """Return the status and the body of the answer, after which the server hangs up."""
    reader, writer = await sent(address, head, body)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), rest


def errors(lines: Iterable[Any], records: Iterable[logging.LogRecord]) -> list[str]:
    """Return what was logged as a fault of ours, or with a traceback."""
    ours = [line["event"] for line in lines if line["log_level"] == "error" or line.get("exc_info")]
    return ours + [record.getMessage() for record in records if record.exc_info or record.levelno >= logging.ERROR]


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("who", READERS)
async def test_a_body_that_does_not_decode_is_a_bad_body_and_leaves_no_traceback(
    who: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, (encoding, body) = READERS[who], DAMAGED[damage]
    doorway = Doorway()
    head = [
        f"POST {reader.path} HTTP/1.1", f"Content-Type: {reader.content_type}", f"Content-Encoding: {encoding}",
        f"Content-Length: {len(body)}",
    ]  # fmt: skip
    with capture_logs() as lines:
        async with serving(application(doorway.routes()), "127.0.0.1", 0) as address:
            status, text = await answered(address, head, body)
    assert (status, reader.expected in text.decode()) == (400, True)
    assert errors(lines, caplog.records) == []
    if reader in COUNTED:
        assert doorway.counted(reader) == 1.0


async def test_a_damaged_body_that_nobody_reads_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    head = ["POST /nowhere HTTP/1.1", "Content-Encoding: gzip", "Content-Length: 10"]
    with capture_logs() as lines:
        async with serving(application(Doorway().routes()), "127.0.0.1", 0) as address:
            status, _ = await answered(address, head, b"0123456789")
    assert (status, errors(lines, caplog.records)) == (404, [])


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("who", READERS)
async def test_who_hangs_up_in_the_middle_of_a_body_leaves_no_traceback(
    who: str, framing: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, doorway = READERS[who], Doorway()
    head = [f"POST {reader.path} HTTP/1.1", f"Content-Type: {reader.content_type}", framing]
    with capture_logs() as lines:
        async with serving(application(doorway.routes()), "127.0.0.1", 0) as address, asyncio.timeout(60):
            _, writer = await sent(address, head, b"4\r\na=12\r\n")
            await doorway.begun.wait()
            writer.close()
            await doorway.ended.wait()
    assert errors(lines, caplog.records) == []
    if reader in COUNTED:
        assert doorway.counted(reader) == 1.0


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [("/content", 200, {"a": 1}), ("/word", 400, None), ("/form", 200, {})],
)
async def test_a_whole_body_is_read_compressed_or_not(path: str, status: int, answer: Any) -> None:
    body = gzip.compress(b'{"a": 1}')
    head = [f"POST {path} HTTP/1.1", f"Content-Type: {JSON}", "Content-Encoding: gzip", "Connection: close"]
    async with serving(application(Doorway().routes()), "127.0.0.1", 0) as address:
        got, text = await answered(address, [*head, f"Content-Length: {len(body)}"], body)
    assert got == status
    assert answer is None or orjson.loads(text) == answer


@pytest.mark.parametrize("charset", ["no-such-charset", "utf-8"])
async def test_a_form_that_is_no_text_has_no_fields(charset: str) -> None:
    head = [f"Content-Type: {FORM}; charset={charset}", "Content-Length: 3", "Connection: close"]
    async with serving(application(Doorway().routes()), "127.0.0.1", 0) as address:
        assert await answered(address, ["POST /form HTTP/1.1", *head], b"\xff=1") == (200, b"{}")
        status, _ = await answered(address, ["POST /proof HTTP/1.1", *head], b"\xff=1")
    assert status == 403


@pytest.mark.parametrize(
    "head",
    [
        ["POST /content HTTP/1.1", "Transfer-Encoding: chunked"],  # and then no chunk
        ["POST /content HTTP/1.1", "Content-Encoding: br", "Content-Length: 3"],  # which we do not take
        ["POST /content?canary HTTP/9.9"],
    ],
)
async def test_what_is_no_http_is_told_in_one_line_without_what_was_sent(
    head: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as lines:
        async with serving(application(Doorway().routes()), "127.0.0.1", 0) as address:
            status, _ = await answered(address, head, b"zz\r\ncanary")
    assert status == 400
    assert errors(lines, caplog.records) == []
    (line,) = [line for line in lines if line["event"] == "request.malformed"]
    assert "canary" not in repr(line)
