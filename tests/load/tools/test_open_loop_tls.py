"""Open-loop load on a service over TLS, as in the checks of a deployment."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from load.tools import open_loop

TOKEN = "Bearer abc"  # noqa: S105 - a token of this test


class _Private(BaseHTTPRequestHandler):
    """Server that answers 200 to requests with the token, and 403 to others."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.headers["Authorization"] == TOKEN else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _certificate(folder: Path) -> Path:
    """Write a certificate of the loopback address, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(encoding)
    )
    return path


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return the port of a private service whose certificate is trusted."""
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Private) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("headers", "failed"), [({"Authorization": TOKEN}, 0), ({"Authorization": "no"}, 20)]
)
def test_headers_authorize_at_a_private_service_over_tls(
    port: int, headers: dict[str, str], failed: int
) -> None:
    """Every request carries them; refused requests count as failed."""
    requests = open_loop.http_requests([b"{}"], port, headers=headers)
    run = open_loop.run(port, requests, open_loop.constant(40, 0.5), connections=2, tls=True)
    assert (run.arrivals, run.failed) == (20, failed)


def test_an_untrusted_certificate_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is verified before the token is sent."""
    monkeypatch.delenv("SSL_CERT_FILE")
    requests = open_loop.http_requests([b"{}"], port)
    with pytest.raises(ssl.SSLCertVerificationError):
        open_loop.run(port, requests, open_loop.constant(10, 0.1), connections=1, tls=True)
