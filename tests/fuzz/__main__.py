"""
`make fuzz`: make up what comes from outside, as long as it is told to.

With atheris, which knows what each example has reached, or else with hypothesis alone.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

from hypothesis import HealthCheck, Phase, settings


def main() -> int:
    """Return 0 if nothing but typed errors came of any target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("targets", nargs="*", help="all, if none is named")
    options = parser.parse_args()
    if len(options.targets) == 1:
        fuzz(options.targets[0], options.seconds)
        return 0

    from tests.fuzz.targets import TARGETS

    failed = []
    for name in options.targets or TARGETS:
        print(f"{name}: {options.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(options.seconds), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print("\n".join((done.stdout + done.stderr).splitlines()[-60 if done.returncode else -1 :]))
        failed += [name] * bool(done.returncode)
    print(f"not only typed errors: {', '.join(failed)}" if failed else "nothing but typed errors")
    return bool(failed)


def fuzz(name: str, seconds: int) -> None:
    """Feed one target, until it raises or the time is over."""
    logging.disable()
    warnings.simplefilter("error")
    try:
        import atheris  # type: ignore[import-untyped] # it has no types
    except ImportError:
        from tests.fuzz.targets import TARGETS

        end, examples = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            _settings()(TARGETS[name])()
            examples += 1_000
        print(f"{examples} examples, without atheris")
        return
    with atheris.instrument_imports(include=["pipeline", "setle", "setle_api"]):
        from tests.fuzz.targets import TARGETS
    target: Any = _settings()(TARGETS[name])
    kept = tempfile.mkdtemp(prefix=f"setle-fuzz-{name}-")
    limits = [
        f"-max_total_time={seconds}",
        "-len_control=0",
        "-rss_limit_mb=0",
        f"-artifact_prefix={kept}/",
    ]
    atheris.Setup([name, *limits], target.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def _settings() -> settings:
    return settings(
        deadline=None,
        max_examples=1_000,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


if __name__ == "__main__":
    sys.exit(main())
