"""Eighty secrets through every path that a secret takes, with everything going wrong; none comes out anywhere.

To extend it: a new way in is a function in `PATHS`, a new place where something comes out one in `PLACES`. Where a
command or an answer gives somebody a secret on purpose, once, it is named there.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from daemon.core.bearer import Scope, digest, granted, written
from daemon.store import admin_tokens as admin_tokens_of
from daemon.vault.cipher import new_key
from tests.flow.conftest import MakeHouse
from tests.support.canary import SHORTEST, Canaries, forms
from tests.support.consenting import Visitor, query_of
from tests.support.daemon import (
    INTERVALS_SECRET,
    VERIFY_TOKEN,
    WEBHOOK_SECRET,
    Daemon,
    eventually,
)
from tests.support.embedded import UNREADY, kill_server

ATHLETES: Final = 6
STATES: Final = ("expired", "revoked")
THE_TABLES_FILES: Final = "what PostgreSQL keeps"  # the dump has shown it row by row: as it is, it is enough
# Whoever may read asks these; "{athlete_id}" stands for each athlete.
ADDRESSES: Final = (
    "/", "/healthz", "/readyz", "/health", "/metrics", "/quota", "/backfill", "/scheduler/jobs", "/scheduler/runs",
    "/openapi.json", "/athletes/{athlete_id}/thresholds", "/athletes/{athlete_id}/fitness",
    "/athletes/{athlete_id}/wellness", "/athletes/{athlete_id}/intervals",
)  # fmt: skip
COMMANDS: Final = (
    ("status",), ("config", "check"), ("config", "check", "--json"), ("athletes", "list", "--json"),
    ("activities", "list", "--json"), ("jobs", "dead", "--json"), ("scheduler", "runs", "--json"),
    ("tokens", "list", "--json"), ("subscription", "show", "--json"),
)  # fmt: skip


class House:
    """A daemon at level debug, the secrets that were pushed into it, and what its commands and answers gave."""

    def __init__(self, daemon: Daemon, canaries: Canaries, athletes: list[int]) -> None:
        self.daemon = daemon
        self.canaries = canaries
        self.athletes = athletes
        self.given: dict[str, str] = {}
        self.reader = self.operator = ""

    def new(self, name: str) -> str:
        return self.canaries.add(name, secrets.token_urlsafe(24))

    async def command(self, *arguments: str, environment: dict[str, str] | None = None) -> int:
        """Run a command and keep what it said."""
        before, self.daemon.environment = self.daemon.environment, environment or {}
        status, output, complaints = await self.daemon.command(*arguments)
        self.daemon.environment = before
        self.given[f"{' '.join(arguments)} #{len(self.given)}"] = output + complaints
        return status

    async def ask(self, method: str, path: str, token: str = "", **more: Any) -> int:
        """Send a request and keep what was answered; 0 where nothing was."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        try:
            async with self.daemon.sandbox.session.request(
                method, f"{self.daemon.url}{path}", headers=headers, **more
            ) as answer:
                self.given[f"{method} answer #{len(self.given)}"] = f"{dict(answer.headers)}\n{await answer.text()}"
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def gather_tokens(self) -> None:
        """Remember whatever tokens Strava has issued by now."""
        for row in await self.daemon.sandbox.athletes():
            for name in ("access_token", "refresh_token"):
                if row[name] is not None:  # who has left has none
                    self.canaries.add(f"an {name} of Strava's", row[name])

    async def value(self, sql: str, *values: Any) -> Any:
        return await self.daemon.value(sql, *values)


# ── ways in ─────────────────────────────────────────────────────────────────────────────────────────────────


async def settings_that_are_wrong(house: House) -> None:
    """Whatever is wrong with a setting, it is told by name; here before the daemon runs."""
    prefix = "DOMESTIQUE__"
    wrong = {
        f"{prefix}VAULT__KEYS": house.new("a vault key that is none"),
        f"{prefix}STRAVA__WEBHOOK_SECRET": house.new("a webhook secret with a blank") + " x",
        f"{prefix}INTERVALS__WEBHOOK_SECRET": house.canaries.add("a short webhook secret", "short-" + "q7" * 4),
        f"{prefix}STRAVA__CLIENT_SECRETS": house.new("a client secret under a wrong name"),
        f"{prefix}DATABASE__URL": "mysql://domestique:" + house.new("a password of another database") + "@db/x",
    }
    for command in (("config", "check"), ("run",)):
        assert await house.command(*command, environment=wrong) == 2
    nowhere = {
        f"{prefix}DATABASE__URL": f"postgresql://domestique:{house.new('a database password')}@127.0.0.1:1/x"
    }
    for command in (("status",), ("config", "check"), ("run",)):
        await house.command(*command, environment=nowhere)
    text = house.daemon.config.read_text()
    house.daemon.config.write_text(f'[strava]\nclient_secret = "{house.new("a client secret in a broken file")}\n')
    assert await house.command("config", "check") == 2
    house.daemon.config.write_text(text)


async def imports(house: House) -> None:
    """Athletes come by a file; one with a mistake first."""
    file = house.daemon.directory / "wrong.jsonl"
    lines = [
        {"athlete_id": 1, "refresh_token": house.new("a token in a refused import"), "scope": 5},
        {"athlete_id": "2", "refresh_token": [house.new("a token in a list")], "scope": "read"},
    ]
    file.write_text(
        "\n".join(map(json.dumps, lines)) + '\n{"refresh_token": "' + house.new("a token in a cut line")
    )
    assert await house.command("athletes", "import", str(file)) == 2
    file.unlink()
    await house.gather_tokens()
    await house.daemon.import_athletes()
    (house.daemon.directory / "athletes.jsonl").unlink()  # it is the operator's, and he was told to remove it


async def admin_tokens(house: House) -> None:
    """Tokens that are good, unknown, expired, revoked, of the wrong scope, and where no token belongs."""
    house.reader = house.canaries.add("a reader's token", await house.daemon.new_token("read"))
    house.operator = house.canaries.add("an operator's token", written(secrets.token_bytes(32)))
    gone = {name: house.canaries.add(f"one that is {name}", written(secrets.token_bytes(32))) for name in STATES}
    async with house.daemon.look_inside() as connection:
        now = datetime.now(UTC)
        for name, token in {"operates": house.operator, **gone}.items():
            ends_at = now - timedelta(days=1) if name == "expired" else None
            made_at, scopes = now - timedelta(days=9), granted(Scope.OPERATE)
            made = await admin_tokens_of.insert(connection, name, digest(token), scopes, made_at, ends_at)
            assert made is not None
            if name == "revoked":
                await admin_tokens_of.revoke(connection, name, now)
    for token in gone.values():
        assert await house.ask("GET", "/quota", token) == 401
    unknown = house.canaries.add("a token that nobody made", written(secrets.token_bytes(32)))
    assert await house.ask("GET", "/quota", unknown) == 401
    assert await house.ask("GET", "/quota", house.new("a token of another shape")) == 401
    assert await house.ask("POST", "/scheduler/run/daily_sync", house.reader) == 403
    await house.ask(
        "GET", f"/quota?token={house.canaries.add('a token in a query', written(secrets.token_bytes(32)))}"
    )
    await house.ask("GET", f"/{house.canaries.add('a token as a path', written(secrets.token_bytes(32)))}")
    basic = base64.b64encode(f"admin:{house.new('a password')}".encode()).decode()
    await house.ask("GET", "/quota", headers={"Authorization": f"Basic {basic}"})
    await house.ask("GET", "/quota", headers={"Cookie": f"__Host-operator={house.new('a cookie')}"})


async def webhooks(house: House) -> None:
    """The right path, wrong ones, the handshake, and bodies that are none; Strava's and Intervals.icu's."""
    right, guess = f"/webhook/{WEBHOOK_SECRET}", f"/webhook/{house.new('a guess at the path')}"
    query = {"hub.mode": "subscribe", "hub.challenge": "abc"}
    assert await house.ask("GET", right, params={**query, "hub.verify_token": VERIFY_TOKEN}) == 200
    assert (
        await house.ask("GET", right, params={**query, "hub.verify_token": house.new("a wrong verify token")})
        == 403
    )
    assert await house.ask("GET", guess, params={**query, "hub.verify_token": VERIFY_TOKEN}) == 404
    for method in ("POST", "PUT", "DELETE"):
        assert await house.ask(method, guess) in {404, 405}
    event = {"object_type": "activity", "object_id": 1, "aspect_type": "create", "owner_id": 2,
             "subscription_id": 1, "event_time": 1_700_000_000, "updates": {}}  # fmt: skip
    for field in event:
        body = {**event, field: [house.new(f"a secret in {field}")]}
        assert await house.ask("POST", right, json=body) == 400
    cut = json.dumps({**event, "secret": house.new("a secret in a cut body")})[:-1]
    assert await house.ask("POST", right, data=cut) == 400
    assert await house.ask("POST", right, data=house.new("a secret in a large body") + " " * 70_000) == 413
    signature = {"X-Strava-Signature": f"t=1,v1={house.new('a signature')}"}
    assert await house.ask("POST", right, json=event, headers=signature) == 200

    theirs = f"/webhook/intervals/{INTERVALS_SECRET}"
    assert await house.ask("POST", f"/webhook/intervals/{house.new('a guess at the other path')}") == 404
    assert await house.ask("POST", theirs, json={"secret": house.new("a wrong secret"), "events": []}) == 403
    assert await house.ask("POST", theirs, data=f'{{"secret": "{house.new("a secret in broken JSON")}"') == 400
    assert await house.ask("POST", theirs, json={"secret": INTERVALS_SECRET, "events": []}) == 200


async def intervals_keys(house: House) -> None:
    """Keys of Intervals.icu: good ones by both doors, refused ones, and bodies that are none."""
    rows = {row["id"]: row for row in await house.daemon.sandbox.athletes()}
    first, second, third = house.athletes[:3]
    key = house.canaries.add("an API key", rows[first]["intervals_api_key"])
    bearer = house.canaries.add("an OAuth token", rows[second]["intervals_bearer"])
    assert await house.ask("PUT", f"/athletes/{first}/intervals", house.operator, json={"api_key": key}) == 200
    file = house.daemon.directory / "key"
    file.write_text(bearer)
    assert await house.command("athletes", "intervals", str(second), "--bearer-file", str(file)) == 0
    refused = house.new("a key that Intervals.icu refuses")
    file.write_text(refused)
    assert await house.command("athletes", "intervals", str(third), "--api-key-file", str(file)) == 0
    file.write_text(house.new("a key with another") + " " + house.new("a second key"))
    assert await house.command("athletes", "intervals", str(third), "--api-key-file", str(file)) == 2
    file.unlink()
    for body in (
        {"api_key": house.new("a key too many"), "bearer": house.new("a token too many")},
        {"api_key": {"nested": house.new("a nested key")}},
        [house.new("a key in a list")],
    ):
        assert await house.ask("PUT", f"/athletes/{third}/intervals", house.operator, json=body) in {400, 422}
    broken = f'{{"api_key": "{house.new("a key in broken JSON")}'
    assert (
        await house.ask(
            "PUT",
            f"/athletes/{third}/intervals",
            house.operator,
            data=broken,
            headers={"Content-Type": "application/json"},
        )
        == 400
    )

    async def was_refused() -> bool:
        return bool(house.daemon.log_lines("intervals.refused"))

    await eventually(was_refused)


async def calls_that_go_wrong(house: House) -> None:
    """Whatever can go wrong with Strava and on the way to it, for tokens and for activities; dead tokens."""
    sandbox = house.daemon.sandbox
    await sandbox.make_activity(athlete_id=house.athletes[0], seed=70, duration=300)
    await eventually(lambda: nothing_waits(house))  # the limits are learned: until then permits come one by one
    for kind in ("error_500", "truncated", "html", "wrong_types", "empty_body", "reset"):
        await sandbox.fault(kind, endpoint="token", count=1)
    for kind in ("error_503", "truncated", "wrong_types", "reset", "dead_token"):
        await sandbox.fault(kind, endpoint="activity", count=1)
    async with house.daemon.look_inside() as connection:
        await connection.execute("UPDATE credentials SET expires_at = now() - interval '9 s'")
    for number, athlete_id in enumerate(house.athletes):
        await sandbox.age_tokens(athlete_id, expires_in=-10)
        await sandbox.make_activity(athlete_id=athlete_id, seed=number, duration=300)
    await eventually(lambda: nothing_waits(house), 120)
    await sandbox.clear_faults()
    for athlete_id in house.athletes:  # some have lost their tokens on the way: all connect again
        await house.gather_tokens()
        await sandbox.authorize(athlete_id)
    await house.gather_tokens()
    await house.daemon.import_athletes()
    await eventually(lambda: nothing_waits(house), 120)
    lost = house.athletes[-1]
    await sandbox.age_tokens(lost, rotate=True)  # ours is dead
    await sandbox.age_tokens(lost, dead=True)
    await sandbox.make_activity(athlete_id=lost, seed=99, duration=300)

    async def he_rests() -> bool:
        return bool(
            await house.value("SELECT state FROM athletes WHERE athlete_id = $1", lost) == "needs_authorization"
        )

    await eventually(he_rests)
    await sandbox.revoke(house.athletes[0])

    async def he_left() -> bool:
        return bool(await house.value("SELECT count(*) FROM athletes WHERE deauthorized_at IS NOT NULL"))

    await eventually(he_left)
    await house.gather_tokens()


async def nothing_waits(house: House) -> bool:
    """Let whatever waits for another attempt be due at once; tell whether all is done that can be done."""
    await house.daemon.sandbox.events(settled=60)
    async with house.daemon.look_inside() as connection:
        await connection.execute("UPDATE jobs SET run_at = now() WHERE state = 'queued'")
        return not await connection.fetchval(
            "SELECT (SELECT count(*) FROM events WHERE folded_at IS NULL) + count(*)"
            " FROM jobs LEFT JOIN turns ON athlete_id = serial_key"
            " WHERE state IN ('queued', 'running') AND resting IS NOT true"
        )


async def bugs_and_restarts(house: House) -> None:
    """A bug in a job, one behind an answer, and a database that is killed."""
    daemon = house.daemon
    async with daemon.look_inside() as connection:
        await connection.execute("ALTER TABLE activity_loads RENAME TO elsewhere")
        await connection.execute("ALTER TABLE fitness RENAME TO elsewhere_too")
    await daemon.sandbox.age_tokens(house.athletes[1], expires_in=-10)
    await daemon.sandbox.make_activity(athlete_id=house.athletes[1], seed=50, duration=300)

    async def broke() -> bool:
        return bool(daemon.log_lines("job.broke"))

    await eventually(broke)
    assert await house.ask("GET", f"/athletes/{house.athletes[1]}/fitness", house.reader) == 500
    async with daemon.look_inside() as connection:
        await connection.execute("ALTER TABLE elsewhere RENAME TO activity_loads")
        await connection.execute("ALTER TABLE elsewhere_too RENAME TO fitness")
    assert kill_server(daemon.directory)
    await house.ask("GET", "/quota", house.reader)

    async def is_back() -> bool:
        try:
            return bool(await nothing_waits(house))
        except UNREADY:
            return False

    await eventually(is_back, 120)
    await daemon.sandbox.fault("rate_limited", endpoint="activity", count=1)
    await daemon.sandbox.make_activity(athlete_id=house.athletes[2], seed=51, duration=300)

    async def was_refused() -> bool:
        return bool(daemon.log_lines("quota.refused_by_strava"))

    await eventually(was_refused)
    await house.gather_tokens()


async def connecting(house: House) -> None:
    """A browser that connects, one that comes back with what it was never given, and a form with a wrong token."""
    strangers = f"state={house.new('a state of nobody')}&code={house.new('a code of a stranger')}&scope=read"
    assert await house.ask("GET", f"/connect/strava?{strangers}") == 400
    visitor = Visitor(house.daemon.url)
    async with visitor.session:
        for kind in ("wrong_types", None):  # the code is known to nobody else yet, whatever becomes of it
            if kind is not None:
                await house.daemon.sandbox.fault(kind, endpoint="token", count=1)
            asked_at = await visitor.begin()
            house.canaries.add("a state", query_of(asked_at)["state"])
            way_back = await visitor.consent(asked_at, house.athletes[-1])
            house.canaries.add("a code", query_of(way_back)["code"])
            house.given[f"the way back #{len(house.given)}"] = (await visitor.get(way_back)).text
        await visitor.get("/operator/sign-in")
        await visitor.post("/operator/sign-in", {"token": house.new("a wrong token in a form")})
        ours = [cookie for cookie in visitor.session.cookie_jar if cookie.key.startswith("domestique-")]
        assert len(ours) >= 2
        for cookie in ours:
            house.canaries.add(f"the cookie {cookie.key}", cookie.value)
    await house.gather_tokens()


PATHS: Final[tuple[Callable[[House], Awaitable[None]], ...]] = (
    admin_tokens,
    webhooks,
    intervals_keys,
    connecting,
    calls_that_go_wrong,
    bugs_and_restarts,
)


# ── where something comes out ───────────────────────────────────────────────────────────────────────────────


async def answers(house: House) -> dict[str, bytes]:
    for address in ADDRESSES:
        for athlete_id in house.athletes if "{athlete_id}" in address else house.athletes[:1]:
            for accept in ("*/*", "text/html"):
                path = address.format(athlete_id=athlete_id)
                await house.ask("GET", path, house.reader, headers={"Accept": accept})
    return {name: text.encode() for name, text in house.given.items()}


async def commands(house: House) -> dict[str, bytes]:
    before = set(house.given)
    for command in COMMANDS:
        await house.command(*command)
    activity_id = await house.value("SELECT min(activity_id) FROM activities")
    await house.command("activities", "show", str(activity_id), "--json")
    return {name: text.encode() for name, text in house.given.items() if name not in before}


async def dump(house: House) -> dict[str, bytes]:
    """Every row of every table as text."""
    tables = await house.daemon.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {"credentials", "intervals_credentials", "events", "jobs", "outbox", "admin_tokens"} <= {
        row["tablename"] for row in tables
    }
    return {
        f"table {row['tablename']}": "\n".join(
            text for (text,) in await house.daemon.rows(f'SELECT t::text FROM "{row["tablename"]}" t')
        ).encode()
        for row in tables
    }


async def log(house: House) -> dict[str, bytes]:
    """The log, after a crash has been added to it."""
    daemon = house.daemon
    async with daemon.look_inside() as connection:
        await connection.execute("ALTER TABLE events RENAME TO elsewhere")
    assert daemon.process is not None
    assert await daemon.process.wait() == 1
    events = {line["event"] for line in daemon.log_lines()}
    assert {
        "strava.answered",
        "token.refreshed",
        "job.broke",
        "request.broke",
        "job.retried",
        "task.ended",
    } <= events
    return {"the log": daemon.log.read_bytes()}


async def files(house: House) -> dict[str, bytes]:
    """What is left on disk, but for the settings, and the embedded server's password in a file of its own."""
    left, data = {}, []
    for path in files_of(house.daemon.directory):
        if path in {house.daemon.config, house.daemon.log} or path.name == "password":
            continue
        if "data" in path.relative_to(house.daemon.directory).parts:
            data.append(path.read_bytes())
        else:
            left[path.name] = path.read_bytes()
    assert "server.log" in left
    assert len(data) > 100
    return left | {THE_TABLES_FILES: b"".join(data)}


def files_of(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


PLACES: Final = (answers, commands, dump, log, files)


async def test_no_secret_comes_out_anywhere_whatever_goes_wrong(make_house: MakeHouse) -> None:
    canaries = Canaries()
    keys = [canaries.add(f"vault key {number}", new_key().get_secret_value()) for number in (1, 2)]
    client_secret = canaries.add("the client secret", secrets.token_hex(20))
    for name, secret in (
        ("the webhook's path", WEBHOOK_SECRET),
        ("the verify token", VERIFY_TOKEN),
        ("the other webhook's secret", INTERVALS_SECRET),
    ):
        canaries.add(name, secret)
    daemon = await make_house(
        "--client-secret", client_secret, athletes=ATHLETES, started=False, logs__level='"debug"',
        strava__client_secret=f'"{client_secret}"', vault__keys=json.dumps(keys), strava__callback_url='"PLACE"',
        jobs__lease_seconds="3",
    )  # fmt: skip
    daemon.config.write_text(daemon.config.read_text().replace("PLACE", daemon.url))
    house = House(daemon, canaries, [row["id"] for row in await daemon.sandbox.athletes()])
    await settings_that_are_wrong(house)
    await imports(house)
    await daemon.start()
    (password,) = [path for path in files_of(daemon.directory) if path.name == "password"]
    canaries.add("the embedded database's password", password.read_text())

    for path in PATHS:
        await path(house)

    assert len(canaries) >= 80
    assert canaries.found_in(daemon.config.read_bytes())  # what is there is found
    leaks: dict[str, list[str]] = {}
    for place in PLACES:
        for name, content in (await place(house)).items():
            if (
                found := canaries.found_plain_in(content)
                if name == THE_TABLES_FILES
                else canaries.found_in(content)
            ):
                leaks[name] = found
    assert not leaks


def test_a_secret_is_found_in_every_disguise_and_wherever_it_begins() -> None:
    canaries, secret = Canaries(), "s3cret/with+signs"
    canaries.add("it", secret)
    assert len(secret) >= SHORTEST
    for before in range(7):
        for after in range(4):
            whole = b"b" * before + secret.encode() + b"a" * after
            for text in (whole, base64.b64encode(whole), base64.urlsafe_b64encode(whole), whole.hex().encode()):
                assert canaries.found_in(b"... " + text + b" ...") == ["it"]
    assert canaries.found_in(b"/webhook/s3cret%2Fwith%2Bsigns") == ["it"]
    assert not canaries.found_in(b"s3cret with signs")
    assert all(len(form) >= SHORTEST for form in forms(secret))
