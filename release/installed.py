"""
Import every module of the setle-client that is installed; fail when one comes from elsewhere.

Packages named on the command line may be missing, as they belong to an extra.
"""

import sys
from importlib import import_module
from importlib.metadata import files

EXTRAS = set(sys.argv[1:])


def main() -> str | None:
    """Return what is wrong with what is installed, or None."""
    # What is called __main__ does not define, but runs.
    modules = [
        file
        for file in files("setle-client") or ()
        if file.suffix == ".py" and file.stem != "__main__"
    ]
    if not modules:
        return "setle-client is not installed from a wheel"
    for file in modules:
        name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        try:
            origin = import_module(name).__file__
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] not in EXTRAS:
                return f"{name} needs {error.name}, which setle-client does not install"
        else:
            if origin != str(file.locate()):
                return f"{name} comes from {origin}"
    return None


if __name__ == "__main__":
    sys.exit(main())
