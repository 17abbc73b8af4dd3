"""`python -m sandbox`: start, say where, and end cleanly on SIGTERM or Ctrl-C.

Refuses to serve anything before the world is populated.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from aiohttp import web

from sandbox.options import Options, parse_options
from sandbox.scenario import BadScenario
from sandbox.server import build
from sandbox.strava import FakeStrava

CLOSING_SECONDS = 1.0


async def serve(options: Options) -> None:
    """Serve until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    strava = FakeStrava(options)
    strava.populate()
    runner = web.AppRunner(build(strava), access_log=None, shutdown_timeout=CLOSING_SECONDS)
    try:
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"sandbox listening on http://{host}:{port}\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run the command line."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    options = parse_options(sys.argv[1:])
    try:
        asyncio.run(serve(options))
    except BadScenario as error:
        sys.stderr.write(f"sandbox: {options.scenario} cannot be played:\n{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
