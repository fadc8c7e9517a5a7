"""
The scripts behind ``make generate``, ``make vendor`` and ``make diff``.

They work on a copy of the repository as well as on the repository itself:
every function takes the root it reads and writes below. Not shipped.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["PipelineError", "run"]


class PipelineError(Exception):
    """
    A step failed, and nothing was changed.

    Each line of the message names a cause and its remedy; *actions* are those of
    an overlay that would help.
    """

    def __init__(self, message: str, actions: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.actions = list(actions)


def run(step: Callable[[], None]) -> int:
    """
    Run *step* and turn its failure into lines on stderr.

    Returns:
        The exit status: 0, 1 after a failure, 130 after Ctrl-C.
    """
    try:
        step()
    except (PipelineError, OSError) as error:
        for line in str(error).splitlines():
            print("error:", " ".join(line.split()), file=sys.stderr)
        if actions := getattr(error, "actions", ()):
            from pipeline.faults import pasted

            print(pasted(actions), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0
