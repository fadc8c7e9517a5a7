"""
`make soak`: all kinds of faults at random, for ten minutes, over threads, tasks and processes.

It prints what was promised and what was seen, and fails if that is not the same.
"""

import argparse
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._run import run

if TYPE_CHECKING:
    from tests.soak.soak import Soak
    from tests.soak.verdicts import Verdict


def main() -> int:
    """Return 0 if every invariant held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="600 unless told otherwise")
    parser.add_argument("--seed", type=int, help="of an earlier run; at random by default")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="such as docs/soak.md")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for logs and events")
    options = parser.parse_args()

    from tests.soak.judge import Judge
    from tests.soak.soak import Soak

    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"{options.seconds:g} s, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="setle-soak-") as folder:
        soak = Soak(
            Path(folder),
            seed,
            options.seconds,
            lasting={"memory": 1, "file": 2, "Valkey": 2},
            mortal={"memory": 1, "file": 2, "Valkey": 2},
        )
        soak.run()
        if options.keep:
            shutil.copytree(folder, options.keep, symlinks=True)  # one may lead nowhere
            (options.keep / "events").write_text("\n".join(map(str, soak.events)))
            (options.keep / "ledger").write_text("\n".join(map(str, soak.ledger.faults)))
        verdicts = Judge(soak).verdicts()
    given = {"SECONDS": options.seconds != 600.0 and f"{options.seconds:g}", "SEED": options.seed}
    command = " ".join(
        ["make soak", *(f"{name}={value}" for name, value in given.items() if value)]
    )
    return conclude(soak, verdicts, options.write, command)


def conclude(soak: "Soak", verdicts: list["Verdict"], page: Path | None, command: str) -> int:
    """Print what came of it; write the *page* and return 0 if all invariants held."""
    from tests.soak.page import as_text, failures, write

    print(as_text(soak, verdicts))
    if wrong := failures(soak, verdicts):
        print(f"\n{wrong}\nIt was seed {soak.seed}.", file=sys.stderr)
        return 1
    if page is not None:
        write(page, soak, verdicts, command)
    return 0


if __name__ == "__main__":
    run(main)
