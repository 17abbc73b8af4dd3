"""`X-Strava-Signature`, where it comes: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">.

Whether Strava sends it, and under which key, is contested, so by default we only observe whether it verifies
under the app's client secret.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

LONGEST_HEADER: Final = 512


def verify(header: str | None, body: bytes, key: bytes) -> str:
    """Return `valid`, `invalid` or `absent`.

    Its age is not judged: a repeated delivery is recognised by its content, and a late one is still a hint.
    """
    if not header:
        return "absent"
    if len(header) > LONGEST_HEADER:
        return "invalid"
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    signed_at, claimed = parts.get("t", ""), parts.get("v1", "")
    # Bytes that are not UTF-8 come as lone surrogates in a header.
    signed = signed_at.encode(errors="backslashreplace") + b"." + body
    expected = hmac.new(key, signed, hashlib.sha256).hexdigest()
    is_valid = hmac.compare_digest(expected.encode(), claimed.encode(errors="backslashreplace"))
    return "valid" if is_valid else "invalid"
