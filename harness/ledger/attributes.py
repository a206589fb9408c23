"""What stands behind each attribute of a class, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What one attribute or method is made of. uses: other attributes of the same object."""

    modules: frozenset[str]
    uses: frozenset[str]


def attributes_of(source: str, name: str, known: Collection[str]) -> Mapping[str, Behind]:
    """Return the attributes and methods of the class `name`, and what stands behind each.

    known: the modules that exist, to tell an imported module from what is imported out of one.
    """
    body = ast.parse(source).body
    (found,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == name)
    imported = dict(_imports(body, known))
    return {member: _behind(parts, imported, known) for member, parts in _members(found)}


@cache
def mentioned(source: str) -> frozenset[str]:
    """Return every name that a module looks up as an attribute, or writes as a text (`getattr`)."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=word) | ast.Constant(value=str(word)):
                words.add(word)
    return frozenset(words)


def _behind(parts: Iterable[ast.AST], imported: Mapping[str, str], known: Collection[str]) -> Behind:
    nodes = [node for part in parts for node in ast.walk(part)]
    modules = {**imported, **dict(_imports(nodes, known))}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return Behind(
        modules=frozenset(modules[name] for name in names & modules.keys()),
        uses=frozenset(_own(nodes)),
    )


def _own(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                yield attribute


def _members(found: ast.ClassDef) -> Iterator[tuple[str, Iterable[ast.AST]]]:
    """Yield the attributes that the class and its `__init__` set, and its methods."""
    for node in found.body:
        match node:
            case ast.FunctionDef(name="__init__", body=body):
                for statement in body:
                    match statement:
                        case ast.Assign(
                            targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)], value=value
                        ):
                            yield attribute, (value,)
            case ast.FunctionDef(name=name, body=body):
                yield name, body
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, (value,)


def _imports(nodes: Iterable[ast.AST], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that `from … import …` binds, with the module each comes from."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield alias.asname or alias.name, whole if whole in known else node.module
