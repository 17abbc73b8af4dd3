"""Settings read anew: what holds at once, what waits for a restart, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon import config
from daemon.config import Settings
from daemon.config.changes import AT_ONCE, changes
from daemon.config.settings import SECTIONS
from daemon.loops.reload import Reload
from daemon.loops.supervisor import Supervisor
from tests.support.daemon import eventually
from tests.unit.test_config import CLIENT_SECRET, COMPLETE

# A key that joins one of these sections has to be applied in flight: whoever adds it, adds it here and in app.py.
APPLIED = {
    "logs": {"format", "level"},
    "retention": {"deauthorized_days", "events_days", "jobs_days", "runs_days", "streams_days"},
    "webhook": {"looks_per_hour", "owner_looks_per_hour"},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "config.toml"
    path.write_text(COMPLETE)
    return path


def read(file: Path, more: str) -> Settings:
    file.write_text(COMPLETE + more)
    return config.load(file)


def test_every_key_of_what_applies_at_once_is_known_by_name() -> None:
    assert {section: set(SECTIONS[section].model_fields) for section in AT_ONCE} == APPLIED


def test_what_may_change_is_applied_and_the_rest_is_named(file: Path) -> None:
    running = read(file, "")
    fresh = read(file, '[logs]\nlevel = "debug"\n[retention]\njobs_days = 3\n[jobs]\nworkers = 2\n')

    found = changes(running, fresh)

    assert found.applied == ("retention.jobs_days: 14 → 3", "logs.level: info → debug")
    assert found.needs_restart == ("jobs.workers",)
    assert (found.settings.logs.level, found.settings.retention.jobs_days) == ("debug", 3)
    assert found.settings.jobs == running.jobs


def test_what_waits_for_a_restart_is_named_until_there_is_one(file: Path) -> None:
    running = read(file, "")
    fresh = read(file, "[jobs]\nworkers = 2\n")

    again = changes(changes(running, fresh).settings, fresh)

    assert again.needs_restart == ("jobs.workers",)
    assert again.applied == ()


def test_a_secret_that_differs_is_named_and_not_shown(file: Path) -> None:
    running = read(file, "")
    file.write_text(COMPLETE.replace(CLIENT_SECRET, "canary-another-secret"))

    found = changes(running, config.load(file))

    assert found.needs_restart == ("strava.client_secret",)
    assert "canary" not in repr((found.applied, found.needs_restart, found.settings))


async def test_listeners_hear_of_good_settings_and_never_of_bad_ones(file: Path) -> None:
    reload, heard = Reload(file, config.load(file)), list[Settings]()
    reload.on_change(heard.append)

    async def was_refused() -> bool:
        return any(line["event"] == "settings.refused" for line in logs)

    async def were_read() -> bool:
        return bool(heard)

    with capture_logs() as logs:
        async with Supervisor() as supervisor:
            supervisor.start("settings", reload.run())
            file.write_text(COMPLETE + '[logs]\nlevel = "loud"\n')
            reload.ask()
            await eventually(was_refused)
            file.write_text(COMPLETE + '[logs]\nlevel = "error"\n')
            reload.ask()
            await eventually(were_read)

    assert [fresh.logs.level for fresh in heard] == ["error"]
    problem = f"{file}:{len(COMPLETE.splitlines()) + 2}: logs.level must be one of"
    assert logs[0]["problems"][0].startswith(problem)
