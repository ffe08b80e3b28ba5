"""A POST speaks to whom it may, waits no longer than it should, and tells nothing of what it sent."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.exporters.conftest import Receiver

from apisec_otel.exporters.client import ClientTls
from apisec_otel.exporters.post import Answer, Post, is_public


def sent(url: str, *, allow_private: bool = True, timeout: float = 10, tls: ClientTls | None = None) -> Answer:
    return Post(url, timeout=timeout, allow_private=allow_private, tls=tls).send(b"{}", {"X-Key": "s3cret"}, 1_760_000_000)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"])
def test_whatever_name_a_private_target_has_it_is_never_spoken_to(receiver: Receiver, name: str) -> None:
    port = receiver.url.rpartition(":")[2]
    answer = sent(f"http://{name}:{port}/s3cret", allow_private=False)
    assert answer.later and "private; set allow_private" in answer.message and "s3cret" not in answer.message
    assert not receiver.bodies


def test_the_address_that_was_looked_at_is_the_one_that_is_spoken_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers otherwise each time is asked once."""
    port, asked = int(receiver.url.rpartition(":")[2]), []

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("10.0.0.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert "private" in sent(f"http://hooks.example.org:{port}", allow_private=False).message
    assert asked == ["hooks.example.org"] and not receiver.bodies


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.8", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:192.168.1.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    ],
)
def test_which_addresses_are_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_which_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_an_answer_is_told_in_our_words(receiver: Receiver) -> None:
    receiver.answers += [(400, {"X-Echo": "s3cret"}), (302, {"Location": "http://10.0.0.1/s3cret"}), (599, {})]
    messages = [sent(receiver.url).message for _ in range(3)]
    assert messages == ["it answered 400 Bad Request", "it answered 302 Found: redirects are not followed", "it answered 599"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 09 Oct 2025 08:53:30 GMT", 10.0),
        ("Thu, 09 Oct 2025 08:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("²", None),
    ],
)
def test_when_to_come_again(receiver: Receiver, value: str, seconds: float | None) -> None:
    receiver.answers.append((503, {"Retry-After": value}))
    assert sent(receiver.url).retry_after == seconds


@pytest.mark.parametrize("said", [b"what?\r\n\r\n", b"", b"HTTP/1.1 abc def\r\n\r\n"])
def test_what_is_no_answer_may_be_one_later(listening: Callable[[bytes], str], said: bytes) -> None:
    answer = sent(listening(said))
    assert answer.status == 0 and answer.later


def test_who_says_a_byte_now_and_then_is_not_waited_for(dripping: str) -> None:
    assert sent(dripping, timeout=0.5).later


def test_who_is_not_there_may_be_there_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert sent(f"http://127.0.0.1:{taken.getsockname()[1]}").message.startswith("ConnectionRefusedError")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_server_is_trusted_as_it_is_said(tmp_path: Path, listening: Callable[..., str]) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert "CERTIFICATE_VERIFY_FAILED" in sent(listening(said, context)).message
    assert sent(listening(said, context), tls=ClientTls(ca_file=str(cert))).taken
    assert not sent(listening(said, context), tls=ClientTls(ca_file=str(cert), server_name_override="other.example.org")).taken


@pytest.fixture
def listening() -> Callable[..., str]:
    """Makes a server that says these bytes to the first who connects, whatever it is asked; answers its URL."""

    def listen(said: bytes, context: ssl.SSLContext | None = None) -> str:
        server = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with server, server.accept()[0] as plain:
                try:
                    with context.wrap_socket(plain, server_side=True) if context else plain as connected:
                        connected.recv(4096)
                        connected.sendall(said)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        return f"http{'s' if context else ''}://localhost:{server.getsockname()[1]}"

    return listen


@pytest.fixture
def dripping() -> str:
    """The URL of a server that never comes to an end."""
    server, ended = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with server, server.accept()[0] as connected:
            connected.sendall(b"HTTP/1.1 ")
            while not ended.wait(0.05):
                try:
                    connected.sendall(b"x")
                except OSError:
                    return

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"
