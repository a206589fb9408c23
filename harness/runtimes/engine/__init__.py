"""Docker: the only importer of testcontainers and docker-py. Refusals become messages with a remedy."""

from harness.runtimes.engine.asking import asking, docker_answers
from harness.runtimes.engine.box import Box
from harness.runtimes.engine.conversation import Conversation
from harness.runtimes.engine.daemon import Engine
from harness.runtimes.engine.networks import RunNetwork
from harness.runtimes.engine.wanted import Place, Request, Subnet, SubnetTaken

__all__ = [
    "Box",
    "Conversation",
    "Engine",
    "Place",
    "Request",
    "RunNetwork",
    "Subnet",
    "SubnetTaken",
    "asking",
    "docker_answers",
]
