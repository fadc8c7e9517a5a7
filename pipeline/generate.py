"""
Rebuild the low-level client: ``python -m pipeline.generate [--check]``.

Everything happens in a folder aside. The tree changes in one swap at the very
end, or not at all. ``--check`` compares instead of swapping.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from pipeline import PipelineError, examples, roundtrip, rules, run
from pipeline.checks import check_overrides, check_wrapper, load_config
from pipeline.compare import differences
from pipeline.generator import CONFIG, PACKAGE, render
from pipeline.spec import described

__all__ = ["WRAPPER", "Build", "build", "check", "generate", "inspect"]

WRAPPER = Path("wrapper/setle")


class Build(NamedTuple):
    """A new package, and what it was made of."""

    package: Path
    described: dict[str, Any]
    outcomes: list[rules.Outcome]
    unanswered: Sequence[str] = ()
    """What the sandbox has no example for."""


def generate(root: Path, *, explain: bool = False) -> None:
    """
    Replace ``generated/setle_api`` below *root* by a new build that passes the round trip.

    Args:
        root: The repository.
        explain: Whether to print every place that a rule changed.

    Raises:
        PipelineError: A step failed; nothing was changed.
    """
    target = root / PACKAGE
    target.parent.mkdir(exist_ok=True)
    for left in target.parent.glob(f".{target.name}-*"):  # behind by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    # Beside the target, because a rename does not cross file systems.
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as aside:
        built = build(root, Path(aside))
        rules.show(built.outcomes, explain=explain)
        for line in built.unanswered:
            print(line)
        calls = roundtrip.check(
            built.described, built.package, root / WRAPPER.parent, built.outcomes
        )
        _swap(built.package, target)
    print(f"{PACKAGE} is new, and {calls}; go on with make diff")


def check(root: Path) -> None:
    """
    Print how ``generated/setle_api`` below *root* differs from a new build.

    Raises:
        PipelineError: It does, or a step of the build failed.
    """
    with TemporaryDirectory() as aside:
        lines = differences(root / PACKAGE, build(root, Path(aside)).package)
    if lines:
        print("\n".join(lines))
        raise PipelineError(f"{PACKAGE} is not what its sources give: run make generate")


def build(root: Path, aside: Path) -> Build:
    """
    Generate the client below *aside*, an empty folder, and look it over.

    Raises:
        PipelineError: A step failed. *root* is only read.
    """
    spec = described(root)
    ruled, outcomes = rules.apply(spec)
    package, _ = render(root, ruled, aside)
    inspect(root, ruled, package)
    return Build(package, spec, outcomes, examples.write(spec, package))


def inspect(root: Path, ruled: dict[str, Any], package: Path) -> None:
    """
    Look in the generated *package* for what the configuration and the wrapper ask of it.

    Raises:
        PipelineError: Something is lost.
    """
    check_overrides(load_config(root / CONFIG), ruled, package)
    check_wrapper(root / WRAPPER, package)


def main() -> None:
    """Read the command line and rebuild, or compare."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; fail on a difference")
    parser.add_argument("--explain", action="store_true", help="tell every place a rule changed")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).parents[1], help="the repository to work on"
    )
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.root)
    else:
        generate(arguments.root, explain=arguments.explain)


def _swap(new: Path, target: Path) -> None:
    # Outside the temporary folder, which is deleted whatever happens.
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:  # Ctrl-C between the two as well
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run(main))
