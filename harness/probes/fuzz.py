"""Campaigns of fuzzing on one deployment: as callers of its own, within its quotas, for a time."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

import orjson

from harness.contract import Contract
from harness.credentials import Credentials
from harness.evidence import record, waiting_for_target
from harness.fuzz.corpus import Corpus, without_secrets
from harness.fuzz.exhibits import exhibits
from harness.fuzz.levels import unfit
from harness.fuzz.message import Message
from harness.fuzz.oracles import Complaint, Judge
from harness.fuzz.order import Order, Reached
from harness.fuzz.plan import Plan
from harness.fuzz.records import Failure, FuzzResult
from harness.fuzz.running import Progress, fuzz, in_silence
from harness.outcome import NotVerified
from harness.policy import Policy
from harness.probes.exchange import exchange
from harness.probes.message import compose
from harness.probes.openapi import OpenApiProbe
from harness.probes.pace import Pace
from harness.probes.peer import find_peer
from harness.probes.wire import Line
from harness.records import Exchange, Json, Observation
from harness.runtimes import Deployment

# Of the quotas: an account's other half is for what it did before, the address's for what else asks.
_OF_KEY: Final = 0.8
_OF_ADDRESS: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A failure's request once more, and what is wrong with its answer."""

    exchange: Exchange
    complaints: tuple[Complaint, ...]


class FuzzProbe:
    """Fuzzes one deployment. corpus: of failures to begin with and to keep, None to do neither.

    quiet: a block in which nothing else of the run uses the machine.
    until_failure: whether one failure is all that is looked for.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        policy: Policy,
        contract: Contract,
        credentials: Credentials,
        openapi: OpenApiProbe,
        pace: Pace,
        quiet: Callable[[], AbstractContextManager[None]],
        corpus: Corpus | None,
        until_failure: bool,
        target: str,
    ) -> None:
        self._deployment = deployment
        self._policy = policy
        self._contract = contract
        self._credentials = credentials
        self._openapi = openapi
        self._pace = pace
        self._quiet = quiet
        self._corpus = corpus
        self._until_failure = until_failure
        self._target = target

    def campaign(
        self,
        *,
        budget_s: float | None = None,
        seed: int | None = None,
        progress: Progress = in_silence,
        read_only: bool = False,
    ) -> FuzzResult:
        """Fuzz for a time (the policy's if not given), and record what it came to.

        seed: of every choice; one is drawn where none is given. read_only: only what changes nothing.
        Raises `ProbeFailed` where the description cannot be read, NotVerified where there is none or no
        caller can be made.
        """
        kept = self._corpus.of(self._target) if self._corpus else ()
        order = self._order(
            self._policy.fuzz.budget_s if budget_s is None else budget_s,
            secrets.randbits(32) if seed is None else seed,
            tuple((one.failure.caller, one.failure.message) for one in kept if not read_only),
            read_only=read_only,
        )
        self._pace.take("fuzz", order.per_address)  # what else was sent counts against the same quota
        with waiting_for_target():
            result = fuzz(order, progress=progress, until_failure=self._until_failure)
        self._pace.take("fuzz", order.per_address)
        result = replace(result, failures=tuple(map(without_secrets, result.failures)))
        if self._corpus:
            profile = self._deployment.specification.profile
            self._corpus.keep(result.failures, target=self._target, profile=profile, seed=result.seed)
        _record(result)
        return result

    def decided(self) -> FuzzResult:
        """Return a campaign of the policy's length; one that proves nothing is made again.

        The second one is on a quiet machine: other work may have left the first too little time.
        """
        result = self.campaign()
        if not result.failures and unfit(result, self._policy.fuzz):
            with self._quiet():
                result = self.campaign()
        return result

    def replay(self, failure: Failure) -> Replay:
        """Send a failure's request once more, as whom it was sent, and judge the answer."""
        plan, message = Plan(self._contract, self._policy, self._credentials), failure.message
        document = self._openapi.document
        known = {one.name: one for one in plan.operations(document)}
        if message.operation not in known:
            raise NotVerified(f"the description names no {message.operation} any more")
        caller = plan.callers.get(failure.caller) or plan.callers[known[message.operation].allowed[0]]
        request = compose(
            message.method,
            f"{self._contract.http.base_path}{message.target}",
            headers=[*caller.fields, *message.fields],
            content=message.content,
        )
        peer = find_peer(self._deployment)
        line = Line(peer)
        with waiting_for_target():
            reply = line.ask(request.encode(peer.authority), method=message.method)
        line.close()
        judge = Judge(unversioned=self._policy.headers.unversioned, public=orjson.dumps(document).decode())
        return Replay(
            exchange=exchange(peer, request, reply, size=len(reply.body)),
            complaints=judge.complaints(message, reply),
        )

    def _reading(self) -> Plan:
        """Return a plan that makes nobody: with the key that was given, and without any."""
        contract = self._contract.unmanaged()
        return Plan(contract, self._policy, self._credentials.under(contract), read_only=True)

    def _order(
        self, budget_s: float, seed: int, kept: tuple[tuple[str, Message], ...], *, read_only: bool
    ) -> Order:
        peer, rate = find_peer(self._deployment), self._policy.rate
        plan = self._reading() if read_only else Plan(self._contract, self._policy, self._credentials)
        document = self._openapi.document
        operations = plan.operations(document)
        return Order(
            peer=Reached(
                host=peer.host,
                port=peer.port,
                tls=peer.tls,
                name=peer.name,
                authority=peer.authority,
                ca_file=str(peer.ca_file or ""),
            ),
            base_path=self._contract.http.base_path,
            description=document,
            operations=operations,
            callers=tuple(plan.callers.values()),
            unversioned=self._policy.headers.unversioned,
            seed=seed,
            budget_s=budget_s,
            window_s=rate.address.window_s,
            per_key=int(rate.key.quota * _OF_KEY * rate.address.window_s / rate.key.window_s),
            per_address=int(rate.address.quota * _OF_ADDRESS),
            kept=kept,
        )


def _record(result: FuzzResult) -> None:
    statuses: dict[str, Json] = {str(status): count for status, count in result.statuses.items()}
    failures: list[Json] = [f"{failure.id} {failure}" for failure in result.failures]
    trouble: list[Json] = [*result.trouble]
    record(
        Observation(
            subject=f"fuzzing: {result.total} cases of {len(result.counts)} operations, seed {result.seed}",
            data={
                "seed": result.seed,
                "budget_s": result.budget_s,
                "elapsed_s": result.elapsed_s,
                "statuses": statuses,
                "failures": failures,
                "trouble": trouble,
            },
        )
    )
    for exhibit in exhibits(result):
        record(exhibit)
