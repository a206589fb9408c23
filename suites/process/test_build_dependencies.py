"""What is installed is what the lock names, file by file, and nothing of it is known to be vulnerable."""

from __future__ import annotations

from harness import added, control, defect, edit, floor, not_verified
from harness.scans.audit import Package
from harness.site import Site
from suites.deployment.test_containers_image import as_root, last
from suites.scanned import NO_ADVISORIES, OLD_ADVISORIES, OLD_JINJA, OLD_MAKO, SKIPPED, installed

ID = "process.build.dependencies"
LEAST = 5  # packages of a server; with fewer, it was not the server that was listed
SHOWN = 5

UNLOCKED = installed("a package that no lock names is installed", "left-pad", "1.3.0")
OTHER_VERSION = installed("another version than the lock's is found first", "h11", "0.15.0")
NOT_INSTALLED = added(
    "a package of the lock is not installed",
    "lock",
    f"left-pad==1.3.0 --hash=sha256:{'0' * 64}\n",
    place="lock",
)
UNPINNED = added("a dependency is not pinned", "lock", "left-pad>=1.0\n", place="lock")
WITHOUT_HASH = added("a pin has no hash", "lock", "left-pad==1.3.0\n", place="lock")
FROM_A_REPOSITORY = added(
    "a dependency comes from a repository's branch",
    "lock",
    "left-pad @ git+https://git.example/left-pad@main\n",
    place="lock",
)
EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # SHA-256 of an empty file
PATCHED_COPY = defect(
    "a patched copy of a locked package lies before it",
    installed("", "h11", "0.16.0"),
    added("", "h11-0.16.0.dist-info/RECORD", f"h11/_patched.py,sha256={EMPTY},0\n"),
    added("", "h11/_patched.py", "WINDOW = 1\n"),
)
CHANGED_FILE = last(
    "a file of a locked package is changed after its installation",
    *as_root("echo 'WINDOW = 1' >> /opt/panotti/lib/python3.11/site-packages/h11/_util.py"),
)
HASHES_DROPPED = defect(
    "the recipe drops the hashes of the lock",
    edit("", "deploy/Dockerfile", "--require-hashes ", ""),
    edit(
        "",
        "deploy/Dockerfile",
        "RUN python3 -m venv",
        "RUN sed -i -e '/^ *--hash=/d' -e 's/[ \\\\]*$//' /build/server.txt && python3 -m venv",
    ),
)
AFFERO = installed(
    "a dependency is under the AGPL", "left-pad", "1.3.0", "License-Expression: AGPL-3.0-or-later\n"
)
AFFERO_CLASSIFIER = installed(
    "a dependency is under the AGPL, by its classifier",
    "left-pad",
    "1.3.0",
    "Classifier: License :: OSI Approved :: GNU Affero General Public License v3\n",
)


@control(ID, broken_by=(OLD_JINJA, OLD_MAKO, NO_ADVISORIES, OLD_ADVISORIES, SKIPPED))
def test_no_installed_package_is_known_to_be_vulnerable(site: Site) -> None:
    """No package that is installed where the server runs has a known vulnerability, by fresh advisories."""
    audit = site.scans.audit(site.policy.scans.own)
    hits = "; ".join(str(hit) for hit in audit.scan.open[:SHOWN])

    assert not audit.scan.open, f"{len(audit.scan.open)} known vulnerabilities: {hits}"
    doubts = [*audit.scan.missed[:SHOWN]]
    limit = site.policy.scans.advisories_max_age_days
    if audit.age_days > limit:
        doubts.append(f"{audit.source} is {audit.age_days} days old; the policy allows {limit}")
    if doubts:
        not_verified("; ".join(doubts))
    floor(audit.scan.scanned["packages"] >= LEAST, "hardly a package was listed")


@control(ID, broken_by=(UNLOCKED, OTHER_VERSION, NOT_INSTALLED))
def test_installed_is_what_the_lock_names(site: Site) -> None:
    """Each installed package stands in the lock in that version, and each of the lock is installed."""
    pins, packages = site.packages.lock().pins, _installed(site)

    extra = [
        str(package)
        for package in packages
        if package.canonical not in pins and package.canonical not in site.policy.scans.own
    ]
    other = [
        f"{package} (locked: {pins[package.canonical].version})"
        for package in packages
        if package.canonical in pins and pins[package.canonical].version not in ("", package.version)
    ]
    left = sorted(pins.keys() - {package.canonical for package in packages})
    assert not left, f"in the lock, and not installed: {', '.join(left[:SHOWN])}"
    assert not extra, f"installed, and not in the lock: {', '.join(extra[:SHOWN])}"
    assert not other, f"installed in another version than locked: {', '.join(other[:SHOWN])}"


@control(ID, broken_by=(UNPINNED, WITHOUT_HASH, FROM_A_REPOSITORY))
def test_lock_pins_every_package_by_version_and_hash(site: Site) -> None:
    """Each line of the lock names one version, with the hashes of its files."""
    lock = site.packages.lock()
    floor(lock.pins or lock.others, f"{lock.name} names nothing")

    loose = [pin.name for pin in lock.pins.values() if not pin.version]
    unhashed = [pin.name for pin in lock.pins.values() if not pin.hashes]
    assert not lock.others, f"{lock.name}: no pinned package of an index: {lock.others[0]}"
    assert not loose, f"{lock.name} pins no version of {', '.join(loose[:SHOWN])}"
    assert not unhashed, f"{lock.name} has no hash for {', '.join(unhashed[:SHOWN])}"


@control(
    ID,
    runtimes=("containers",),
    why_not="only the runtime `containers` builds an image",
    profiles=("production",),
    image=True,
    broken_by=HASHES_DROPPED,
)
def test_build_refuses_a_package_with_another_hash(site: Site) -> None:
    """The image is not built from a package of the right name and version that is not the one locked."""
    refusal = site.tries.build()

    assert refusal is not None, "the image was built from a package with another hash than the lock's"
    floor("HASH" in refusal.upper(), f"the build failed for another reason: {refusal[-300:]}")


@control(ID, broken_by=(PATCHED_COPY, CHANGED_FILE))
def test_installed_files_are_those_of_their_packages(site: Site) -> None:
    """Each file of a locked package is as it was recorded when the package was installed."""
    site.packages.lock()
    changed = [f"{package}: {', '.join(package.altered)}" for package in _installed(site) if package.altered]

    assert not changed, f"changed since their installation: {'; '.join(changed[:SHOWN])}"


@control(ID, broken_by=(AFFERO, AFFERO_CLASSIFIER))
def test_no_package_has_a_forbidden_licence(site: Site) -> None:
    """No package that is deployed has a licence which the policy forbids."""
    packages = site.packages.deployed()
    told = [package for package in packages if package.licences]
    floor(len(told) >= LEAST, f"only {len(told)} of {len(packages)} packages say what their licence is")

    forbidden = [word.lower() for word in site.policy.scans.forbidden_licences]
    wrong = [
        f"{package} ({', '.join(package.licences)})"
        for package in told
        if any(word in licence.lower() for licence in package.licences for word in forbidden)
    ]
    assert not wrong, f"forbidden licences: {'; '.join(wrong[:SHOWN])}"


def _installed(site: Site) -> tuple[Package, ...]:
    packages = site.packages.all()
    floor(len(packages) >= LEAST, f"only {len(packages)} packages are listed")
    return packages
