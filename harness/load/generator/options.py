"""The options that a scenario adds to Locust's own, and the order that they come to."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from locust import User, events

from harness import places, standing
from harness.contract import read_contract
from harness.errors import HarnessError, UserError
from harness.load.order import Order, Reach, keys_for, paths_of, read_order, secret_from
from harness.policy import load_policy
from harness.runtimes.external import KEY_VARIABLE

PROFILE: Final = "production"  # where Locust's own --profile is not given


def declare(parser: ArgumentParser, **_: Any) -> None:
    """Add the options. --profile is Locust's own."""
    group = parser.add_argument_group("Open-model arrivals at a deployment of PanottiServer")
    group.add_argument("--rate", type=float, help="Requests a second. Default: the profile's service level.")
    group.add_argument(
        "--for", dest="for_s", type=float, metavar="SECONDS", help="How long. Default: likewise."
    )
    group.add_argument(
        "--base-url", default="", help="The server. Default: what `harness up PROFILE` brought up."
    )
    group.add_argument("--host-name", default="", help="For the Host header and the certificate.")
    group.add_argument("--ca", default="", metavar="FILE", help="The root certificate to trust.")
    group.add_argument(
        "--key-file",
        default="",
        metavar="FILE",
        help=f"An administrator's key, in a file of mode 0600. Default: the environment's {KEY_VARIABLE}.",
    )
    group.add_argument("--contract", default="", metavar="FILE", help="The server's, if not the reference's.")
    group.add_argument("--order", default="", metavar="FILE", help="All of this in one file (harness load).")
    group.add_argument("--result", default="", metavar="FILE", help="Where the result is written, as JSON.")


def refuse_mistakes(environment: Any, **_: Any) -> None:
    """Say at once what would make the whole run worthless."""
    try:
        refuse_idle(environment.user_classes)
        if environment.parsed_options.result:
            refuse_unplanned(environment.user_classes)
        environment.host = order_of(environment.parsed_options).reach.base_url
    except HarnessError as error:
        give_up(error)


def refuse_idle(users: Sequence[type[User]]) -> None:
    """Raise `UserError` for a user that would do nothing."""
    for user in users:
        if not user.tasks:
            raise UserError(
                f"{user.__name__} has no task: it would send nothing", remedy="Mark a method with @step()."
            )


def refuse_unplanned(users: Sequence[type[User]]) -> None:
    """Raise `UserError` for a user that waits for answers: of its latencies no result can be made."""
    for user in users:
        if not hasattr(user, "phases"):
            raise UserError(
                f"{user.__name__} plans no arrivals",
                remedy="Build it on harness.load.generator.OpenUser; scenarios/steady.py is one.",
            )


def give_up(error: HarnessError) -> NoReturn:
    """End the process with one message and status 2."""
    sys.stderr.write(f"locust: {error}\n")
    sys.exit(2)


def order_of(options: Namespace) -> Order:
    """Return what the options ask for. Raises `UserError`."""
    if options.order:
        return read_order(Path(options.order))
    policy = load_policy(options.profile or PROFILE)
    rate = policy.service_levels.rate if options.rate is None else options.rate
    return Order(
        reach=_reach(options, policy.profile),
        rate=rate,
        for_s=policy.service_levels.for_s if options.for_s is None else options.for_s,
        keys=keys_for(rate, policy),
        profile=policy.profile,
    )


def _reach(options: Namespace, profile: str) -> Reach:
    found = _elsewhere(options) if options.base_url else standing.reach(profile)
    key = _key(options)
    return replace(
        found,
        host=options.host_name or found.host,
        ca_file=str(Path(options.ca).absolute()) if options.ca else found.ca_file,
        key=key or found.key,
    )


def _elsewhere(options: Namespace) -> Reach:
    contract = read_contract(Path(options.contract) if options.contract else places.CONTRACT)
    host = urlsplit(options.base_url).hostname
    if not host:
        raise UserError(
            f'--base-url "{options.base_url}" is not the URL of a server', remedy="Give https://…"
        )
    if not _key(options):
        raise UserError(
            f"no key for {options.base_url}", remedy=f"Give --key-file FILE, or the variable {KEY_VARIABLE}."
        )
    return Reach(
        base_url=options.base_url.rstrip("/"),
        host=contract.http.host or host,
        ca_file=contract.http.ca_file,
        key=_key(options),
        auth_header=contract.http.auth_header,
        paths=paths_of(contract),
    )


def _key(options: Namespace) -> str:
    return secret_from(Path(options.key_file)) if options.key_file else os.environ.get(KEY_VARIABLE, "")


events.init_command_line_parser.add_listener(declare)  # type: ignore[no-untyped-call]
events.init.add_listener(refuse_mistakes)  # type: ignore[no-untyped-call]
