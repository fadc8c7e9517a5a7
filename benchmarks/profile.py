"""
`python -m benchmarks.profile`: where a warm call spends its time, counted and measured.

Bytecodes and function calls are counted, and the same on any machine with the same versions.
Microseconds are those of this process on its processor; the sandbox is another one.
`make bench` puts the same into docs/bench.md.
"""

import argparse

from benchmarks._run import run


def main() -> int:
    """Return 0: this measures, and fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one round, to see it work")
    options = parser.parse_args()

    from ._limit import Limit
    from ._limit_page import as_markdown
    from ._measure import Effort
    from ._page import circumstances

    print(circumstances("python -m benchmarks.profile", "httpx", "httpcore", "h11", "anyio"))
    print("\n\n".join(["", *as_markdown(Limit.measure(Effort(options.quick)))]))
    return 0


if __name__ == "__main__":
    run(main)
