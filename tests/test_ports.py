"""A port is free unless a program listens on it."""

from __future__ import annotations

import errno
import socket

import pytest

from coupon_pipeline.ports import PortInUseError, check_free


def listener(host: str = "127.0.0.1") -> socket.socket:
    """A program that listens on a port of its own."""
    return socket.create_server((host, 0))


def test_a_port_that_nobody_listens_on_is_free() -> None:
    with listener() as server:
        port = server.getsockname()[1]
    check_free(port)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_listened_on_is_named_with_what_to_do(host: str) -> None:
    with listener(host) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError) as refused:
            check_free(port)
    assert str(refused.value) == f"port {port} is in use: stop the program that listens on it, or choose another"


def test_the_check_leaves_the_port_to_its_caller() -> None:
    with listener() as server:
        port = server.getsockname()[1]
    check_free(port)
    with socket.create_server(("127.0.0.1", port)) as taken:
        assert taken.getsockname()[1] == port


def test_connections_that_linger_after_a_program_has_ended_do_not_hold_its_port() -> None:
    with listener() as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    check_free(address[1])


def test_an_address_of_another_machine_is_another_error() -> None:
    with pytest.raises(OSError, match="assign") as refused:
        check_free(0, host="192.0.2.1")
    assert refused.value.errno == errno.EADDRNOTAVAIL
    assert not isinstance(refused.value, PortInUseError)
