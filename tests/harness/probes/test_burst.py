from __future__ import annotations

import socket
from dataclasses import replace

from harness.probes.burst import BurstProbe
from harness.records import Exchange, Observation


def test_every_request_is_sent_once_and_counted(plain, little, recorder):
    result = BurstProbe(plain)(200, "/echo", concurrency=8)

    assert result.statuses == {200: 200}
    assert len(little.seen) == len(result.replies) == 200
    assert recorder.seconds().target_s > 0


def test_a_quota_shows_as_two_statuses_with_a_sample_of_each(plain, little, recorder):
    little.quota = 20
    result = BurstProbe(plain)(50, "/quota", key="a-key-0123456789")

    assert result.statuses == {200: 20, 429: 30}
    assert result.of(429)[0].headers["retry-after"] == "7"
    exchanges = [item for item in recorder.telling() if isinstance(item, Exchange)]
    (summary,) = [item for item in recorder.telling() if isinstance(item, Observation)]
    assert sorted(item.status for item in exchanges) == [200, 429]
    assert summary.data["statuses"] == {"200": 20, "429": 30}


def test_a_burst_stops_at_the_status_it_looks_for(plain, little):
    little.quota = 10
    result = BurstProbe(plain)(500, "/quota", concurrency=2, stop_at=429)

    assert result.statuses[200] == 10
    assert 1 <= result.statuses[429] <= 2


def test_connections_are_kept_or_new_as_asked(secure, little):
    burst = BurstProbe(secure)
    burst(20, "/echo", concurrency=2)
    kept = {request["client"] for request in little.seen}
    little.seen.clear()
    burst(6, "/echo", concurrency=2, connection="new")

    assert len(kept) == 2
    assert len({request["client"] for request in little.seen}) == 6


def test_paths_methods_and_parts_vary_as_told(plain, little):
    BurstProbe(plain)(
        4,
        ["/a", "/b"],
        method=["GET", "HEAD"],
        concurrency=1,
        each=lambda i: {"headers": {"X-Number": str(i)}},
    )

    assert [(request["method"], request["path"]) for request in little.seen] == [
        ("GET", "/a"),
        ("HEAD", "/b"),
    ] * 2
    assert [dict(request["headers"])["x-number"] for request in little.seen] == ["0", "1", "2", "3"]


def test_a_server_that_is_down_gives_status_0_for_each(plain):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result = BurstProbe(replace(plain, base_url=f"http://127.0.0.1:{port}"))(5, "/", concurrency=2)

    assert result.statuses == {0: 5}
    assert "Refused" in result.replies[0].error
