"""
The scripts behind ``make generate``, ``make vendor`` and ``make diff``.

They work on a copy of the repository as well as on the repository itself:
every function takes the root it reads and writes below. Not shipped.
"""

import sys
from collections.abc import Callable

__all__ = ["PipelineError", "run"]


class PipelineError(Exception):
    """A step failed; the message names the cause and the remedy, and nothing was changed."""


def run(step: Callable[[], None]) -> int:
    """
    Run *step* and turn its failure into one line on stderr.

    Returns:
        The exit status: 0, 1 after a failure, 130 after Ctrl-C.
    """
    try:
        step()
    except (PipelineError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0
