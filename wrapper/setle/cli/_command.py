"""What all commands share: settings, errors in one line, and their exit status."""

import io
import os
import sys

import click

import setle

from ..stores import resolve_store

FAILED, UNUSABLE, REFUSED, UNAVAILABLE = 1, 2, 3, 4
_STATUS: dict[type[Exception], int] = {
    setle.ConfigurationError: UNUSABLE,
    setle.TokenRejectedError: REFUSED,
    setle.TokenResponseError: FAILED,
    setle.TokenUnavailableError: UNAVAILABLE,
}


class Failure(Exception):  # noqa: N818 - some are no error of ours
    """Ends a command; its arguments are the message, cause and remedy, and the exit status."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show the log on stderr.")
@click.option("--debug", is_flag=True, help="Show it, and where an error comes from.")
@click.version_option(setle.__version__, message="%(prog)s %(version)s")
def group(verbose: bool, debug: bool) -> None:
    """
    Get a token for the Setle API, make it last, and call the API with it.

    The settings are those of the Python package: SETLE_CLIENT_ID, SETLE_CLIENT_SECRET or
    SETLE_CLIENT_SECRET_FILE, SETLE_BASE_URL, SETLE_TOKEN_STORE. Unless that names another
    store, tokens are kept in files of yours. A missing secret is asked for on a terminal.

    Exit status: 0; 1 the API answered an error; 2 usage or settings; 3 the credentials were
    refused; 4 not available. The options -v and --debug may stand anywhere.
    """
    if verbose or debug:
        import logging

        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        logging.getLogger("setle").setLevel(logging.DEBUG)


def run(args: list[str]) -> int:
    """Run the command line and return the exit status; errors are one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    args = sorted(args, key=lambda arg: arg not in ("-v", "--verbose", "--debug"))
    try:
        return group.main(args, "setle", standalone_mode=False) or 0
    except SystemExit as left:  # after completion; with 1 where nobody reads on
        return 141 if left.code else 0  # as a shell has it of whoever dies of that
    except click.Abort:
        return 130  # likewise, of an interrupt
    except Exception as error:  # noqa: BLE001 - nobody is to see a traceback unasked
        if "--debug" in args:
            sys.excepthook(type(error), error, error.__traceback__)
        message, status = _explained(error)
        click.echo(f"error: {printable(message)}", err=True)
        return status


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to print of *error*, and the exit status."""
    if isinstance(error, Failure):
        return error.args[0], error.args[1]
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "setle"
        return f"{error.format_message()} See '{command} --help'.", UNUSABLE
    if isinstance(error, setle.SetleError):
        vars(error)["retry_in"] = None  # which holds for this process, and it ends
        return str(error), _STATUS[type(error)]
    if isinstance(error, OSError):
        said = ", ".join(str(part) for part in (error.strerror, error.filename) if part)
        said = f"{said or type(error).__name__}; if that is the token store, see that it runs and"
        said += " lets you in, or name another in SETLE_TOKEN_STORE"
        # What the system says has a number; what a server says has none.
        return said, UNUSABLE if error.errno else UNAVAILABLE
    # Nobody knows what its text holds.
    return f"unexpected {type(error).__name__}; please report what --debug shows", FAILED


def printable(text: str) -> str:
    """Return *text* as one line without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text.replace("\n", " "))


def credentials() -> setle.ClientCredentials:
    """Return what the environment holds; ask for a missing secret on a terminal."""
    client_id = os.environ.get("SETLE_CLIENT_ID")
    known = os.environ.get("SETLE_CLIENT_SECRET") or os.environ.get("SETLE_CLIENT_SECRET_FILE")
    if not client_id or known or not (os.isatty(0) and os.isatty(2)):
        return setle.ClientCredentials.from_env()
    return setle.ClientCredentials(client_id, click.prompt("Secret", hide_input=True, err=True))


def store() -> setle.TokenStore:
    """Return the store that ``SETLE_TOKEN_STORE`` names, or else the user's files."""
    return resolve_store(None if os.environ.get("SETLE_TOKEN_STORE") else "file")
