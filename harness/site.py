"""What a check holds: one deployment, what must hold there, and every way to look at it."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Unpack

from harness.contract import Contract
from harness.credentials import Credentials
from harness.defects import CLEAN, Variation
from harness.errors import HarnessError, ProbeFailed
from harness.evidence import current, waiting_for_target
from harness.faults.dependency import Faults
from harness.fuzz.corpus import Corpus
from harness.outcome import costs, floor, not_verified
from harness.principals import TENANT, ApiKey, BrowserSession, Role, Tokens, User
from harness.probes import waiting
from harness.probes.burst import BurstProbe
from harness.probes.calls import Calls
from harness.probes.database import DatabaseProbe
from harness.probes.described import DescribedProbe
from harness.probes.files import FileProbe
from harness.probes.fuzz import FuzzProbe
from harness.probes.hold import HoldProbe
from harness.probes.http import HttpProbe, Options
from harness.probes.load import LoadProbe
from harness.probes.logs import LogProbe
from harness.probes.openapi import OpenApiProbe
from harness.probes.pace import Pace
from harness.probes.packages import PackageProbe
from harness.probes.pressure import PressureProbe
from harness.probes.processes import ProcessProbe
from harness.probes.raw import RawProbe
from harness.probes.readback import ReadBackProbe
from harness.probes.reply import Reply
from harness.probes.server import ServerProbe
from harness.probes.starts import StartProbe
from harness.probes.stream import StreamProbe
from harness.probes.threads import ThreadsProbe
from harness.probes.timing import TimingProbe
from harness.probes.topology import TopologyProbe
from harness.probes.tries import TryProbe
from harness.probes.workers import Workers
from harness.probes.writes import WriteProbe
from harness.redaction import VAULT
from harness.runtimes import CannotShow, Deployment, Runtime, Specification
from harness.runtimes.readiness import Door, answers
from harness.scans.setup import Setup

if TYPE_CHECKING:
    from harness.policy import Policy
    from harness.probes.browser import BrowserProbe
    from harness.probes.forgery import Forger
    from harness.probes.rollout import RolloutProbe
    from harness.probes.rollouts import Rollouts
    from harness.probes.scans import ScanProbe
    from harness.probes.tls import TlsProbe

_RECOVERY_S: Final = 30.0  # a database that was killed reads its log again before it serves
_COUNT = itertools.count(1)


class Site:
    """One deployment as checks see it. Meant to live as long as the deployment, and to be shared by its
    checks.

    `settle` after each check takes back what it left behind; `close` before the deployment is stopped.
    """

    demanded_wait = staticmethod(waiting.demanded_wait)
    eventually = staticmethod(waiting.eventually)
    meanwhile = staticmethod(waiting.meanwhile)
    together = staticmethod(waiting.together)

    def __init__(
        self,
        *,
        deployment: Deployment,
        policy: Policy,
        contract: Contract,
        runtime: Runtime,
        twin: Callable[[str], Site],
        quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
        setup: Setup | None = None,
    ) -> None:
        """twin: returns the Site of another profile, brought up by whoever manages deployments.

        quiet: a block in which nothing else of the run uses the machine.
        setup: what scans are told of the run.
        """
        self.deployment = deployment
        self.policy = policy
        self.contract = contract
        self.runtime = runtime
        self.profile = deployment.specification.profile
        self.twin = twin
        self._quiet = quiet
        self._setup = setup or Setup()
        self._planted = CLEAN
        self.packages = PackageProbe(deployment, self._setup)
        auth_header = contract.http.auth_header
        VAULT.learn_all(deployment.secrets)
        quota = policy.rate.address
        pace = Pace(quota.quota, quota.window_s, exempt=policy.rate.exempt)
        self.http = HttpProbe(deployment, auth_header=auth_header, pace=pace)
        self.burst = BurstProbe(deployment, auth_header=auth_header, pace=pace)
        self.raw = RawProbe(deployment, auth_header=auth_header)
        self.timing = TimingProbe(deployment, auth_header=auth_header)
        self.hold = HoldProbe(deployment, auth_header=auth_header)
        self.server = ServerProbe(deployment)
        self.threads = ThreadsProbe(deployment)
        self.logs = LogProbe(deployment)
        self.database = DatabaseProbe(deployment)
        self.described = DescribedProbe(deployment, contract)
        self.files = FileProbe(deployment)
        self.processes = ProcessProbe(deployment)
        self.tries = TryProbe(deployment, runtime)
        self.starts = StartProbe(self.tries.start, contract)
        self.topology = TopologyProbe(deployment)
        self.stream = StreamProbe(deployment, auth_header=auth_header)
        self.faults = Faults(deployment)
        self.credentials = Credentials(self.http, contract, deployment.api_key)
        self.pressure = PressureProbe(deployment, contract=contract, credentials=self.credentials)
        self.readback = ReadBackProbe(self.http, self.burst, contract=contract, credentials=self.credentials)
        self.writes = WriteProbe(
            deployment, policy=policy, contract=contract, credentials=self.credentials, back=self.readback
        )
        self.openapi = OpenApiProbe(deployment, self.http, contract)
        self.load = LoadProbe(deployment, policy=policy, contract=contract, pace=pace, quiet=quiet)
        self.fuzz = FuzzProbe(
            deployment,
            policy=policy,
            contract=contract,
            credentials=self.credentials,
            openapi=self.openapi,
            pace=pace,
            quiet=quiet,
            # What was found behind a planted defect is to be found again, not remembered.
            corpus=None if self._setup.rehearsal else Corpus(),
            until_failure=self._setup.rehearsal,  # one is enough for a planted defect to be caught
            target=self._setup.target.label if self._setup.target else "",
        )

    @cached_property
    def tls(self) -> TlsProbe:
        """Handshakes, scans and Mozilla's profile."""
        from harness.probes.tls import TlsProbe  # sslyze takes half a second to import

        return TlsProbe(self.deployment)

    @cached_property
    def scans(self) -> ScanProbe:
        """Scanners of code, packages and secrets."""
        from harness.probes.scans import ScanProbe  # detect-secrets is slow to import

        return ScanProbe(self.deployment, self.packages, self._setup)

    def quiet(self) -> AbstractContextManager[None]:
        """Return a block in which nothing else of the run uses the machine."""
        costs("measuring")
        return self._quiet()

    @property
    def rollout(self) -> RolloutProbe:
        """Releases put into service, and returned to. Raises NotVerified where none can stand beside it."""
        costs("rollout")
        return self._rollouts.probe(self._planted)

    @cached_property
    def _rollouts(self) -> Rollouts:
        from harness.probes.rollouts import Rollouts

        try:
            stage, workshop = self.deployment.stage(), self.runtime.workshop(self.profile)
        except CannotShow as cause:
            not_verified(str(cause))
        # An edge that checks nothing answers before every replica does.
        floor(self.ready(within_s=_RECOVERY_S), "not every replica answers at its own door")
        return Rollouts(stage, self.policy.releases.watch, self.writes, workshop)

    @cached_property
    def browser(self) -> BrowserProbe:
        """A real Chromium."""
        from harness.probes.browser import BrowserProbe  # playwright is slow to import

        return BrowserProbe(self.deployment)

    def key(self, role: Role = "writer", tenant: str = TENANT) -> ApiKey:
        """Return a fresh API key; see `Credentials.key`."""
        return self.credentials.key(role, tenant)

    def user(self, role: Role = "writer", tenant: str = TENANT) -> User:
        """Return a fresh user."""
        return self.credentials.user(role, tenant)

    def tokens(self, key: ApiKey | None = None) -> Tokens:
        """Return tokens issued to `key`, or to a fresh writer."""
        return self.credentials.tokens(key)

    def login(self, user: User | None = None) -> BrowserSession:
        """Log `user`, or a fresh writer, in."""
        return self.credentials.login(user)

    def present(self, **options: Unpack[Options]) -> Reply:
        """Begin a recording with whatever credential `options` present; every contract guards that route.

        Raises NotVerified when the answer decides nothing on the credential: none, or "not now".
        """
        sent: Options = {"json": {"recordingId": f"rec-{secrets.token_hex(8)}"}, **options}
        reply = self.http.post(self.contract.path("recordings.started"), **sent)
        floor(reply.decided, f"no decision was made on a credential: {reply.status or reply.error}")
        return reply

    def recording(self, key: ApiKey | None = None, *, recording_id: str = "") -> str:
        """Begin a recording; return its id."""
        return self.credentials.recording(key, recording_id=recording_id)

    def forger(self, tokens: Tokens | None = None) -> Forger:
        """Return a forger of tokens like these, or like a fresh writer's."""
        from harness.probes.forgery import forger

        return forger(tokens or self.tokens(), self.deployment.secrets.values())

    def calls(self) -> Calls:
        """Return a maker of valid requests for every route, and of callers in every role."""
        return Calls(self.contract, self.credentials)

    def workers(self) -> Workers:
        """Return one connection to every worker of the policy, in each replica; a context manager."""
        health = self.contract.capabilities.health
        if health is None or health.detail is None:
            not_verified("the contract names no guarded detail, which tells the workers apart")
        return Workers(
            self.deployment,
            detail=self.contract.path("health.detail"),
            key=self.key("admin"),
            wanted=self.policy.server.workers,
            auth_header=self.contract.http.auth_header,
        )

    @property
    def check_deadline(self) -> float:
        """`time.monotonic()` second at which the current check is to have ended."""
        recorder = current()
        return recorder.deadline if recorder else float("inf")

    @contextmanager
    def another(self) -> Iterator[Site]:
        """Bring up a further deployment like this one, beside it; stop it at the end of the block."""
        if self.runtime.name == "external":
            raise CannotShow("the target was up already: the harness cannot bring up a second one")
        specification = Specification(
            profile=self.profile,
            variation=self.deployment.specification.variation,
            instance=f"another-{next(_COUNT)}",
        )
        with waiting_for_target():
            deployment = self.runtime.start(specification)
        other = Site(
            deployment=deployment,
            policy=self.policy,
            contract=self.contract,
            runtime=self.runtime,
            twin=self.twin,
            quiet=self._quiet,
            setup=self._setup,
        )
        try:
            yield other
        finally:
            other.settle()
            other.close()
            deployment.stop()

    def ready(self, *, within_s: float) -> bool:
        """Wait until all replicas and the edge answer, and it sends requests to each; return whether so.

        A replica that is ready again is known to the edge only a moment later.
        """
        urls = (self.deployment.base_url, *self.deployment.replica_urls)
        path = f"{self.contract.http.base_path}{self.contract.launch.ready_path}"
        doors = [Door(base_url=url, path=path, host_name=self.deployment.host_name) for url in urls]
        return self.eventually(lambda: all(map(answers, doors)) and self._each_serves(), timeout_s=within_s)

    def plant(self, planted: Variation) -> None:
        """Let the edge, or the releases that are tried here, have a defect until the next `settle`."""
        self._planted = planted
        if planted.of_edge.changes:
            self._change_edge(planted.of_edge)

    def settle(self) -> bool:
        """Take back every fault that a check left behind, and wait until every replica has got over it.

        Return whether the next check may have the deployment: a defect that was planted may have broken it.
        """
        if self.faults.restore():
            self.ready(within_s=_RECOVERY_S)
        planted, self._planted = self._planted, CLEAN
        if planted.of_edge.changes and not self._edge_restored():
            return False
        return not planted.changes or all(probe.restore() for probe in self._used("_rollouts"))

    def forget(self) -> None:
        """Settle, and forget what checks share of what was measured: it is to be measured anew."""
        planted = self._planted
        self.settle()
        self.plant(planted)
        for probe in self._used("_rollouts"):
            probe.forget()

    def _each_serves(self) -> bool:
        try:
            return self.deployment.serving() >= len(self.deployment.replica_urls)
        except CannotShow:
            return True  # no edge stands before it, or none that tells
        except ProbeFailed:
            return False

    def _change_edge(self, variation: Variation) -> None:
        self.deployment.change_edge(variation)
        self.http.close()  # kept connections led to the edge before

    def _edge_restored(self) -> bool:
        try:
            self._change_edge(CLEAN)
        except HarnessError:
            return False
        except CannotShow:
            return True  # there is no edge that a defect was planted in
        return True

    def close(self) -> None:
        """End the connections and the browser. The deployment itself stays up."""
        self.http.close()
        for probe in self._used("browser", "_rollouts"):
            probe.close()

    def _used(self, *names: str) -> list[Any]:
        """Return those of the probes named that a check has used.

        By name: what is settled after every check would else count as used by every check, for its proofs.
        """
        return [self.__dict__[name] for name in names if name in self.__dict__]
