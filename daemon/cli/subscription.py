"""`domestique subscription`: the app's one push subscription at Strava, beside a running daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import console, print_json, shown
from daemon.clock import SystemClock
from daemon.config import Settings
from daemon.core.errors import Permanent
from daemon.core.freshness import Proof
from daemon.core.subscription import Finding, State
from daemon.loops.subscription import Keeper
from daemon.store import receivers
from daemon.store.opening import Opened
from daemon.strava.client import open_session
from daemon.strava.wire import SubscriptionExists

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True, help="The push subscription, through which Strava tells of news.")


@commands.command("show")
def show(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Ask Strava for the subscription, and say whether it leads here. Exit status 1 where it does not."""
    settings = settings_from(config_path)

    async def look(keeper: Keeper, opened: Opened) -> tuple[Finding, Proof]:
        finding = await keeper.look()
        async with opened.database.connection() as connection:
            return finding, await receivers.proof(connection, settings.strava.client_id)

    finding, proof = _with_keeper(settings, look)
    report = _report(finding) | {"receiving_since": proof.up_since, "newest_event_at": proof.event_at}
    if as_json:
        print_json(report)
    else:
        _print(finding)
        console.print(f"events could come in without a gap since {shown(proof.up_since)}", soft_wrap=True)
        console.print(f"the newest event came at {shown(proof.event_at)}", soft_wrap=True)
    raise typer.Exit(0 if finding.state is State.VERIFIED else 1)


@commands.command("create")
def create(config_path: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Subscribe. Strava calls strava.callback_url at once, so the daemon must run and be reachable there."""

    async def made(keeper: Keeper, _: Opened) -> Finding:
        try:
            return await keeper.create()
        except SubscriptionExists as error:
            finding = await keeper.look()
            raise Permanent(
                f"an app has one subscription, and this one has number {finding.subscription_id}: {finding.detail}."
                " `domestique subscription ensure` keeps one that leads here, and with --replace ends another"
            ) from error

    _finish(_with_keeper(settings_from(config_path), made), as_json)


@commands.command("ensure")
def ensure(
    replace: Annotated[bool, typer.Option("--replace", help="End one that leads elsewhere.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Make a subscription unless there is one that leads here. Exit status 1 where there is none in the end."""
    settings = settings_from(config_path)
    finding = _with_keeper(settings, lambda keeper, _: keeper.ensure(replace=replace))
    _finish(finding, as_json)


@commands.command("delete")
def delete(
    elsewhere: Annotated[bool, typer.Option("--elsewhere", help="Even where it leads elsewhere.")] = False,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """End the subscription: Strava sends nothing more until there is another."""
    settings = settings_from(config_path)
    subscription_id = _with_keeper(settings, lambda keeper, _: keeper.delete(elsewhere=elsewhere))
    if as_json:
        print_json({"deleted": subscription_id})
        return
    console.print(f"subscription {subscription_id} is deleted")
    if settings.strava.keep_subscription:
        console.print(
            "strava.keep_subscription is true: a running daemon makes a new one within the hour", soft_wrap=True
        )


def _with_keeper(settings: Settings, work: Callable[[Keeper, Opened], Awaitable[T]]) -> T:
    async def do(opened: Opened) -> T:
        async with open_session(settings.strava.timeout_seconds) as session:
            return await work(Keeper(opened.database, session, settings.strava, SystemClock()), opened)

    return with_database(settings, do)


def _finish(finding: Finding, as_json: bool) -> None:
    if as_json:
        print_json(_report(finding))
    else:
        _print(finding)
    raise typer.Exit(0 if finding.state is State.VERIFIED else 1)


def _report(finding: Finding) -> dict[str, Any]:
    return {
        "state": finding.state.value,
        "subscription_id": finding.subscription_id,
        "detail": finding.detail,
    }


def _print(finding: Finding) -> None:
    number = f"subscription {finding.subscription_id}: " if finding.subscription_id is not None else ""
    console.print(f"{number}{finding.state.value}: {shown(finding.detail)}", soft_wrap=True)
