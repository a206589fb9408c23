"""A service of a Compose file as Docker is asked for it."""

from __future__ import annotations

from pathlib import Path

from harness.runtimes import services
from harness.topology.schema import Service


def _service(**fields):
    return Service(image="web:1", **fields)


def test_limits_and_hardening_become_options():
    options = services.hardening(
        _service(
            cpus=0.5,
            mem_limit="64m",
            cap_drop=("ALL",),
            restart="always",
        )
    ).options

    assert options["nano_cpus"] == 500_000_000
    assert (options["mem_limit"], options["cap_drop"]) == ("64m", ["ALL"])
    assert "restart_policy" not in options, "a start that fails is not tried again"
    assert "user" not in options


def test_ports_are_published_where_the_file_says():
    published = services.ports(_service(ports=("127.0.0.1:8443:443", "127.0.0.1::80", "99:99")))

    assert published == {443: ("127.0.0.1", 8443), 80: ("127.0.0.1", None), 99: ("0.0.0.0", 99)}


def test_mounts_know_volumes_and_paths_beside_the_file():
    found = services.mounts(
        _service(volumes=("data:/data", "./a.cfg:/etc/a.cfg:ro", "/x:/y:ro")),
        {"data": "real-data"},
        Path("/project/deploy"),
    )

    assert found == [
        ("real-data", "/data", "rw"),
        ("/project/deploy/a.cfg", "/etc/a.cfg", "ro"),
        ("/x", "/y", "ro"),
    ]


def test_file_systems_in_memory_keep_their_options():
    assert services.tmpfs(_service(tmpfs=("/tmp:size=1m,noexec",))) == {"/tmp": "size=1m,noexec"}
