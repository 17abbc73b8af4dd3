"""The command line: what a sandbox is started with.

Refuses to hold what changes while running: that is `quirks`, `quota` and the control routes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_ATHLETES = 2**17  # what an activity's id has room for
MOST_SWING = 0.3


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
    season_swing: float
    never_hard: float
    corruptions: float
    live_ids_from: int | None
    every: float | None
    callback: str | None
    subscription_id: int
    sign_key: str | None
    client_id: int
    client_secret: str
    callback_domain: str
    connected: int | None
    athlete_limit: int
    scenario: Path | None
    scenario_speed: float
    overall_limits: Limits
    read_limits: Limits
    quarter_seconds: int
    day_seconds: int
    clock_offset: float
    retry_seconds: float
    answer_seconds: float
    intervals_callback: str | None
    intervals_secret: str


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
    add(
        "--season-swing",
        type=float,
        default=0.04,
        metavar="SHARE",
        help="fitness and fatigue move thresholds by this share at most (default: %(default)s)",
    )
    add(
        "--never-hard",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of the athletes that are not casual, so many never go all out (default: %(default)s)",
    )
    add(
        "--corruptions",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="times the stated rates of broken recordings, 0 is none (default: %(default)s)",
    )
    add(
        "--live-ids-from",
        type=int,
        metavar="ID",
        help="first id of new activities (default: follows from the start)",
    )
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
    add(
        "--callback-domain",
        default="localhost",
        metavar="DOMAIN",
        help="where redirect_uri may lead besides localhost and 127.0.0.1, * is anywhere (default: %(default)s)",
    )
    add("--connected", type=int, metavar="N", help="only the first N invented athletes have connected already")
    add("--athlete-limit", type=int, default=0, metavar="N", help="connected athletes at most, 0: no limit")
    add("--scenario", type=Path, metavar="FILE", help="play this file of JSON lines from the start on")
    add("--scenario-speed", type=float, default=1.0, metavar="FACTOR", help="play so many times as fast")
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
    add("--intervals-callback", metavar="URL", help="where the fake Intervals.icu pushes changed days")
    add(
        "--intervals-secret",
        default="sandbox-intervals-secret",
        metavar="SECRET",
        help="what it sends in the body (default: %(default)s)",
    )
    return parser


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; exits with the usage on a mistake."""
    parser = _parser()
    options = Options(**vars(parser.parse_args(arguments)))
    if options.quarter_seconds < 1 or options.day_seconds < options.quarter_seconds:
        parser.error("windows need at least a second, and a day at least a quarter")
    if not 0 <= options.athletes <= MOST_ATHLETES or options.history_days < 0:
        parser.error(f"--athletes goes from 0 to {MOST_ATHLETES}, and --history-days is not negative")
    if (
        not 0 <= options.season_swing <= MOST_SWING
        or not 0 <= options.never_hard <= 1
        or not 0 <= options.corruptions < math.inf
    ):
        parser.error(f"--season-swing goes to {MOST_SWING}, --never-hard to 1, and none of these is negative")
    if options.rides is not None and not options.rides.is_dir():
        parser.error(f"--rides {options.rides} is not a folder")
    if options.scenario is not None and not options.scenario.is_file():
        parser.error(f"--scenario {options.scenario} is not a file")
    if not 0 < options.scenario_speed < math.inf:
        parser.error("--scenario-speed must be more than 0")
    return options
