"""`domestique activities`: what is stored, and why a load is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from daemon.cli.house import DEFAULT_CONFIG, ConfigOption, JsonOption, settings_from, with_database
from daemon.cli.output import complain, console, print_json, print_table, shown
from daemon.store import activities
from daemon.store.opening import Opened

commands = typer.Typer(no_args_is_help=True, help="The activities.")


@commands.command("list")
def list_activities(
    athlete: Annotated[int | None, typer.Option(help="Only this athlete's.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 20,
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the newest activities with method and load."""

    async def read(opened: Opened) -> list[dict[str, Any]]:
        async with opened.database.connection() as connection:
            return await activities.list_newest(connection, athlete, most)

    rows = with_database(settings_from(config_path), read)
    if as_json:
        print_json(rows)
        return
    headings = {
        "activity_id": "activity",
        "athlete_id": "athlete",
        "local_start_at": "start (local)",
        "sport_type": "sport",
        "name": "name",
        "method": "method",
        "utl": "load",
    }
    print_table(rows, headings, "no activities yet: they come with the next event")


@commands.command("show")
def show_activity(
    activity_id: Annotated[int, typer.Argument(help="Strava's id.")],
    config_path: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known of an activity, and explain its load."""

    async def read(opened: Opened) -> dict[str, Any] | None:
        async with opened.database.connection() as connection:
            activity = await activities.get(connection, activity_id)
            if activity is None:
                return await activities.tombstone(connection, activity_id)
            statistics = await activities.statistics(connection, activity_id)
            return {
                **activity,
                "load": await activities.load(connection, activity_id),
                "statistics": statistics.columns() if statistics is not None else None,
            }

    found = with_database(settings_from(config_path), read)
    if found is None:
        complain(f"activity {activity_id} was never seen")
        raise typer.Exit(1)
    if as_json:
        print_json(found)
    elif "buried_at" in found:
        console.print(f"activity {activity_id} is gone since {shown(found['buried_at'])}: {shown(found['reason'])}")
    else:
        _explain(found)


def _explain(activity: Mapping[str, Any]) -> None:
    details = {key: value for key, value in activity.items() if key not in {"load", "statistics"}}
    print_table([{"key": key, "value": value} for key, value in details.items()], {"key": "", "value": ""}, "")
    load = activity["load"]
    console.print()
    if load is None:
        console.print("no load yet")
        return
    console.print(Text(f"load {shown(load['utl'])}", "bold"), f"by {load['method']}: {load['explanation']}")
    if load["raw"] is not None:
        words = (
            f"{load['raw']:.1f} as measured × {load['modifier']:.3f} for wellness. {load['modifier_explanation']}"
        )
        console.print(words.rstrip())
    rows = [{"what": "input", "name": name, "value": value} for name, value in load["inputs"].items()]
    for name, row in load["thresholds"].items():
        rows.append({"what": "threshold", "name": name, "value": f"{shown(row['value'])} ({row['method']})"})
    rows += [
        {"what": "wellness", "name": part["signal"], "value": _wellness(part)} for part in load["modifier_parts"]
    ]
    rows += [{"what": "refused", "name": name, "value": why} for name, why in load["refused"].items()]
    rows += [{"what": "quality", "name": name, "value": value} for name, value in _quality(activity["statistics"])]
    rows.append(
        {"what": "version", "name": "computed", "value": f"{load['version']}, {shown(load['computed_at'])}"}
    )
    print_table(rows, {"what": "", "name": "", "value": ""}, "")


def _wellness(part: Mapping[str, Any]) -> str:
    readings = f"{part['recent_readings']} readings this week, {part['baseline_readings']} in the two months before"
    if part["z"] is None:
        return f"adds nothing: {readings}"
    return (
        f"{100 * part['adds']:+.1f} % (at most {100 * part['weight']:.0f} %): {part['recent_mean']:.2f} against "
        f"{part['baseline_mean']:.2f} ± {part['baseline_sd']:.2f}, z = {part['z']:+.2f}; {readings}"
    )


def _quality(statistics: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    return list(statistics["quality"].items()) if statistics is not None else []
