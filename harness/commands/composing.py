"""`harness compose`: what docker-compose needs to bring the topology up by itself."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import places
from harness.assembly import Assembly
from harness.commands.keeping import tell
from harness.defects import Secret, Variation
from harness.errors import ContractError
from harness.options import Options
from harness.runtimes import Specification
from harness.runtimes.containers import COMPONENTS, ContainersRuntime
from harness.runtimes.launch import API_KEY, plan
from harness.runtimes.realised import Realised
from harness.runtimes.topology import ROOT_FILE, provide
from harness.topology.reading import read_topology
from harness.workspace import Workspace

FOLDER = places.BUILD / "compose"
_PROFILE = "production"
_PREFIX = "198.19.255"  # what stands in the file as a default
_TAG = "current"


def compose(options: Options, console: Console) -> int:
    """Build and name the images, write the files, say how to go on. Raises `ContractError`."""
    assembly = Assembly(options)
    with Workspace.open() as run:
        runtime = assembly.runtime("containers", run, lambda event: tell(console, event))
        assert isinstance(runtime, ContainersRuntime), "asked for by name"
        contract = assembly.target.contract.launch.topology
        if contract is None:
            raise ContractError("the contract has no topology", remedy="Say in launch.topology which it is.")
        with console.status("Building what is not there yet …"):
            runtime.prepare()
        planned = plan(
            assembly.target,
            Specification(profile=_PROFILE, variation=_kept(FOLDER)),
            runtime.authority,
            replicated=True,
        )
        planned = replace(planned, made=planned.secret_files)
        text = planned.compose or ""
        _name(runtime)
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(mode=0o700, parents=True)
        found = Realised(
            engine=runtime.engine,
            plan=planned,
            contract=contract,
            folder=FOLDER,
            images={},
            topology=read_topology(text, {}, source=f"deploy/{contract.file}"),
            prefix=_PREFIX,
            networks={},
        )
        provide(found, runtime.authority)
        (FOLDER / ROOT_FILE).write_bytes(runtime.authority.certificate)
    console.print(_how_to_go_on(contract.file, planned.secrets[API_KEY]))
    return 0


def _kept(folder: Path) -> Variation:
    """The secrets of the last time: the data in the volumes belongs to them."""
    secrets = [*folder.glob("app/secrets/*"), *folder.glob("*/secrets/*")]
    changes = {path.name: Secret(name=path.name, value=path.read_text()) for path in secrets}
    return Variation(title="", changes=tuple(changes.values()))


def _name(runtime: ContainersRuntime) -> None:
    runtime.engine.tag(runtime.image, f"panotti:{_TAG}")
    for name, variable in COMPONENTS.items():
        runtime.engine.tag(runtime.components[variable], f"panotti-{name}:{_TAG}")


def _how_to_go_on(file: str, api_key: str) -> Table:
    table = Table(title="Ready for docker-compose", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    command = f"docker-compose -f deploy/{file}"
    root = FOLDER / ROOT_FILE
    ask = ["curl", "--resolve", "panotti.test:8443:127.0.0.1", "--cacert", str(root)]
    rows = {
        "up": f"{command} up --detach",
        "down": f"{command} down (--volumes: with its data)",
        "URL": "https://127.0.0.1:8443, plain HTTP on 8080",
        "X-API-Key (administrator)": api_key,
        "try": shlex.join([*ask, "-H", "X-API-Key: KEY", "https://panotti.test:8443/api/recordings"]),
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table
