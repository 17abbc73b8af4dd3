"""All that can be done to this world from outside, once for the control routes and for scenarios alike.

Refuses HTTP and the clock of a scenario: a deed is fields that are read, and an act that follows.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.deeds import activities, athletes, disorder, settings, wellness
from sandbox.stage import Deed

DEEDS: Mapping[str, Deed] = {
    "make": Deed(activities.MAKE_FIELDS, activities.make, makes="activity"),
    "edit": Deed(activities.EDIT_FIELDS, activities.edit),
    "hide": Deed(activities.REMOVE_FIELDS, activities.hide),
    "delete": Deed(activities.REMOVE_FIELDS, activities.delete),
    "authorize": Deed(("athlete_id", "scope"), athletes.authorize),
    "revoke": Deed(("athlete_id", "event"), athletes.revoke),
    "tokens": Deed(("athlete_id", "expires_in", "dead", "rotate"), athletes.tokens),
    "event": Deed(("body", "text", "repeat", "delay"), disorder.event),
    "fault": Deed(disorder.FAULT_FIELDS, disorder.fault, makes="fault"),
    "clear_faults": Deed(("fault_id",), disorder.clear_faults),
    "foreign_use": Deed(("requests",), disorder.foreign_use),
    "settings": Deed(settings.FIELDS, settings.change),
    "wellness": Deed(("athlete_id", "on", "values", "event"), wellness.change),
    "intervals_key": Deed(("athlete_id", "dead", "renew"), wellness.key),
    "intervals_event": Deed(("body", "text"), wellness.event),
}
