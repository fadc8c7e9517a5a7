"""From one to three hundred operations of a description."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from pipeline import generate, generator, roundtrip
from tests.pipeline.described import repository

from .._measure import Effort
from .chart import Chart, Points, measured
from .description import with_operations

_ROOT = Path(__file__).parents[2]
_OPERATIONS = (1, 10, 30, 100, 300)
_LEAST = (1, 2)  # of a quick run


def measure(effort: Effort) -> Iterator[Chart]:
    """Yield the charts: one build of each size, and then its imports."""
    sizes = _LEAST if effort.quick else _OPERATIONS
    with TemporaryDirectory() as folder:
        roots = {size: Path(folder, str(size)) for size in sizes}
        lines, round_trips = _generated(roots)
        told = ", ".join(f"{seconds:.1f} s at {size:,}" for size, seconds in round_trips.items())
        yield Chart(
            "operations-generate",
            "make generate",
            "operations",
            "seconds",
            1.0,
            "One run each: `make generate` with the round trip, which calls every operation in all "
            "ways. The baseline is the generator alone, openapi-python-client with ruff, in that "
            "run. A fifth each of the operations list, make, read, change and remove.",
            lines,
            [f"The round trip takes {told} of it."],
        )
        runs = {
            "one operation": lambda size: _imports(roots[size], _one_operation(roots[size])),
            "import httpx": lambda size: _imports(roots[size], "import httpx"),
        }
        yield Chart(
            "operations-import",
            "Importing one operation of many",
            "operations",
            "milliseconds",
            1e3,
            "A new interpreter imports one generated function from a client with so many, and all "
            "that it stands on. The baseline is `import httpx`.",
            measured(effort, sizes, runs, rounds=7),
        )


def _generated(roots: dict[int, Path]) -> tuple[dict[str, Points], dict[int, float]]:
    """Build each once; return what that took, of it the generator, and of it the round trip."""
    lines: dict[str, Points] = {"make generate": {}, "generator alone": {}}
    round_trips: dict[int, float] = {}
    text = (_ROOT / "openapi.yaml").read_text("utf-8")
    for size, root in roots.items():
        repository(root, with_operations(text, size))
        render, check = _Timed(generator.render), _Timed(roundtrip.check)
        began = time.perf_counter()
        with (
            redirect_stdout(StringIO()),
            patch("pipeline.generate.render", render),
            patch("pipeline.roundtrip.check", check),
        ):
            generate.generate(root)
        lines["make generate"][size] = [time.perf_counter() - began]
        lines["generator alone"][size] = [render.seconds]
        round_trips[size] = check.seconds
    return lines, round_trips


class _Timed:
    """A function that knows how long its last call took."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._function(*args, **more)
        finally:
            self.seconds = time.perf_counter() - began


def _one_operation(root: Path) -> str:
    module = max(
        (root / "generated").glob("setle_api/api/*/[!_]*.py"),
        key=lambda path: (path.parent.name != "general", path),
    )
    return f"import setle_api.api.{module.parent.name}.{module.stem}"


def _imports(root: Path, program: str) -> float:
    # Without bytecode, the generated modules alone would be compiled each time.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = str(root / "generated")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    return time.perf_counter() - began
