"""Several logs read as one."""

from __future__ import annotations

from harness.runtimes.merged import MergedLog


class Container:
    def __init__(self, *lines):
        self.lines = list(lines)

    def log_after(self, stamp):
        return [line for line in self.lines if line[0] > stamp]


def _at(second, text):
    return (f"2026-11-25T05:00:{second:02}.000000000Z", text)


def test_lines_stand_in_the_order_of_their_time():
    one, other = Container(_at(1, "a"), _at(3, "c")), Container(_at(2, "b"))
    log = MergedLog(servers=lambda: [one, other], edges=list)

    assert log.text() == "a\nb\nc\n"


def test_what_was_read_stays_where_it_is():
    one, other = Container(_at(1, "a")), Container()
    log = MergedLog(servers=lambda: [one, other], edges=list)
    before = log.text()
    one.lines.append(_at(3, "c"))
    other.lines.append(_at(0, "late"))

    assert log.text() == f"{before}late\nc\n"
    assert log.text() == f"{before}late\nc\n"


def test_of_the_edge_belong_structured_lines_of_requests_that_no_replica_saw():
    edge = Container(_at(1, "Server is UP"), _at(2, '{"state":"LR--"}'), _at(3, '{"state":"CD--"}'))

    assert MergedLog(servers=list, edges=lambda: [edge]).text() == '{"state":"LR--"}\n'
