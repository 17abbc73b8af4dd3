"""Turns templates into pages; everything is escaped, and nothing on a page is inline.

https://developer.mozilla.org/en-US/docs/Web/HTTP/CSP
"""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from daemon import __version__
from daemon.web.pages.assets import Assets
from daemon.web.pages.prose import pieces

# Only what we serve ourselves; `form-action` leaves out Strava, to which a link leads and no form.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}


def set_up(app: web.Application, assets: Assets) -> None:
    """Give an application its templates."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("daemon.web.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment = aiohttp_jinja2.get_env(app)
    environment.globals.update(asset=assets.address, version=__version__)
    environment.filters["pieces"] = pieces


def page(request: web.Request, template: str, status: int = 200, **context: Any) -> web.Response:
    """Render a template of `templates/`."""
    response: web.Response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers.update(HEADERS)
    return response
