"""sd_notify on real datagram sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.notify import notify, notify_reloading, watchdog_seconds


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(2)
        yield bound


@pytest.fixture
def manager(listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    path = tmp_path / "notify"
    listener.bind(str(path))
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    return listener


def test_assignments_arrive_as_lines_of_one_datagram(manager: socket.socket) -> None:
    notify("READY=1", "STATUS=läuft")
    assert manager.recv(4096) == "READY=1\nSTATUS=läuft".encode()


def test_an_address_that_begins_with_an_at_sign_is_abstract(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"domestique-test-{os.getpid()}"
    listener.bind(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    notify("WATCHDOG=1")
    assert listener.recv(4096) == b"WATCHDOG=1"


def test_an_errors_line_breaks_do_not_become_assignments(manager: socket.socket) -> None:
    notify("STATUS=failed:\nREADY=1\r\nX=2", "WATCHDOG=1")
    assert manager.recv(4096) == b"STATUS=failed: READY=1 X=2\nWATCHDOG=1"


def test_text_that_is_not_unicode_is_sent_all_the_same(manager: socket.socket) -> None:
    notify("STATUS=\udcff")
    assert manager.recv(4096) == b"STATUS=?"


@pytest.mark.parametrize("address", [None, ""])
def test_without_a_manager_nothing_happens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setattr(socket, "socket", None)  # would raise if it were called
    notify("READY=1")


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@nobody-listens-here", "/" + "x" * 200, "relative"])
def test_an_absent_manager_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_a_manager_that_does_not_read_neither_blocks_nor_raises(manager: socket.socket) -> None:
    manager.setblocking(False)
    for number in range(5000):
        notify(f"STATUS={number}" + "x" * 1000)
    heard = 0
    while True:
        try:
            manager.recv(4096)
        except BlockingIOError:
            break
        heard += 1
    assert 0 < heard < 5000


def test_a_message_too_long_for_a_datagram_is_no_error(manager: socket.socket) -> None:
    notify("STATUS=" + "x" * 10_000_000)
    notify("READY=1")
    assert manager.recv(4096) == b"READY=1"


def test_a_process_out_of_descriptors_is_no_error(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", refuses)
    notify("READY=1")


def test_a_reload_is_told_with_the_instant_of_the_managers_clock(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    notify_reloading()
    first, _, second = manager.recv(4096).decode().partition("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("microseconds", "meant_for", "seconds"),
    [
        ("30000000", None, 30.0),
        ("30000000", "us", 30.0),
        ("1500000", "", 1.5),
        ("30000000", "1", None),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdogs_time_is_what_the_manager_says_to_us(
    microseconds: str | None, meant_for: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", meant_for)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "us" else value)
    assert watchdog_seconds() == seconds
