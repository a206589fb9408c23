"""Container options: hardened unless said otherwise, changed one by one."""

from __future__ import annotations

import pytest

from harness.contract import Container as Declared
from harness.contract import Launch
from harness.defects import Container, container
from harness.errors import HarnessError
from harness.runtimes.hardening import harden, tmpfs


def _changed(**options: str | bool | None) -> tuple[Container, ...]:
    return tuple(change for change in container("", **options).changes if isinstance(change, Container))


def test_the_defaults_are_hardened() -> None:
    hardening = harden(Declared(), ())

    assert hardening.options["read_only"]
    assert hardening.options["cap_drop"] == ["ALL"]
    assert hardening.options["security_opt"] == ["no-new-privileges"]
    assert hardening.options["memswap_limit"] == hardening.options["mem_limit"]
    assert hardening.publish == "127.0.0.1"
    assert hardening.owner == (10001, 10001)


def test_every_option_can_be_changed() -> None:
    hardening = harden(
        Declared(),
        _changed(
            user="0",
            read_only=False,
            privileged=True,
            cap_drop=None,
            cap_add="NET_ADMIN,SYS_TIME",
            security_opt="",
            pids_limit=None,
            nano_cpus="500000000",
            mem_limit=None,
            publish="0.0.0.0",
            mount="/var/run/docker.sock:/var/run/docker.sock:rw",
            environment="TOKEN=abc=d",
        ),
    )

    assert hardening.options == {
        "user": "0",
        "read_only": False,
        "privileged": True,
        "cap_drop": [],
        "cap_add": ["NET_ADMIN", "SYS_TIME"],
        "security_opt": [],
        "nano_cpus": 500_000_000,
    }
    assert hardening.publish == "0.0.0.0"
    assert hardening.mounts == [("/var/run/docker.sock", "/var/run/docker.sock", "rw")]
    assert hardening.environment == {"TOKEN": "abc=d"}
    assert hardening.owner == (0, 0)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(HarnessError, match='did you mean "cap_drop"'):
        harden(Declared(), _changed(capdrop="ALL"))


@pytest.mark.parametrize("user", ["", "nobody", "1000:users"])
def test_a_user_by_name_has_no_numbers(user: str) -> None:
    assert harden(Declared(user=user), ()).owner is None


def test_writable_places_belong_to_the_user() -> None:
    places = tmpfs(Launch(), (10001, 10001))

    assert set(places) == {"/tmp", "/data", "/run/panotti"}
    assert all("uid=10001,gid=10001,mode=0700" in text and "noexec" in text for text in places.values())
    assert all("mode=1777" in text for text in tmpfs(Launch(), None).values())


def test_a_contract_adds_writable_places() -> None:
    launch = Launch(container=Declared(tmpfs={"/app/data": "size=8m"}))

    assert tmpfs(launch, None)["/app/data"] == "size=8m"
