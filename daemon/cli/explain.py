"""`domestique athletes explain`: when an athlete is looked at, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json
from daemon.clock import SystemClock
from daemon.core.explained import Explanation, explain
from daemon.core.freshness import Policy, Skip, Sync
from daemon.store import receivers, sync_states
from daemon.store.opening import Opened


def explain_athlete(
    athlete_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="As `athletes list` shows it.")],
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say when an athlete is looked at and why: his webhooks' proof, his habits, each occasion's decision."""
    settings = settings_from(config_path)

    async def read(opened: Opened) -> Explanation | None:
        async with opened.database.connection() as connection:
            known = await sync_states.get(connection, athlete_id)
            proof = await receivers.proof(connection, settings.strava.client_id)
        return (
            explain(known, SystemClock().now(), proof, Policy(settings.sync.policy)) if known is not None else None
        )

    explanation = with_database(settings, read)
    if explanation is None:
        complain(f"athlete {athlete_id} is unknown: `domestique athletes list` shows everybody")
        raise typer.Exit(1)
    if as_json:
        print_json(as_report(athlete_id, explanation))
        return
    for line in explanation.lines():
        console.print(line)


def as_report(athlete_id: int, explanation: Explanation) -> dict[str, Any]:
    """Return the explanation for JSON."""
    return {
        "athlete_id": athlete_id,
        "webhooks": "proven" if explanation.doubt is None else explanation.doubt.reason,
        "unseen_since": explanation.doubt and explanation.doubt.since,
        "expected_activities": explanation.unseen.activities,
        "waiting_hours": explanation.unseen.waiting_hours,
        "uploads_a_week": explanation.weekly,
        "likely_hours": explanation.likely,
        "occasions": {
            occasion.value: {
                "sync": isinstance(decision, Sync),
                "why": decision.why,
                "reason": decision.reason,
                "until": decision.until if isinstance(decision, Skip) else None,
            }
            for occasion, decision in explanation.decisions
        },
        "says": explanation.lines(),
    }
