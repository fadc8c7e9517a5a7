"""
`make fuzz`: make up what comes from outside, as long as it is told to.

With atheris, which knows what each example has reached, or else with hypothesis alone.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from typing import Any

from hypothesis import HealthCheck, Phase, settings

from tests.support.valkey import Valkey


def main() -> int:
    """Return 0 if nothing but typed errors came of any target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("targets", nargs="*", help="all, if none is named")
    options = parser.parse_args()

    from tests.fuzz.targets import REDIS, TARGETS

    failed = []
    with Valkey() as server:
        for name in options.targets or TARGETS:
            print(f"{name}: {options.seconds} s", flush=True)
            alone = f"from tests.fuzz.__main__ import fuzz; fuzz({name!r}, {options.seconds})"
            done = subprocess.run(
                [sys.executable, "-c", alone],
                env={**os.environ, REDIS: server.url},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            print("\n".join(done.stdout.splitlines()[-60 if done.returncode else -1 :]))
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
