"""Write docs/licenses.md: the licence of each package that is installed with all extras."""

import subprocess
import sys
from collections.abc import Set
from importlib.metadata import metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PAGE = Path(__file__).parents[1] / "docs" / "licenses.md"
HEAD = """\
# Licences

What `pip install 'setle-client[{extras}]'` installs beside setle-client, which is under the MIT
licence. `make licenses` writes this page from what the packages say of themselves.

"""
# The page is the same whatever Python writes it. Older ones need a backport or two more.
NEWEST = {"python_version": "3.14", "python_full_version": "3.14.0"}


def dependencies(name: str, extras: Set[str]) -> set[str]:
    """Return the names of all that *name* needs with *extras*, however far removed."""
    found: set[str] = set()
    pending = [(name, frozenset(extras))]
    for parent, wanted in pending:
        for requirement in map(Requirement, requires(parent) or ()):
            marker = requirement.marker
            chosen = [{"extra": extra, **NEWEST} for extra in (wanted or {""})]
            if marker is None or any(marker.evaluate(environment) for environment in chosen):
                child = (canonicalize_name(requirement.name), frozenset(requirement.extras))
                found.add(child[0])
                if child not in pending:
                    pending.append(child)
    return found


def listed(page: str) -> set[str]:
    """Return the names in the table of *page*."""
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|")]
    return {canonicalize_name(name) for name in rows[2:]}


def main(arguments: list[str]) -> str | None:
    """Write the page; or with ``--check`` only return how its names differ from what is needed."""
    extras = metadata("setle-client").get_all("Provides-Extra", [])
    names = dependencies("setle-client", set(extras))
    if "--check" in arguments:
        differing = sorted(names ^ listed(PAGE.read_text("utf-8")))
        return f"docs/licenses.md: {', '.join(differing)}: make licenses" if differing else None
    options = ["--format=markdown", "--no-version", "--with-urls", "--packages", *sorted(names)]
    table = subprocess.check_output([Path(sys.executable).with_name("pip-licenses"), *options])
    PAGE.write_text(HEAD.format(extras=",".join(extras)) + table.decode().strip() + "\n", "utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
