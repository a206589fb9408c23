"""What a tenant has, read back through the API: the events of single recordings, and the whole listing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.contract import Contract
from harness.credentials import Credentials
from harness.outcome import floor
from harness.principals import ApiKey
from harness.probes.burst import BurstProbe
from harness.probes.http import HttpProbe
from harness.probes.reply import Reply

_EACH_KEY: Final = 60  # requests with one key, which stays below its quota
_AT_ONCE: Final = 240  # what a burst may send without leaving others of this machine none of its quota
_PAGE: Final = 200
_TRIES: Final = 5  # of a request that fails: what is stored is to be known also where a bad release answers
_MOST: Final = 1000  # pages; a listing that goes round in a circle ends here

Event = Mapping[str, Any]


class ReadBackProbe:
    """Reads recordings of one deployment. Where an answer decides nothing, the check is NotVerified."""

    def __init__(
        self, http: HttpProbe, burst: BurstProbe, *, contract: Contract, credentials: Credentials
    ) -> None:
        self._http = http
        self._burst = burst
        self._contract = contract
        self._credentials = credentials

    def events(self, recordings: Sequence[str], tenant: str) -> dict[str, tuple[Event, ...]]:
        """Return the events of each recording, oldest first; none for one that does not exist."""
        path = self._contract.path("recordings.events")
        found: dict[str, tuple[Event, ...]] = {}
        for start in range(0, len(recordings), _AT_ONCE):
            found |= self._some(path, recordings[start : start + _AT_ONCE], tenant)
        return found

    def _some(self, path: str, recordings: Sequence[str], tenant: str) -> dict[str, tuple[Event, ...]]:
        keys = [self._credentials.key("reader", tenant) for _ in range(0, len(recordings), _EACH_KEY)]
        burst = self._burst(
            len(recordings),
            [path.replace("{recording_id}", recording) for recording in recordings],
            each=lambda i: {"key": keys[i // _EACH_KEY]},
        )
        found: dict[str, tuple[Event, ...]] = {}
        for hit in burst.hits:
            recording, reply = recordings[hit.number], hit.reply
            if reply.status >= 500:
                reply = self._get(path.replace("{recording_id}", recording), keys[hit.number // _EACH_KEY])
            floor(reply.ok or reply.status == 404, f"not read back: {reply.status or reply.error}")
            events = reply.field("events") if reply.ok else []
            assert isinstance(events, list), "the events are no list"
            found[recording] = tuple(one for one in events if isinstance(one, dict))
        return found

    def listed(self, tenant: str) -> list[str]:
        """Return the ids of the tenant's recordings, as the pages of the listing have them."""
        path, key = self._contract.path("recordings.list"), self._credentials.key("reader", tenant)
        listed: list[str] = []
        cursor: object = ""
        for _ in range(_MOST):
            reply = self._get(f"{path}?limit={_PAGE}{f'&cursor={cursor}' if cursor else ''}", key)
            floor(reply.ok, f"the listing is not answered: {reply.status or reply.error}")
            page = reply.field("recordings")
            assert isinstance(page, list), "the listing is no list"
            listed += [str(one["recording_id"]) for one in page if isinstance(one, dict)]
            cursor = reply.field("next_cursor")
            if cursor is None:
                break
        return listed

    def _get(self, path: str, key: ApiKey) -> Reply:
        for _ in range(_TRIES):
            reply = self._http.get(path, key=key)
            if reply.status < 500:
                break
        return reply
