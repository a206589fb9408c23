"""What Schemathesis makes of a description, sent by somebody else."""

from __future__ import annotations

from harness.fuzz import description, engine
from harness.fuzz.message import Message
from harness.fuzz.order import Known, Operation
from harness.fuzz.records import Phase
from harness.fuzz.sender import OutOfTime
from harness.probes.reply import Reply
from tests.harness.fuzz.conftest import READ, TAKE, Ordering

LONG_S = 60.0


def test_every_phase_makes_requests_until_the_sender_has_had_enough(order: Ordering) -> None:
    sent: list[tuple[Phase, Message]] = []

    def send(message: Message, phase: Phase) -> Reply:
        sent.append((phase, message))
        if {phase for phase, _ in sent} == {"examples", "coverage", "fuzzing"}:
            raise OutOfTime
        return Reply(status=422, body=b"{}")

    trouble = engine.run(description.for_fuzzing(order()), send, seed=7, for_s=LONG_S)

    assert trouble == ()
    assert {message.operation for _, message in sent} == {TAKE, READ}
    examples = [(m.target, m.body) for phase, m in sent if phase == "examples"]
    assert ("/notes/first", "") in examples
    assert [body for target, body in examples if target == "/notes"] == ['{"text": "hello"}']


def test_no_credential_is_made_up_and_nothing_of_the_client_is_sent(order: Ordering) -> None:
    names: set[str] = set()

    def send(message: Message, phase: Phase) -> Reply:
        names.update(name.lower() for name, _ in message.fields)
        if phase == "fuzzing":
            raise OutOfTime
        return Reply(status=200, body=b"{}")

    engine.run(description.for_fuzzing(order()), send, seed=7, for_s=LONG_S)

    assert not names & {"authorization", "x-api-key", "user-agent", "x-schemathesis-testcaseid", "host"}


def test_an_operation_that_cannot_be_made_requests_of_is_told(order: Ordering) -> None:
    document = description.for_fuzzing(order())
    document["paths"]["/notes"]["post"]["parameters"] = [{"$ref": "#/components/nowhere"}]

    trouble = engine.run(document, lambda *_: Reply(status=422), seed=7, for_s=2.0)

    assert any(TAKE in told for told in trouble)


def test_known_requests_are_examples_and_security_is_gone(order: Ordering) -> None:
    usual = order()
    known = (Known(parameters={"name": "a"}), Known(parameters={"name": "b"}))
    document = description.for_fuzzing(
        order(operations=(Operation(name=READ, allowed=("writer",), known=known),))
    )

    assert document.keys() & {"security", "servers"} == set()
    assert list(document["paths"]) == ["/notes/{name}"], "only what is to be fuzzed"
    (parameter,) = document["paths"]["/notes/{name}"]["get"]["parameters"]
    assert parameter["examples"] == {"0": {"value": "a"}, "1": {"value": "b"}}
    assert "security" in usual.description, "the target's own stays as it is"
