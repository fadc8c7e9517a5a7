"""`make demo`."""

import argparse
import time

from benchmarks._run import run

_TICK = 0.2


def main() -> int:
    """Return the exit status: 1 if a call failed or too many tokens were asked for."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--lifetime",
        type=_seconds,
        default=4.0,
        help="seconds that a token lives (4); the demo takes five times as long",
    )
    parser.add_argument(
        "--blip",
        type=int,
        default=2,
        help="token requests in a row answered 503 (2); with many of them calls do fail",
    )
    options = parser.parse_args()

    from rich.console import Console

    from setle.testing import Sandbox

    from .load import Load
    from .screen import Screen
    from .stage import Stage

    console = Console(highlight=False)
    with Sandbox(lifetime=options.lifetime) as sandbox:
        stage = Stage(sandbox, blip=options.blip)
        load = Load(stage.connect())
        screen = Screen(console, stage, load)
        screen.introduce()
        stage.begin()
        with load, screen:
            while stage.elapsed() < stage.lasts:
                stage.play()
                screen.update()
                time.sleep(_TICK)
            elapsed = stage.elapsed()
        return 0 if screen.conclude(elapsed) else 1


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 3600:
        raise argparse.ArgumentTypeError("between 0.5 and 3600 seconds")
    return value


if __name__ == "__main__":
    run(main)
