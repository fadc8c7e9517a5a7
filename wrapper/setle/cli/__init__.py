"""The command ``setle``. Needs the extra: ``pip install 'setle-client[cli]'``."""

import sys


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        from . import _api, _command, _doctor, _sandbox, _token  # noqa: F401 - they register

        status = _command.run(sys.argv[1:] or ["--help"])
        try:
            sys.stdout.flush()
        except (AttributeError, OSError):  # Python would try again at the end, and exit with 120
            sys.stdout = None
        sys.exit(status)
    except ImportError as error:
        print(f"error: setle needs {error.name}: pip install 'setle-client[cli]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # while it was starting, or ending
        sys.exit(130)
