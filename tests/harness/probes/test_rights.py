from __future__ import annotations

import os

from harness.probes.rights import process_rights, tried_writes


def test_the_kernel_says_what_a_process_may_do(plain, recorder):
    own = next(process for process in process_rights(plain) if process.pid == os.getpid())

    assert own.uids == (*os.getresuid(), os.geteuid())
    assert {"CapEff", "CapBnd", "CapAmb"} <= own.capabilities.keys()
    assert recorder.total == 1


def test_writing_is_tried_and_taken_back(plain, tmp_path):
    writes = tried_writes(plain, [str(tmp_path), str(tmp_path / "missing"), "/proc"])

    assert writes[str(tmp_path)] is None
    assert writes[str(tmp_path / "missing")] == "ENOENT"
    assert writes["/proc"] is not None
    assert list(tmp_path.iterdir()) == []
