"""A real Chromium on a page of any origin: what a browser lets a page do with the target. The only
importer of playwright.

All of Playwright runs in one thread of its own, since its event loop would get into the way of everybody
else's.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, Unpack
from urllib.parse import urlsplit

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Error, Page, Playwright, Response, sync_playwright

from harness.errors import ProbeFailed
from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.principals import BrowserSession
from harness.probes.pages import SANDBOX, Pages
from harness.probes.peer import Peer, find_peer
from harness.probes.scripts import FETCH, SUBMIT, FetchOptions, cookie_of, fetch_arguments
from harness.records import Json, Observation
from harness.redaction import VAULT
from harness.runtimes import Deployment

T = TypeVar("T")
PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Where interfaces change it would reload its error page, and that ends the next try.
    "--disable-auto-reload",
    # The testing profile lists https origins and speaks plain HTTP; mixed content is not what is tested.
    "--allow-running-insecure-content",
    "--disable-features=LocalNetworkAccessChecks,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
)
_TIMEOUT_MS: Final = 10_000
_SHOWN: Final = 500
_DISTURBED: Final = "net::ERR_NETWORK_CHANGED"
_OVERTAKEN: Final = "interrupted by another navigation"  # the error page of one that was given up
_DISTURBED_S: Final = 15.0
_RESTLESS: Final = "the browser gave its requests up: network interfaces of this machine come and go"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserAnswer:
    """What the page's script got. status 0: the browser gave it nothing, and `error` says what the script
    saw.

    headers: those that the script may read. console: what the browser wrote there meanwhile.
    """

    status: int
    type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    console: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether the browser let the script read the answer."""
        return self.status > 0


class BrowserPage:
    """A page on one origin, in a browser profile of its own."""

    def __init__(self, peer: Peer, origin: str, page: Page, context: BrowserContext) -> None:
        self.origin = origin
        self._peer = peer
        self._page = page
        self._context = context
        self._console: list[str] = []
        page.on("console", lambda message: self._console.append(VAULT.text(message.text)))

    def fetch(self, path: str, **options: Unpack[FetchOptions]) -> BrowserAnswer:
        """Call fetch() on the target from the page's script."""
        told = fetch_arguments(options)
        answer = self._undisturbed([f"{self._peer.url}{path}", told])
        return self._answered(
            f"{told.get('method', 'GET')} {path} by fetch()",
            status=answer["status"],
            type=answer["type"],
            headers=dict(answer["headers"]),
            body=answer["body"],
            error=answer["error"],
        )

    def _undisturbed(self, arguments: list[object]) -> Any:
        """Return what the script got. Raises NotVerified when this machine's network never kept still.

        Chromium gives every request up when any interface of the machine comes or goes, and Docker's do with
        each container: such an end is no answer of the target, and tells nothing about it.
        """
        deadline = time.monotonic() + _DISTURBED_S
        while time.monotonic() < deadline:
            answer = _in_browser(lambda: self._page.evaluate(FETCH, arguments))
            if answer["status"] or not any(_DISTURBED in line for line in self._console):
                return answer
            self._console.clear()
        raise NotVerified(_RESTLESS)

    def submit(self, path: str, fields: Mapping[str, str], *, method: str = "POST") -> BrowserAnswer:
        """Send a form to the target, as a forged page would; the page itself moves there."""

        def send() -> Response | None:
            with self._page.expect_navigation(timeout=_TIMEOUT_MS, wait_until="commit") as moved:
                self._page.evaluate(SUBMIT, [f"{self._peer.url}{path}", method, dict(fields)])
            return moved.value

        try:
            status = _in_browser(lambda: _status(send()))
            return self._answered(f"{method} {path} by a form", status=status)
        except Error as cause:
            return self._answered(f"{method} {path} by a form", status=0, error=cause.message.splitlines()[0])

    def cookies(self) -> dict[str, str]:
        """Return the target's cookies that this browser holds."""
        found = _in_browser(lambda: self._context.cookies(self._peer.url))
        return {str(cookie.get("name")): str(cookie.get("value")) for cookie in found}

    def _answered(self, what: str, **answer: Any) -> BrowserAnswer:
        console, self._console = tuple(self._console), []
        result = BrowserAnswer(console=console, **answer)
        readable: dict[str, Json] = {
            name: VAULT.header(name, value) for name, value in result.headers.items()
        }
        lines: list[Json] = [*console]
        record(
            Observation(
                subject=f"Chromium on a page of {self.origin}: {what}",
                data={
                    "status": result.status,
                    "type": result.type,
                    "error": result.error,
                    "readable_headers": readable,
                    "body": VAULT.body(result.body)[:_SHOWN],
                    "console": lines,
                },
            )
        )
        return result


class BrowserProbe:
    """A browser for one deployment, launched when it is first used. Raises NotVerified where there is
    none."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._chromium: Chromium | None = None
        self._peer: Peer | None = None

    @contextmanager
    def page(self, origin: str, *, session: BrowserSession | None = None) -> Iterator[BrowserPage]:
        """Open a page on `origin` ("null": one without an origin); `session` is put among the browser's
        cookies."""
        peer = self._peer = self._peer or find_peer(self._deployment)
        with waiting_for_target():
            opened = _in_browser(lambda: self._open(peer, origin, session))
        try:
            yield opened
        finally:
            _in_browser(opened._context.close)  # noqa: SLF001 - its own page

    def fetch(
        self,
        origin: str,
        path: str,
        *,
        session: BrowserSession | None = None,
        **options: Unpack[FetchOptions],
    ) -> BrowserAnswer:
        """Call fetch() once from a page on `origin`."""
        with self.page(origin, session=session) as page:
            return page.fetch(path, **options)

    def close(self) -> None:
        """End the browser. The probe can be used again."""
        if self._chromium is not None:
            _in_browser(self._chromium.close)
            self._chromium = None
            _DRIVER.leave()

    def _open(self, peer: Peer, origin: str, session: BrowserSession | None) -> BrowserPage:
        if self._chromium is None:
            self._chromium = _DRIVER.launch(peer)
        context = self._chromium.new_context(ignore_https_errors=True)
        try:
            context.set_default_timeout(_TIMEOUT_MS)
            if session is not None:
                context.add_cookies([cookie_of(peer, session)])
            page = _opened(
                context, f"https://sandboxed.example{SANDBOX}" if origin == "null" else f"{origin}/"
            )
        except NotVerified:
            context.close()
            raise
        except Error as cause:
            context.close()
            raise ProbeFailed(
                f"no page could be opened on {origin}: {cause.message.splitlines()[0]}"
            ) from None
        return BrowserPage(peer, origin, page, context)


class _Driver:
    """Playwright and the page server, shared by all browsers of this process; they end with the last
    browser."""

    def __init__(self) -> None:
        self._users = 0
        self._playwright: Playwright | None = None
        self._pages: Pages | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def run(self, call: Callable[[], T]) -> T:
        """Run `call` in Playwright's thread."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
            pool = self._pool
        return pool.submit(call).result()

    def launch(self, peer: Peer) -> Chromium:
        """Start a browser that finds the target under its name, and every other name at the page server."""
        program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
        if program is None:
            raise NotVerified(
                "no browser on this machine: install Debian's package chromium (make setup does)"
            )
        self._playwright = self._playwright or sync_playwright().start()
        self._pages = self._pages or Pages()
        rules = f"MAP {urlsplit(peer.url).netloc} {peer.host}:{peer.port},MAP * 127.0.0.1:{self._pages.port}"
        self._users += 1
        try:
            return self._playwright.chromium.launch(
                executable_path=program, args=[*_ARGUMENTS, f"--host-resolver-rules={rules}"]
            )
        except Error as cause:
            self._end_unused()
            raise NotVerified(f"the browser does not start: {cause.message.splitlines()[0]}") from None

    def leave(self) -> None:
        """One browser less."""
        self.run(self._end_unused)
        if self._users == 0 and self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _end_unused(self) -> None:
        self._users -= 1
        if self._users > 0:
            return
        if self._playwright is not None:
            self._playwright.stop()
        if self._pages is not None:
            self._pages.close()
        self._playwright = self._pages = None


_DRIVER: Final = _Driver()


def _in_browser(call: Callable[[], T]) -> T:
    return _DRIVER.run(call)


def _opened(context: BrowserContext, url: str) -> Page:
    """Open a page; another one where only the machine's network interfaces changed meanwhile.

    A page whose navigation was given up still gets its error page, which would end the next try in it.
    Raises NotVerified when they never kept still.
    """
    deadline = time.monotonic() + _DISTURBED_S
    while time.monotonic() < deadline:
        page = context.new_page()
        try:
            page.goto(url)
        except Error as cause:
            page.close()
            if not any(sign in cause.message for sign in (_DISTURBED, _OVERTAKEN)):
                raise
        else:
            return page
    raise NotVerified(_RESTLESS)


def _status(response: Response | None) -> int:
    return response.status if response is not None else 0
