"""Run a command and end it cleanly, whatever the moment of Ctrl-C."""

import sys
from collections.abc import Callable
from typing import NoReturn

INTERRUPTED = 130


def run(main: Callable[[], int]) -> NoReturn:
    """
    Exit with what *main* returns, or with one line and 130 after Ctrl-C.

    *main* imports what it needs itself: an interrupt during the imports ends here too.
    """
    try:
        status = main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)
