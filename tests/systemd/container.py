"""`make test-systemd`: a Debian with a real systemd in a container, installed as docs/install.md tells, checked.

Outside it needs root, systemd-nspawn and debootstrap; where one of them is missing it says so and ends well. The
bare Debian is kept in var/test-systemd/ for the next time, the machine that is made of it is removed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "var" / "test-systemd"
BASE = KEPT / "base"
INSTALLED_AT = "opt/domestique"
# What docs/install.md has a bare Debian install, and what makes a minimal one boot.
PACKAGES = "systemd,systemd-sysv,libnss-systemd,dbus,ca-certificates,git,make,python3,python3-venv"
BOOTSTRAP_SECONDS, INSTALL_SECONDS, CHECK_SECONDS = 1200, 900, 900
UNIT = """
[Unit]
Description=Checks of the installation
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
WorkingDirectory=/opt/domestique
ExecStart=/usr/bin/python3 -u -m tests.systemd.inside
StandardOutput=append:/checks.log
StandardError=inherit

[Install]
WantedBy=default.target
"""


def main() -> int:
    """Run the whole; returns the exit status."""
    missing = lacking()
    if missing:
        print(f"skipped: {missing}")
        return 0
    machine = KEPT / f"machine-{os.getpid()}"
    try:
        if not BASE.exists():
            bootstrap()
        furnish(machine)
        install(machine)
        return boot(machine)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(machine, ignore_errors=True)


def lacking() -> str | None:
    """Return what is missing on this machine, as a sentence."""
    if os.geteuid() != 0:
        return "a container that boots needs root: sudo make test-systemd"
    absent = [program for program in ("systemd-nspawn", "debootstrap") if shutil.which(program) is None]
    if absent:
        return f"{' and '.join(absent)} not installed: apt install systemd-container debootstrap"
    return None


def bootstrap() -> None:
    """Make a bare Debian, from where this machine's own packages come."""
    print("making a bare Debian: some minutes, once", flush=True)
    unfinished = KEPT / "base.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    suite = os_release().get("VERSION_CODENAME", "stable")
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(unfinished), *mirror(suite)]
    subprocess.run(command, check=True, timeout=BOOTSTRAP_SECONDS, stdout=subprocess.DEVNULL)
    unfinished.rename(BASE)


def os_release() -> dict[str, str]:
    """Read what this machine is, where it is a Debian."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    known = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    return known if known.get("ID") == "debian" else {}


def mirror(suite: str) -> list[str]:
    """Return the address that apt uses here for this suite; none: debootstrap knows one."""
    asked = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Identifier: Packages"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split("\n")
    return [address for line in said for release, _, address in [line.partition(" ")] if release == suite][:1]


def furnish(machine: Path) -> None:
    """Copy the Debian, and the checkout as it stands into it."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(BASE), str(machine)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = ROOT / name, machine / INSTALLED_AT / name
        if source.is_file() and not name.startswith(".venv"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    (machine / "etc/systemd/system/checks.service").write_text(UNIT, encoding="utf-8")
    (machine / "etc/hostname").write_text("domestique-test\n", encoding="utf-8")


def install(machine: Path) -> None:
    """Fetch the packages, with the network and the package index of this machine."""
    print("installing the packages", flush=True)
    script = f"umask 022; make -C /{INSTALLED_AT} .venv/.installed && systemctl enable checks.service"
    command = [
        "systemd-nspawn",
        *QUIET,
        f"--directory={machine}",
        *index_of_this_machine(),
        "/bin/sh",
        "-c",
        script,
    ]
    done = subprocess.run(
        command, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(
            f"the installation ended with status {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )


# Neither a service of this machine nor its service manager has to know.
QUIET = ["--quiet", "--register=no", "--keep-unit", "--console=pipe"]


def index_of_this_machine() -> list[str]:
    """Hand in how pip and uv are set up here: their files, their variables, and the folders that these name."""
    files = [Path("/etc/pip.conf"), Path("/etc/uv"), Path("/etc/ssl/certs")]
    files += [Path.home() / ".config/pip", Path.home() / ".config/uv"]
    variables = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_CERT_"))}
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    texts += [conf.read_text(encoding="utf-8") for path in files if path.is_dir() for conf in path.glob("*.conf")]
    named = re.findall(r"(?<![\w/:])(?:file://)?(/[\w./-]+)", " ".join([*texts, *variables.values()]))
    folders = {Path(name) for name in named if Path(name).is_dir()}
    # The folder above: an index of files may lie beside what it lists.
    bound = {path for path in files if path.exists()} | {
        folder.parent if folder.name == "simple" else folder for folder in folders
    }
    binds = [f"--bind-ro={path}:{str(path).replace(str(Path.home()), '/root')}" for path in sorted(bound)]
    return [*binds, *(f"--setenv={name}={value}" for name, value in variables.items())]


def boot(machine: Path) -> int:
    """Boot without a network, have the checks run, show what they said."""
    print("booting", flush=True)
    log, console = machine / "checks.log", machine / "console.log"
    log.touch()
    command = ["systemd-nspawn", *QUIET, "--private-network", f"--directory={machine}", "--boot"]
    with (
        console.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
    ):
        deadline = time.monotonic() + CHECK_SECONDS
        shown = 0
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            shown = show(log, shown)
        if process.poll() is None:
            print(f"not over after {CHECK_SECONDS} s: ending the container", file=sys.stderr)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
    if not show(log, shown):
        said = console.read_text(encoding="utf-8", errors="replace")[-2000:]
        print(f"skipped: systemd-nspawn boots no container here (status {process.returncode}); it said:\n{said}")
        return 0
    return 0 if log.read_text(encoding="utf-8").rstrip().endswith("all checks passed") else 1


def show(log: Path, shown: int) -> int:
    """Print what is new in the log; returns how far it has been shown."""
    text = log.read_text(encoding="utf-8", errors="replace")
    print(text[shown:], end="", flush=True)
    return len(text)


if __name__ == "__main__":
    sys.exit(main())
