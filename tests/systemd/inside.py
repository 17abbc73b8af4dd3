"""The checks themselves: run as root inside the container, on its own systemd, with nothing but Python's library.

Each check is a sentence that is printed with its figures once it holds; the first that does not ends them all.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.systemd.machine import (
    ETC,
    HOME,
    SANDBOX,
    STATE,
    Senders,
    ask_database,
    eventually,
    expect,
    get,
    main_process,
    post,
    property_of,
    run,
    secret,
)


def main() -> int:
    """Check everything in order; returns the exit status."""
    for check in CHECKS:
        began, sentence = time.monotonic(), check.__name__.replace("_", " ")
        try:
            figures = check()
        except Exception as error:
            print(f"FAILED {sentence}: {type(error).__name__}: {error}", flush=True)
            print(run("journalctl", "--no-pager", "--lines=30", "--unit=domestique*", check=False), flush=True)
            return 1
        print(
            f"ok     {sentence}{f': {figures}' if figures else ''} [{time.monotonic() - began:.1f} s]", flush=True
        )
    print("all checks passed", flush=True)
    return 0


def settings(*more: str) -> None:
    text = (HOME / "config.toml").read_text(encoding="utf-8")
    for before, after in {
        "#client_id = 12345": "client_id = 12345",
        'api_url = "https://www.strava.com/api/v3"': f'api_url = "{SANDBOX}/api/v3"',
        'oauth_url = "https://www.strava.com/oauth"': f'oauth_url = "{SANDBOX}/oauth"',
    }.items():
        expect(before in text, f"config.toml has no line {before}")
        text = text.replace(before, after)
    for line in more:
        before, _, after = line.partition(" → ")
        expect(before in text, f"config.toml has no line {before}")
        text = text.replace(before, after)
    (ETC / "config.toml").write_text(text, encoding="utf-8")


# The installation


def make_install_installs_and_may_be_run_again() -> str:
    run("make", "-C", str(HOME), "install")
    first = secret("vault.keys")
    said = run("make", "-C", str(HOME), "install")
    expect(secret("vault.keys") == first, "the second run made another key")
    expect("still to do" in said, f"nothing is left to do: {said}")
    (ETC / "secrets/strava.client_secret").write_text("sandbox-secret\n", encoding="utf-8")
    settings()
    return f"systemd {run('systemctl', '--version').split()[1]}"


def the_service_starts_and_says_when_it_is_ready() -> str:
    began = time.monotonic()
    run("systemctl", "enable", "--now", "domestique.service")
    took = time.monotonic() - began
    expect(property_of("ActiveState") == "active", property_of("ActiveState"))
    expect(property_of("ActiveState", "domestique.socket") == "active", "the socket is not up")
    expect(get("http://127.0.0.1:8000/readyz")["status"] == "ready", "not ready")
    return f"first start, database and all, {took:.1f} s"


def its_status_line_says_what_goes_on() -> str:
    return str(eventually(lambda: "jobs due" in property_of("StatusText") and property_of("StatusText")))


def it_is_exposed_to_no_more_than_1_1() -> str:
    (line,) = [
        line
        for line in run("systemd-analyze", "security", "domestique").splitlines()
        if "Overall exposure level" in line
    ]
    expect(float(line.split()[6]) <= 1.1, line)
    return line.strip("→ ")


def its_process_is_confined() -> str:
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{main_process()}/status").read_text(encoding="utf-8").splitlines()
        if ":\t" in line
    )
    uid = int(status["Uid"].split()[0])
    expect(61184 <= uid <= 65519, f"uid {uid} is no dynamic one")
    expect(int(status["CapBnd"], 16) == 0, f"capabilities {status['CapBnd']}")
    expect(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", "no_new_privs or seccomp is off")
    return f"uid {uid}, no capability, seccomp on, {status['Seccomp_filters']} filters"


def secrets_come_as_credentials_and_stand_in_no_variable() -> str:
    process = main_process()
    environment = Path(f"/proc/{process}/environ").read_bytes().decode()
    expect("CREDENTIALS_DIRECTORY=/run/credentials/domestique.service" in environment, environment)
    for name in ("strava.client_secret", "strava.webhook_secret", "vault.keys"):
        expect(secret(name) not in environment, f"{name} stands in the environment")
        expect(secret(name) not in run("journalctl", "--unit=domestique"), f"{name} stands in the journal")
        mode = stat.S_IMODE((ETC / "secrets" / name).stat().st_mode)
        expect(name == "strava.client_secret" or mode == 0o600, f"{name} has mode {mode:o}")
    expect(stat.S_IMODE((ETC / "secrets").stat().st_mode) == 0o700, "others may list the secrets")
    return ""


def its_data_is_its_own() -> str:
    found = STATE.stat()
    expect(stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid >= 61184, f"{found.st_uid} {found.st_mode:o}")
    server = Path("/var/lib/domestique/postgresql/data/PG_VERSION").read_text(encoding="utf-8").strip()
    return f"{STATE} of user {found.st_uid}, PostgreSQL {server}"


# The main job, under all that confinement


def an_athlete_comes_in_and_a_ride_becomes_a_load() -> str:
    callback = f"http://127.0.0.1:8000/webhook/{secret('strava.webhook_secret')}"
    subprocess.Popen(
        [".venv/bin/python", "-m", "sandbox", "--port", "9000", "--athletes", "1", "--history-days", "0",
         "--callback", callback],
        cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    (athlete,) = eventually(lambda: get(f"{SANDBOX}/sandbox/athletes"))
    line = json.dumps(
        {"athlete_id": athlete["id"], "refresh_token": athlete["refresh_token"], "scope": athlete["scope"]}
    )
    said = run("domestique", "athletes", "import", "-", stdin=line)
    expect("1 athletes imported" in said, said)
    began = time.monotonic()
    made = post(f"{SANDBOX}/sandbox/activities", {"athlete_id": athlete["id"], "seed": 1, "duration": 3600})
    shown = eventually(lambda: loads(made["id"]))
    return f"load {shown:.1f} after {time.monotonic() - began:.1f} s"


def loads(activity_id: int) -> float:
    return float(json.loads(run("domestique", "activities", "show", str(activity_id), "--json"))["load"]["utl"])


def commands_run_as_its_user_and_their_status_is_handed_on() -> str:
    expect(json.loads(run("domestique", "status", "--json"))["daemon"]["running"] is True, "it does not run")
    done = subprocess.run(["domestique", "jobs", "retry", "4711"], capture_output=True, text=True, check=False)
    expect(done.returncode not in {0, 127}, f"status {done.returncode}")
    return f"a command that fails ends with status {done.returncode}"


def what_is_held_of_an_athlete_goes_out_by_redirection() -> str:
    athlete_id = ask_database("SELECT min(athlete_id) FROM athletes")
    run("/bin/sh", "-c", f"umask 077; domestique athletes export {athlete_id} > /root/his.zip")
    with ZipFile("/root/his.zip") as archive:
        expect("json/activities.json" in archive.namelist(), f"it holds {archive.namelist()}")
    return f"{Path('/root/his.zip').stat().st_size / 1000:.0f} kB"


# Restarts


def no_event_is_refused_or_lost_across_restarts_under_load() -> str:
    before = int(ask_database("SELECT count(*) FROM events"))
    restarts: list[float] = []
    with Senders() as senders:
        senders.has_sent(200)
        for _ in range(3):
            began = time.monotonic()
            run("systemctl", "restart", "domestique.service")
            restarts.append(time.monotonic() - began)
            senders.has_sent(200)
    stored = int(ask_database("SELECT count(*) FROM events")) - before
    sent = len(senders.statuses)
    expect(senders.failures == [], f"{len(senders.failures)} refused: {senders.failures[:3]}")
    expect(set(senders.statuses) == {200}, f"answers {set(senders.statuses)}")
    expect(stored == sent, f"{sent} acknowledged, {stored} stored")
    took, longest = ", ".join(f"{seconds:.1f} s" for seconds in restarts), senders.longest_seconds
    return f"{sent} events, 0 refused, 0 lost, the longest waited {longest:.1f} s; restarts took {took}"


def a_stop_under_load_takes_less_than_five_seconds() -> str:
    with Senders() as senders:
        senders.has_sent(200)
        process = main_process()
        began = time.monotonic()
        os.kill(process, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{process}").exists())
        took = time.monotonic() - began
        senders.has_sent(200)  # Restart=always: whatever ended it, it comes back
    expect(took < 5, f"{took:.1f} s")
    expect(senders.failures == [], f"refused: {senders.failures[:3]}")
    return f"SIGTERM to the end {took:.1f} s"


def settings_are_read_again_without_a_restart() -> str:
    process = main_process()
    settings('level = "info" → level = "error"', "pool_size = 10 → pool_size = 12")
    run("systemctl", "reload", "domestique.service")
    line = eventually(lambda: [line for line in journal() if line.get("event") == "settings.reloaded"])[-1]
    expect(line["applied"] == ["logs.level: info → error"], str(line))
    expect(line["needs_restart"] == ["database.pool_size"], str(line))
    settings("workers = 8 → workers = none")
    run("systemctl", "reload", "domestique.service")
    line = eventually(lambda: [line for line in journal() if line.get("event") == "settings.refused"])[-1]
    settings()
    run("systemctl", "reload", "domestique.service")
    expect(main_process() == process, "it was restarted")
    return str(line["problems"])


def journal() -> list[dict[str, Any]]:
    said = run("journalctl", "--unit=domestique", "--output=cat", "--no-pager").splitlines()
    return [json.loads(line) for line in said if line.startswith("{")]


def a_hanging_process_is_killed_by_the_watchdog_and_comes_back() -> str:
    # The unit's own 30 s, shortened as an operator would.
    folder = Path("/etc/systemd/system/domestique.service.d")
    folder.mkdir(parents=True)
    (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=6\n", encoding="utf-8")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "domestique.service")
    process, restarts = main_process(), int(property_of("NRestarts"))
    os.kill(process, signal.SIGSTOP)
    began = time.monotonic()
    eventually(lambda: int(property_of("NRestarts")) > restarts and property_of("ActiveState") == "active")
    took = time.monotonic() - began
    said = run("journalctl", "--unit=domestique", "--no-pager")
    expect("Watchdog timeout" in said, "systemd says nothing of a watchdog")
    expect("Fatal Python error: Aborted" in said, "where it hung is not told")
    (folder / "watchdog.conf").unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "domestique.service")
    return f"back {took:.1f} s after it was stopped, with a watchdog of 6 s"


def a_killed_process_and_a_killed_database_come_back() -> str:
    process = main_process()
    os.kill(process, signal.SIGKILL)
    began = time.monotonic()
    eventually(
        lambda: main_process() not in {0, process} and get("http://127.0.0.1:8000/readyz")["status"] == "ready"
    )
    daemon_took = time.monotonic() - began
    process = main_process()
    postmaster = Path("/var/lib/domestique/postgresql/data/postmaster.pid").read_text(encoding="utf-8").split()[0]
    os.kill(int(postmaster), signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: ask_database("SELECT 1") == "1" and get("http://127.0.0.1:8000/readyz")["status"] == "ready")
    expect(main_process() == process, "the daemon was restarted")
    return f"the daemon after {daemon_took:.1f} s, PostgreSQL under it after {time.monotonic() - began:.1f} s"


def a_slip_in_the_settings_is_told_and_mended_without_another_hand() -> str:
    text = (ETC / "config.toml").read_text(encoding="utf-8")
    (ETC / "config.toml").write_text(text + "\n[web]\n", encoding="utf-8")
    done = subprocess.run(
        ["systemctl", "restart", "domestique.service"], capture_output=True, text=True, check=False
    )
    expect(done.returncode != 0, "the restart did not fail")
    said = run("journalctl", "--unit=domestique", "--no-pager")
    expect("is not valid TOML" in said, "the journal does not say what is wrong")
    attempts = int(property_of("NRestarts"))
    eventually(lambda: int(property_of("NRestarts")) >= attempts + 3)
    (ETC / "config.toml").write_text(text, encoding="utf-8")
    eventually(lambda: get("http://127.0.0.1:8000/readyz")["status"] == "ready")
    return "tried again and again meanwhile"


# Backup and restore


def a_backup_is_restored_on_a_machine_that_lost_everything() -> str:
    counts = (
        "SELECT (SELECT count(*) FROM events) || ' events, ' || (SELECT count(*) FROM activity_loads) || ' loads'"
    )
    before = ask_database(counts)
    run("/bin/sh", "-c", "umask 077; domestique backup > /root/domestique.dump")
    size = Path("/root/domestique.dump").stat().st_size
    complaint = failing("domestique restore --replace < /root/domestique.dump")
    expect("systemctl stop domestique.socket domestique.service" in complaint, complaint)
    run("systemctl", "stop", "domestique.socket", "domestique.service")
    run("rm", "-rf", str(STATE))
    run("/bin/sh", "-c", "domestique restore < /root/domestique.dump")
    complaint = failing("domestique restore < /root/domestique.dump")
    expect("--replace" in complaint, complaint)
    complaint = failing("head -c 20000 /root/domestique.dump | domestique restore --replace")
    expect("nothing was restored" in complaint, complaint)
    run("/bin/sh", "-c", "domestique restore --replace < /root/domestique.dump")
    run("systemctl", "start", "domestique.socket", "domestique.service")
    after = ask_database(counts)
    expect(after == before, f"{before} before, {after} after")
    return f"{after}, {size / 1000:.0f} kB"


def failing(script: str) -> str:
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, timeout=300)
    expect(done.returncode != 0, f"{script} did not fail: {done.stdout}")
    expect("Traceback" not in done.stderr, done.stderr)
    return done.stderr + done.stdout


def no_secret_stands_in_the_journal() -> str:
    said = run("journalctl", "--no-pager", "--output=json", "--all")
    names = [path.name for path in (ETC / "secrets").iterdir()]
    for name in names:
        expect(secret(name) not in said, f"{name} stands in the journal")
    return f"{len(names)} secrets, {len(said.splitlines())} lines"


CHECKS: list[Callable[[], str]] = [
    make_install_installs_and_may_be_run_again,
    the_service_starts_and_says_when_it_is_ready,
    its_status_line_says_what_goes_on,
    it_is_exposed_to_no_more_than_1_1,
    its_process_is_confined,
    secrets_come_as_credentials_and_stand_in_no_variable,
    its_data_is_its_own,
    an_athlete_comes_in_and_a_ride_becomes_a_load,
    commands_run_as_its_user_and_their_status_is_handed_on,
    what_is_held_of_an_athlete_goes_out_by_redirection,
    no_event_is_refused_or_lost_across_restarts_under_load,
    a_stop_under_load_takes_less_than_five_seconds,
    settings_are_read_again_without_a_restart,
    a_hanging_process_is_killed_by_the_watchdog_and_comes_back,
    a_killed_process_and_a_killed_database_come_back,
    a_slip_in_the_settings_is_told_and_mended_without_another_hand,
    a_backup_is_restored_on_a_machine_that_lost_everything,
    no_secret_stands_in_the_journal,
]

if __name__ == "__main__":
    sys.exit(main())
