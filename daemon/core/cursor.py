"""Where a page of a list ends, as a text that clients hand back unread.

The place is a key of the last row (an instant and an id), so that what is inserted or deleted elsewhere moves no
page. Refuses to be trusted: a text that no page has ended with is told to be wrong.
"""

from __future__ import annotations

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_PLACE: Final = struct.Struct("!qq")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
LENGTH: Final = 22  # characters: 16 bytes in base64 without its padding


class BadCursor(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list that is ordered by an instant, then by an id; as fine as the database's microseconds."""

    at: datetime
    id: int

    def text(self) -> str:
        """Return what a client is given."""
        packed = _PLACE.pack((self.at - _EPOCH) // _MICROSECOND, self.id)
        return urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return the place that a client hands back; raises BadCursor."""
        try:
            if len(text) != LENGTH:
                raise BadCursor
            # Some texts decode to the same bytes: only the one that we have written is taken.
            microseconds, number = _PLACE.unpack(urlsafe_b64decode(text.encode("ascii") + b"=="))
            cursor = cls(_EPOCH + microseconds * _MICROSECOND, number)
        except (binascii.Error, UnicodeEncodeError, OverflowError, struct.error) as error:
            raise BadCursor from error
        if cursor.text() != text:
            raise BadCursor
        return cursor
