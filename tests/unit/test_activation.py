"""Sockets that were passed: whose they are, and what is taken for one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from daemon.activation import inherited_sockets

# In a process of its own: the protocol's descriptors begin at 3, and here somebody else's are there.
CHILD = """
import os, sys
fd, owner, count = int(sys.argv[1]), sys.argv[2], sys.argv[3]
os.dup2(fd, 3)
os.environ["LISTEN_PID"] = str(os.getpid()) if owner == "us" else owner
os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"] = count, "domestique.socket"
from daemon.activation import inherited_sockets
for taken in inherited_sockets():
    print(taken.getsockname(), os.get_inheritable(taken.fileno()), taken.gettimeout())
print(sorted(name for name in os.environ if name.startswith("LISTEN_")))
"""


def passed(held: socket.socket, owner: str = "us", count: str = "1") -> subprocess.CompletedProcess[str]:
    descriptor = held.fileno()
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(descriptor), owner, count],
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        check=False,
    )


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_passed_socket_is_taken_and_its_variables_are_left_to_no_child() -> None:
    with listening() as held:
        said = passed(held)
        assert said.stdout.splitlines() == [f"{held.getsockname()} False 0.0", "[]"], said.stderr


@pytest.mark.parametrize(("owner", "count"), [("1", "1"), ("", "1"), ("us", "0"), ("us", "many"), ("us", "")])
def test_what_was_meant_for_another_process_is_left_alone(owner: str, count: str) -> None:
    with listening() as held:
        said = passed(held, owner, count)
        assert said.stdout.splitlines() == ["[]"], said.stderr


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM), "does not listen on TCP"),
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "does not listen on TCP"),
        (lambda: socket.socketpair()[0], "does not listen on TCP"),
    ],
    ids=["not listening", "datagrams", "local"],
)
def test_what_does_not_listen_is_refused(make: Callable[[], socket.socket], complaint: str) -> None:
    with make() as held:
        assert complaint in passed(held).stderr


def test_a_descriptor_that_is_no_socket_or_not_open_is_refused() -> None:
    with listening() as held:
        assert "is no socket: domestique.socket needs" in passed(held, count="9").stderr


def test_without_a_manager_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: Mapping[str, str] = {"LISTEN_PID": str(os.getpid())}
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in gone.items():
        monkeypatch.setenv(name, value)
    assert inherited_sockets() == []
