"""`domestique notifications`: where webhooks are sent."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core.deliveries import GRACE_HOURS, MOST_GRACE_HOURS, Answer
from daemon.core.news import Topic
from daemon.courier.client import Courier
from daemon.jobs import notifications
from daemon.jobs.notifications import Change, Unacceptable, UnknownEndpoint, Wish
from daemon.store import webhook_endpoints
from daemon.store.opening import Opened
from daemon.store.webhook_endpoints import Endpoint
from daemon.vault.cipher import Cipher

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True, help="Where webhooks are sent (docs/notifications.md).")

IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `notifications list` shows it.")]
ONCE = "This is the only time the secret is shown: the receiver checks signatures with it."


@commands.command("list")
def list_notifications(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List every endpoint and how it does. Addresses are shown without their path."""

    async def read(opened: Opened) -> list[Endpoint]:
        async with opened.database.connection() as connection:
            return await webhook_endpoints.list_all(connection)

    rows = [_row(endpoint) for endpoint in with_database(settings_from(config_path), read)]
    if as_json:
        print_json(rows)
        return
    headings = {
        "id": "notification",
        "origin": "to",
        "description": "what",
        "topics": "topics",
        "state": "state",
        "state_reason": "why",
        "succeeded_at": "last success",
        "failed_at": "last failure",
        "failure": "it was",
    }
    table = [row | {"topics": row["topics"] or "all"} for row in rows]
    print_table(table, headings, "no webhooks are sent: `domestique notifications add FILE` begins")


@commands.command("add")
def add(
    url_file: Annotated[str, typer.Argument(metavar="FILE", help="Holds the address, on one line; - reads it.")],
    description: Annotated[str, typer.Option(help="What it is, for the list.")] = "",
    topic: Annotated[list[Topic] | None, typer.Option(help="May be repeated; default: every topic.")] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Send webhooks to one more address, read from a file since it may be secret, and print the signing secret."""
    settings = settings_from(config_path)
    wish = Wish(_address(url_file), description, topic or None)

    async def store(opened: Opened) -> tuple[Endpoint, str]:
        async with opened.database.transaction() as connection:
            return await notifications.add(
                connection, _cipher(settings), wish, allow_private=settings.notifications.allow_private
            )

    endpoint, secret = _done(settings, store)
    _print_secret(endpoint, secret, as_json=as_json)


@commands.command("enable")
def enable(endpoint_id: IdArgument, config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send to a disabled endpoint again what is news from now on; its topics stay."""
    _switch(config_path, endpoint_id, is_active=True)
    console.print(f"notification {endpoint_id} is active")


@commands.command("disable")
def disable(endpoint_id: IdArgument, config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send no more to an endpoint until it is enabled; what waits for it is dropped."""
    _switch(config_path, endpoint_id, is_active=False)
    console.print(
        f"notification {endpoint_id} is disabled: `domestique notifications enable {endpoint_id}` undoes it"
    )


@commands.command("remove")
def remove(endpoint_id: IdArgument, config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send no more to an endpoint and forget it; what waits for it is dropped."""

    async def forget(opened: Opened) -> None:
        async with opened.database.transaction() as connection:
            await notifications.remove(connection, endpoint_id)

    _done(settings_from(config_path), forget)
    console.print(f"notification {endpoint_id} is removed")


@commands.command("test")
def test(endpoint_id: IdArgument, config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Send a signed ping now, once, and tell what came of it; exit status 1 where it did not arrive."""
    settings = settings_from(config_path)

    async def ping(opened: Opened) -> Answer:
        async with opened.database.connection() as connection:
            endpoint = await notifications.find(connection, endpoint_id)
        async with Courier(allow_private=settings.notifications.allow_private) as courier:
            return await notifications.ping(courier, _cipher(settings), endpoint, SystemClock().now())

    answer = _done(settings, ping)
    if as_json:
        print_json({"arrived": answer.is_accepted, "status": answer.status, "says": answer.sentence})
    elif answer.is_accepted:
        console.print(f"the ping has arrived: {shown(answer.sentence)}")
    else:
        complain(f"the ping has not arrived: {shown(answer.sentence)}")
    if not answer.is_accepted:
        raise typer.Exit(1)


@commands.command("rotate")
def rotate(
    endpoint_id: IdArgument,
    grace_hours: Annotated[
        int, typer.Option(min=0, max=MOST_GRACE_HOURS, help="How long the old one signs too.")
    ] = GRACE_HOURS,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a new secret and print it; until the old one ends, every message carries both signatures."""
    settings, now = settings_from(config_path), SystemClock().now()

    async def renew(opened: Opened) -> tuple[Endpoint, str]:
        async with opened.database.transaction() as connection:
            grace = timedelta(hours=grace_hours)
            return await notifications.rotate(connection, _cipher(settings), endpoint_id, grace, now)

    endpoint, secret = _done(settings, renew)
    _print_secret(endpoint, secret, as_json=as_json)


def _switch(config_path: Path, endpoint_id: int, *, is_active: bool) -> None:
    settings = settings_from(config_path)

    async def switch(opened: Opened) -> None:
        async with opened.database.transaction() as connection:
            await notifications.change(
                connection,
                _cipher(settings),
                endpoint_id,
                Change(is_active=is_active),
                allow_private=settings.notifications.allow_private,
            )

    _done(settings, switch)


def _done(settings: Settings, work: Callable[[Opened], Awaitable[T]]) -> T:
    try:
        return with_database(settings, work)
    except UnknownEndpoint as error:
        complain(str(error))
        raise typer.Exit(1) from error
    except Unacceptable as error:
        complain(f"nothing was stored: {error}")
        raise typer.Exit(2) from error


def _cipher(settings: Settings) -> Cipher:
    return Cipher(settings.vault.keys)


def _address(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        complain(f"{file}: cannot be read: {reason}. Put the address into a file, or pipe it and give -")
        raise typer.Exit(2) from error
    return text.strip()


def _print_secret(endpoint: Endpoint, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"notification": _row(endpoint), "secret": secret})
        return
    print(secret)  # noqa: T201  (alone on standard output, for a pipe into a file or a password store)
    complain(f"notification {endpoint.endpoint_id}, to {endpoint.origin}. {ONCE}")


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "origin": endpoint.origin,
        "description": endpoint.description,
        "topics": list(endpoint.topics) if endpoint.topics is not None else None,
        "state": endpoint.state,
        "state_reason": endpoint.state_reason,
        "state_since": endpoint.state_since,
        "created_at": endpoint.created_at,
        "old_secret_until": endpoint.old_secret_until,
        "succeeded_at": endpoint.succeeded_at,
        "failed_at": endpoint.failed_at,
        "failure": endpoint.failure,
        "failing_since": endpoint.failing_since,
    }
