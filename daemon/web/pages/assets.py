"""Style sheets and scripts, served from memory under addresses that change with their contents.

Charts are drawn by Chart.js, which the package `chartkick` ships: nothing is fetched from elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

from daemon.core.errors import Permanent

TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
CHARTS: Final = "chart.js"
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `version` tells its contents from any others.

    Our own files share one version: scripts import each other by name, so each finds the others of its own day.
    """

    body: bytes
    content_type: str
    version: str


class Assets:
    """Every file of `static/`, and Chart.js."""

    def __init__(self) -> None:
        own = sorted(_own_files())
        version = _version(b"\0".join(body for _, body in own))
        charts = _chart_js()
        self._assets = {name: Asset(body, TYPES[Path(name).suffix], version) for name, body in own}
        self._assets[CHARTS] = Asset(charts, TYPES[Path(CHARTS).suffix], _version(charts))

    def routes(self) -> list[web.RouteDef]:
        """Return what the server shall route here."""
        return [web.get("/static/{version}/{name}", self.serve)]

    def address(self, name: str) -> str:
        """Return where a page finds a file; a KeyError is a slip in a template."""
        return f"/static/{self._assets[name].version}/{name}"

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file; one of another version is the newest all the same, and not kept."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        is_this = request.match_info["version"] == asset.version
        return web.Response(
            body=asset.body,
            content_type=asset.content_type,
            charset="utf-8",
            headers={"Cache-Control": FOR_EVER if is_this else "no-cache"},
        )


def _own_files() -> list[tuple[str, bytes]]:
    folder = files("daemon.web.pages") / "static"
    return [(each.name, each.read_bytes()) for each in folder.iterdir() if Path(each.name).suffix in TYPES]


def _chart_js() -> bytes:
    found = find_spec("chartkick")  # not imported: its Python side is for other frameworks
    if found is None or not found.submodule_search_locations:
        raise Permanent("the package chartkick is missing, which brings Chart.js: install the requirements again")
    folder = Path(found.submodule_search_locations[0])
    return (folder / "django" / "static" / "chartkick" / "Chart.bundle.js").read_bytes()


def _version(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()[:16]
