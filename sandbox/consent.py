"""The page on which an athlete consents: plain HTML that needs neither scripts nor anything from elsewhere.

Refuses to decide: it shows what is asked and posts what was ticked back to its own address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

from sandbox.world import Athlete

REQUIRED_SCOPE = "read"
MEANINGS = {
    "read": "View data about your public profile",
    "read_all": "View your private routes, segments and events",
    "profile:read_all": "View your complete profile, whatever its visibility",
    "profile:write": "Change your weight and threshold power, star segments",
    "activity:read": "View your activities that others may see",
    "activity:read_all": "View your private activities and privacy zones too",
    "activity:write": "Create and edit activities for you",
}
MOST_LISTED = 200
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#222}"
    "fieldset{border:1px solid #bbb;border-radius:.4rem;margin:1rem 0}label{display:block;margin:.3rem 0}"
    "button{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}code{color:#666}.note{color:#a00}"
)


def _option(athlete: Athlete, chosen_id: int | None) -> str:
    name = escape(f"{athlete.firstname} {athlete.lastname}".strip() or "nameless")
    chosen = " selected" if athlete.id == chosen_id else ""
    return f'<option value="{athlete.id}"{chosen}>{name} · {athlete.id}</option>'


def _box(scope: str) -> str:
    fixed = " disabled" if scope == REQUIRED_SCOPE else ""
    meaning = f"{escape(MEANINGS.get(scope, scope))} <code>{escape(scope)}</code>{' (required)' if fixed else ''}"
    return f'<label><input type="checkbox" name="granted" value="{escape(scope)}" checked{fixed}> {meaning}</label>'


def consent_page(
    *, client_id: int, returns_to: str, scopes: Sequence[str], athletes: Iterable[Athlete], chosen_id: int | None,
    note: str = "",
) -> str:  # fmt: skip
    """Return the page; `note` says what was wrong with the answer before."""
    listed = "".join(_option(athlete, chosen_id) for athlete in islice(athletes, MOST_LISTED))
    parts = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>Authorize app · sandbox</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>App {client_id} asks for access</h1>",
        f'<p class="note">{escape(note)}</p>' if note else "",
        f"<p>This is a sandbox, not Strava. Afterwards you return to <code>{escape(returns_to)}</code>.</p>",
        '<form method="post"><fieldset><legend>Sign in as</legend>',
        f'<label>Athlete <select name="athlete_id">{listed}</select></label>',
        '<label>or the id of another <input name="other_athlete_id" inputmode="numeric" size="20"></label>',
        "</fieldset><fieldset><legend>The app will be able to</legend>",
        "".join(_box(scope) for scope in scopes),
        '</fieldset><button name="decision" value="authorize">Authorize</button>',
        '<button name="decision" value="cancel">Cancel</button></form></body></html>\n',
    )
    return "".join(parts)
