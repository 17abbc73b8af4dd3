"""A browser without a window: it keeps cookies, and does at the sandbox's consent page what an athlete would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import aiohttp

from daemon.core.consent import ASKED


@dataclass(frozen=True)
class Seen:
    """What a browser was shown, and where it was sent."""

    status: int
    text: str
    location: str
    headers: Mapping[str, str]


class Visitor:
    """One browser at one address; it follows no redirect by itself."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def get(self, path: str, **headers: str) -> Seen:
        return await self._ask("GET", path if "://" in path else self.address + path, None, headers)

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> Seen:
        return await self._ask("POST", path if "://" in path else self.address + path, dict(form), headers)

    async def _ask(self, method: str, url: str, data: object, headers: Mapping[str, str]) -> Seen:
        async with self.session.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
            text = await answer.text(errors="replace")
            return Seen(answer.status, text, answer.headers.get("Location", ""), dict(answer.headers))

    async def begin(self) -> str:
        """Click on "Connect with Strava"; returns where that leads."""
        seen = await self.get("/connect")
        assert seen.status == 302, seen.text
        return seen.location

    async def consent(self, asked_at: str, athlete_id: int, granted: Iterable[str] = ASKED) -> str:
        """Tick boxes and say yes; returns where Strava leads back to."""
        form = aiohttp.FormData({"decision": "authorize", "other_athlete_id": str(athlete_id)})
        for scope in granted:
            form.add_field("granted", scope)
        async with self.session.post(asked_at, data=form, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return answer.headers["Location"]

    async def connect(self, athlete_id: int, granted: Iterable[str] = ASKED) -> Seen:
        """Go the whole way."""
        return await self.get(await self.consent(await self.begin(), athlete_id, granted))


def query_of(url: str) -> dict[str, str]:
    """Return the query of an address, one value each."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}
