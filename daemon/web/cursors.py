"""Cursors of lists: where a page ended, in a form that clients give back as it came.

A cursor names the last row by what the list is ordered by, so that rows may come and go between two pages. It is no
secret and not signed: whoever makes one up begins somewhere else.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, Field, ValidationError

from daemon.core.events import LARGEST_ID
from daemon.web.endpoints import adapter
from daemon.web.problems import BAD_QUERY, Refused

Id = Annotated[int, Field(strict=True, ge=0, le=LARGEST_ID)]
# Far from the ends of what PostgreSQL and Python can tell, whatever the zone.
Instant = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 2, tzinfo=UTC), le=datetime(2999, 1, 1, tzinfo=UTC))]
_WRONG: Final = "cursor: leave it out, or give back the `next` of the page before as it came"


def written(*places: int | str | datetime) -> str:
    """Return the cursor behind a row."""
    return base64.urlsafe_b64encode(orjson.dumps(places)).rstrip(b"=").decode()


def read(cursor: str | None, kind: Any) -> Any:
    """Return the places as a tuple of this type, None without a cursor; raises Refused where it is none of ours."""
    if cursor is None:
        return None
    try:
        return adapter(kind).validate_json(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValidationError, ValueError) as error:
        raise Refused(BAD_QUERY, _WRONG) from error
