"""`domestique tokens`: who may use the admin API."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table
from daemon.clock import SystemClock
from daemon.core import bearer
from daemon.core.bearer import Scope, Token
from daemon.store import admin_tokens
from daemon.store.opening import Opened

commands = typer.Typer(no_args_is_help=True, help="The tokens of the admin API.")


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it; for the list and the log.")],
    scope: Annotated[Scope, typer.Option(help="operate may read, too.")] = Scope.READ,
    expires_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Default: never.")] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it. It is shown this once: only its SHA-256 is stored."""
    settings = settings_from(config_path)
    if not bearer.is_name(name):
        complain("a name begins with a letter and has at most 64 of the characters A–Z a–z 0–9 . _ -")
        raise typer.Exit(2)
    now = SystemClock().now()
    expires_at = now + timedelta(days=expires_days) if expires_days is not None else None
    token = bearer.written(secrets.token_bytes(bearer.RANDOM_BYTES))

    async def store(opened: Opened) -> Token | None:
        async with opened.database.connection() as connection:
            return await admin_tokens.insert(
                connection, name, bearer.digest(token), bearer.granted(scope), now, expires_at
            )

    stored = with_database(settings, store)
    if stored is None:
        complain(
            f"there is a token named {name} already: take another name, or `domestique tokens revoke {name}` first"
        )
        raise typer.Exit(1)
    if as_json:
        print_json(_row(stored, now) | {"token": token})
        return
    print(token)  # noqa: T201  (alone on standard output, for a pipe into a file or a password store)
    complain("This is the only time it is shown. Send it as the header  Authorization: Bearer …")


@commands.command("list")
def list_tokens(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List every token there was: scopes, state, last use. The tokens themselves are not stored."""

    async def read(opened: Opened) -> list[Token]:
        async with opened.database.connection() as connection:
            return await admin_tokens.list_all(connection)

    tokens, now = with_database(settings_from(config_path), read), SystemClock().now()
    rows = [_row(token, now) for token in tokens]
    if as_json:
        print_json(rows)
        return
    headings = {
        "token_id": "token",
        "name": "name",
        "scopes": "may",
        "state": "state",
        "created_at": "made",
        "expires_at": "expires",
        "last_used_at": "last used",
        "revoked_at": "revoked",
    }
    print_table(rows, headings, "no tokens yet: `domestique tokens create NAME` makes one")


@commands.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Its name, or its number as `tokens list` shows it.")],
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take a token out of force; running daemons notice within seconds."""
    settings, now = settings_from(config_path), SystemClock().now()

    async def end(opened: Opened) -> Token | None:
        async with opened.database.connection() as connection:
            return await admin_tokens.revoke(connection, name, now)

    revoked = with_database(settings, end)
    if revoked is None:
        complain(f"no token in force is called {name}: `domestique tokens list` shows those that are")
        raise typer.Exit(1)
    if as_json:
        print_json(_row(revoked, now))
    else:
        console.print(f"token {revoked.token_id}, {revoked.name}, is revoked")


def _row(token: Token, now: datetime) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "state": token.state(now).value,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }
