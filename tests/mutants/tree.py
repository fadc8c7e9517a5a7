"""A copy of the repository that a mutant is put into, and what is run there."""

import os
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

# Of the wrapper, and on their own fast. Those that start fleets of processes, run recipes,
# examples and the pipeline take minutes, and what they alone would find out is no core's.
FOLDERS = ["core", "client", "stores", "concurrency", "cli", "testing"]
TEXTS = "tests/docs/test_troubleshooting.py"  # knows every message, by reading the code
NAMES = "tests/client/test_public_surface.py"  # knows every public name, which is looked up once
TESTS = [*(f"tests/{name}" for name in FOLDERS), TEXTS]
# They run pytest within pytest, and look at what is imported then: here it is there already.
UNFIT = ["tests/testing/test_docs.py", "tests/testing/test_pytest_plugin.py"]
OURS = {"setle", "setle_api", "tests", "benchmarks", "demo", "pipeline", "docs", "release"}
IMPORTED = "imported"


def environment(tree: Path) -> dict[str, str]:
    """Return what processes are started with that are to use the package in *tree*."""
    paths = os.pathsep.join(str(tree / name) for name in ("wrapper", "generated", "."))
    return {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def copied(tree: Path, *only: str) -> None:
    """Copy to *tree* what git knows, or *only* some of it, with what Python compiles of it."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *only],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and Path(name).is_file():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, target)
            if target.suffix == ".py":
                # Looked up by its content: a mutant may be as long and as old as the original.
                checked = py_compile.PycInvalidationMode.CHECKED_HASH
                py_compile.compile(str(target), invalidation_mode=checked)


def imported(folder: Path) -> None:
    """Write down in *folder* what the tests import that is not ours."""
    listing = (
        "import pytest, sys;"
        f"pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', *{TESTS!r}]);"
        "print('', *sys.modules, sep='\\nmodule ')"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], stdout=subprocess.PIPE, text=True, check=True
    )
    listed = re.findall(r"^module (.+)$", done.stdout, re.MULTILINE)
    names = [name for name in listed if name.partition(".")[0] not in OURS]
    (folder / IMPORTED).write_text("\n".join(names))
