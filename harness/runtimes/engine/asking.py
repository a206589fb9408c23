"""Asking Docker: whether it is there, and what becomes of its refusals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
from docker.errors import APIError, DockerException

from harness.errors import RuntimeUnavailable

_SOCKET = "/var/run/docker.sock"
_ANSWER_S = 3.0
_NO_DOCKER = "Start Docker, or use --runtime process; `harness doctor` says what this machine can do."


def docker_answers() -> bool:
    """Whether a Docker daemon answers within 3 s."""
    if not has_socket():
        return False
    try:
        with closing(docker.from_env(timeout=_ANSWER_S)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def has_socket() -> bool:
    """Whether the local socket stands: asked in vain, docker-py leaves its own end open."""
    scheme, _, path = os.environ.get("DOCKER_HOST", f"unix://{_SOCKET}").partition("://")
    return scheme != "unix" or Path(path).exists()


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever Docker answers, or does not answer, into `RuntimeUnavailable`."""
    try:
        yield
    except (DockerException, OSError) as cause:
        if isinstance(cause, APIError) and cause.status_code is not None:
            explanation = str(cause.explanation or cause)
            if "no space left on device" in explanation:
                raise RuntimeUnavailable(
                    f"{what}: the disk is full",
                    remedy="Free some space; `docker system df` shows what is used.",
                ) from None
            raise RuntimeUnavailable(
                f"{what}: Docker refused: {explanation}", remedy="Correct what Docker names."
            ) from None
        raise RuntimeUnavailable(f"{what}: Docker does not answer ({cause})", remedy=_NO_DOCKER) from None
