"""One request to a deployment of the small application, as the tests need it."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.runtimes.pki import HOST_NAME


def ask(base_url: str, ca_file: Path | None = None, path: str = "/") -> dict[str, Any]:
    """Return what it answers; TLS is verified against `ca_file`."""
    parts = urlsplit(base_url)
    address = (parts.hostname or "", parts.port)
    connection: http.client.HTTPConnection
    if ca_file:
        context = ssl.create_default_context(cafile=str(ca_file))
        connection = http.client.HTTPSConnection(*address, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": HOST_NAME})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def shown_fingerprint(base_url: str) -> str:
    """Return the SHA-256 fingerprint of the certificate that a server shows."""
    parts = urlsplit(base_url)
    pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
