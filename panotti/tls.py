"""TLS as Mozilla's intermediate profile asks for it, and certificates replaced while connections live."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from panotti.errors import StartError

# Mozilla's guidelines 5.7, intermediate, without the DHE suites (they need parameters of their own).
CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
# Python 3.11 can name one group or leave OpenSSL's list, which has secp521r1 and X448 outside the profile.
CURVE = "prime256v1"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of the TLS listener. Raises StartError naming the files if they do not serve."""
    context = _configured()
    try:
        _load(context, certificate, key)
    except OSError as error:
        message = f"tls_cert_file {certificate} and tls_key_file {key} cannot be used: {error}"
        raise StartError([message]) from error
    return context


def replace_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """New connections of the live `context` get the files' certificate; present ones keep theirs.

    Raises OSError (ssl.SSLError is one) and changes nothing if the files cannot be read or do not belong
    together, as when only one of the two has been replaced yet.
    """
    _load(context, certificate, key)


def _configured() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_ecdh_curve(CURVE)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # A pair that does not match would leave the live context half changed, so both are read once and tried on
    # a context of their own first.
    with ExitStack() as stack:
        chain, private = (stack.enter_context(_copy(path.read_bytes())) for path in (certificate, key))
        # An encrypted key fails on the empty password instead of asking the terminal for one.
        _configured().load_cert_chain(chain, private, password="")
        context.load_cert_chain(chain, private, password="")


@contextmanager
def _copy(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can read `content` from, in memory: the file system may be read-only."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
