"""A campaign as tables for the report's page on fuzzing. Pure."""

from __future__ import annotations

from typing import Final

from harness.fuzz.records import PHASES, FuzzResult, Tally
from harness.records import Table

_SHOWN: Final = 120  # characters of a request


def exhibits(result: FuzzResult) -> tuple[Table, ...]:
    """Return the operations by phase, and the failures where there are any."""
    return (operations_table(result), *((failures_table(result),) if result.failures else ()))


def operations_table(result: FuzzResult) -> Table:
    """Return for each operation how many cases each phase had, and what came of them."""
    numbers: dict[str, tuple[int, ...]] = {}
    for name, counts in sorted(result.counts.items()):
        cases = [counts.get(phase, Tally()).cases for phase in PHASES]
        failed = sum(failure.message.operation == name for failure in result.failures)
        numbers[name] = (*cases, result.cases(name), result.successes(name), failed)
    total = [sum(column) for column in zip(*numbers.values(), strict=True)]
    rows: list[tuple[str | int, ...]] = [(name, *cells) for name, cells in numbers.items()]
    rows.append((f"all, seed {result.seed}, {result.elapsed_s:.1f} s", *total))
    return Table(
        page="fuzz",
        title="Operations by phase",
        columns=("operation", *PHASES, "cases", "let in, 2xx", "failures"),
        rows=tuple(rows),
    )


def failures_table(result: FuzzResult) -> Table:
    """Return the failures, each with its smallest request and the command that shows it again."""
    return Table(
        page="fuzz",
        title="Failures",
        columns=("operation", "what", "status", "as", "request", "again"),
        rows=tuple(
            (
                failure.message.operation,
                f"{failure.oracle}: {failure.detail}",
                failure.status,
                failure.caller,
                f"{failure.message.method} {failure.message.target} {failure.message.body}"[:_SHOWN],
                f"harness fuzz --replay {failure.id}",
            )
            for failure in result.failures
        ),
    )
