"""What Docker tells of a container is enough to start another one like it."""

from __future__ import annotations

from harness.runtimes.likeness import like

IMAGE = {"Config": {"Env": ["PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=1"]}}
TOLD = {
    "Image": "sha256:abc",
    "Config": {
        "User": "10001:10001",
        "Env": ["PROFILE=a=b", "PATH=/usr/bin", "PYTHONDONTWRITEBYTECODE=0"],
    },
    "HostConfig": {
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": None,
        "Memory": 512,
        "MemorySwap": 512,
        "Binds": ["/run/x:/run/secrets:ro", "/run/y:/data"],
        "Tmpfs": {"/tmp": "size=1m"},
        "RestartPolicy": {"Name": "unless-stopped"},
    },
}


def test_the_containers_own_variables_are_kept_and_those_of_its_image_are_not():
    assert like(TOLD, IMAGE).environment == {"PROFILE": "a=b", "PYTHONDONTWRITEBYTECODE": "0"}


def test_limits_and_hardening_come_along_and_the_restart_policy_does_not():
    assert like(TOLD, IMAGE).options == {
        "user": "10001:10001",
        "read_only": True,
        "cap_drop": ["ALL"],
        "mem_limit": 512,
        "memswap_limit": 512,
    }


def test_mounts_keep_their_mode():
    request = like(TOLD, IMAGE)

    assert request.image == "sha256:abc"
    assert request.mounts == (("/run/x", "/run/secrets", "ro"), ("/run/y", "/data", "rw"))
    assert request.tmpfs == {"/tmp": "size=1m"}
