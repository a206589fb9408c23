"""What stands behind the attributes of a class."""

from __future__ import annotations

from harness.ledger.attributes import Behind, attributes_of, mentioned

SOURCE = """
from functools import cached_property
from typing import TYPE_CHECKING
from probes import waiting
from probes.http import Http as Plain
from probes.calls import Calls, Pace

class Other:
    unrelated = Calls()

class Site:
    later = staticmethod(waiting.later)

    def __init__(self, deployment):
        pace = Pace()
        self.deployment = deployment
        self.http = Plain(deployment, pace)
        self.keys = Keys(self.http)

    @cached_property
    def tls(self) -> "Tls":
        from probes.tls import Tls

        return Tls(self.deployment)

    def calls(self):
        return [Calls(self.keys) for _ in range(2)]
"""
KNOWN = {"probes.waiting", "probes.http", "probes.calls", "probes.tls", "functools", "typing"}


def behind(*modules: str, uses: tuple[str, ...] = ()) -> Behind:
    return Behind(modules=frozenset(modules), uses=frozenset(uses))


def test_attributes_and_methods_have_their_modules_and_what_they_use() -> None:
    assert attributes_of(SOURCE, "Site", KNOWN) == {
        "later": behind("probes.waiting"),
        "deployment": behind(),
        "http": behind("probes.http"),
        "keys": behind(uses=("http",)),
        "tls": behind("probes.tls", uses=("deployment",)),
        "calls": behind("probes.calls", uses=("keys",)),
    }


def test_looked_up_names_and_texts_are_mentions_but_not_bare_names_or_comments() -> None:
    source = "def check(site, rollout):\n    site.http.get()\n    getattr(site, 'tls')  # not site.load\n"

    assert {"http", "get", "tls"} <= mentioned(source)
    assert not {"site", "rollout", "load"} & mentioned(source)
