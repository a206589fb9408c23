"""Who may call a route. The rule stands beside the route; a route without one stops the start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.routing import BaseRoute, compile_path

from panotti.errors import UnruledRouteError
from panotti.identity.principal import Principal, Role

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
RULE = "__panotti_rule__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`role` is the least role to pass (None: anybody); `credential`, if set, the only kind that does."""

    role: Role | None
    credential: str | None = None

    @property
    def label(self) -> str:
        return "public" if self.role is None else self.role.label

    def allows(self, principal: Principal) -> bool:
        if self.credential is not None and principal.credential != self.credential:
            return False
        return self.role is None or principal.role >= self.role


PUBLIC = Rule(role=None)
READER = Rule(role=Role.READER)
WRITER = Rule(role=Role.WRITER)
ADMIN = Rule(role=Role.ADMIN)
KEY_HOLDER = Rule(role=Role.READER, credential="key")
SESSION_HOLDER = Rule(role=Role.READER, credential="session")


def rule(value: Rule) -> Callable[[Endpoint], Endpoint]:
    """Declares who may call the endpoint below."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, RULE, value)
        return endpoint

    return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledRoute:
    """One path of the application with the rule of each of its methods."""

    path: str
    pattern: re.Pattern[str]
    methods: dict[str, Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """Every route of the application; literal paths before patterns, as a lookup and a scan."""

    literal: dict[str, RuledRoute]
    patterns: tuple[RuledRoute, ...]

    def find(self, path: str) -> RuledRoute | None:
        """The route that serves `path`, None if there is none."""
        found = self.literal.get(path)
        if found is not None:
            return found
        return next((route for route in self.patterns if route.pattern.fullmatch(path)), None)

    def __iter__(self) -> Iterator[RuledRoute]:
        yield from self.literal.values()
        yield from self.patterns


def route_table(routes: Iterable[BaseRoute]) -> RouteTable:
    """The table of `routes`. Raises UnruledRouteError naming every route that has no rule."""
    methods: dict[str, dict[str, Rule]] = {}
    problems = []
    for route in flatten(routes):
        path = getattr(route, "path", repr(route))
        found = getattr(getattr(route, "endpoint", None), RULE, None)
        names = sorted(getattr(route, "methods", None) or ())
        if not isinstance(found, Rule) or not names:
            problems.append(f"{','.join(names) or type(route).__name__} {path} has no rule")
            continue
        methods.setdefault(path, {}).update(dict.fromkeys(names, found))
    if problems:
        raise UnruledRouteError(problems)
    every = [
        RuledRoute(path=path, pattern=compile_path(path)[0], methods=rules) for path, rules in methods.items()
    ]
    return RouteTable(
        literal={route.path: route for route in every if "{" not in route.path},
        patterns=tuple(route for route in every if "{" in route.path),
    )


def flatten(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes themselves: FastAPI keeps an included router as one node of a tree."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from flatten(inner.routes)
