"""The command line: what a sandbox is started with.

Refuses to hold what changes while running: that is `quirks`, `quota` and the control routes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one meter allows per quarter of an hour and per day."""

    quarter: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The parsed command line; its help texts say the meanings and units."""

    host: str
    port: int
    rides: Path | None
    athletes: int
    seed: int
    history_days: int
    every: float | None
    callback: str | None
    subscription_id: int
    sign_key: str | None
    client_id: int
    client_secret: str
    overall_limits: Limits
    read_limits: Limits
    quarter_seconds: int
    day_seconds: int
    clock_offset: float
    retry_seconds: float
    answer_seconds: float


def _limits(text: str) -> Limits:
    quarter, _, day = text.partition(",")
    try:
        return Limits(int(quarter), int(day))
    except ValueError:
        raise argparse.ArgumentTypeError("expected QUARTER,DAY such as 600,30000") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Strava on your own machine.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8300, help="port to listen on, 0 picks a free one (default: %(default)s)")
    add("--rides", type=Path, help="folder of FIT files and Strava JSON activities to serve")
    add("--athletes", type=int, default=5, help="how many athletes to invent (default: %(default)s)")
    add("--seed", type=int, default=1, help="the same seed gives the same world (default: %(default)s)")
    add("--history-days", type=int, default=28, help="days of past activities per athlete (default: %(default)s)")
    add("--every", type=float, metavar="SECONDS", help="something happens to a random athlete this often")
    add("--callback", metavar="URL", help="an event subscription that exists from the start, no handshake")
    add(
        "--subscription-id",
        type=int,
        default=131300,
        help="the id of the first subscription (default: %(default)s)",
    )
    add("--sign-key", metavar="KEY", help="sign events in X-Strava-Signature with this key")
    add("--client-id", type=int, default=12345, help="the app's id (default: %(default)s)")
    add("--client-secret", default="sandbox-secret", help="the app's secret (default: %(default)s)")
    for meter in ("overall", "read"):
        add(
            f"--{meter}-limits",
            type=_limits,
            default=Limits(600, 30_000),
            metavar="QUARTER,DAY",
            help=f"what the {meter} meter allows (default: 600,30000)",
        )
    add("--quarter-seconds", type=int, default=900, help="length of the short window (default: %(default)s)")
    add("--day-seconds", type=int, default=86_400, help="length of the long window (default: %(default)s)")
    add("--clock-offset", type=float, default=0.0, help="seconds by which its clock is ahead of this machine's")
    add("--retry-seconds", type=float, default=60.0, help="between attempts of an event (default: %(default)s)")
    add("--answer-seconds", type=float, default=2.0, help="an event waits so long for a 200 (default: %(default)s)")
    return parser


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; exits with the usage on a mistake."""
    parser = _parser()
    options = Options(**vars(parser.parse_args(arguments)))
    if options.quarter_seconds < 1 or options.day_seconds < options.quarter_seconds:
        parser.error("windows need at least a second, and a day at least a quarter")
    if options.rides is not None and not options.rides.is_dir():
        parser.error(f"--rides {options.rides} is not a folder")
    return options
