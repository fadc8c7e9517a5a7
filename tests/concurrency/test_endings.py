"""What begins and ends around a refresh: imports, forks, the interpreter itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from setle.testing import Sandbox
from tests.support.faults import asked, fault, saw, yes

pytestmark = pytest.mark.usefixtures("unmeasured")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

_HEAD = """
import sys
base_url, client_id, client_secret, *rest = sys.argv[1:]
import setle

def source(store=None, credentials=None):
    credentials = credentials or setle.ClientCredentials(client_id, client_secret)
    return setle.TokenSource(credentials, base_url=base_url, store=store)
"""


def _run(sandbox: Sandbox, program: str, *rest: str, timeout: float = 30.0) -> str:
    """Return what *program* prints, in an interpreter of its own."""
    arguments = [sandbox.base_url, sandbox.client_id, sandbox.client_secret, *rest]
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("store", ["memory", "file"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refresh_imports_nothing(sandbox: Sandbox, tmp_path: Path, store: str, host: str) -> None:
    """A child that is forked meanwhile would wait for ever for a module that is half imported."""
    program = """
store, host = rest
base_url = base_url.replace("127.0.0.1", host)
tokens = source(store), source(store, lambda: setle.ClientCredentials(client_id, client_secret))
before = set(sys.modules)
for each in tokens:
    each.invalidate(each.get_token())
    each.get_token()
print(sorted(set(sys.modules) - before))
"""
    name = f"file:{tmp_path}" if store == "file" else store
    assert _run(sandbox, program, name, host) == "[]\n"


@needs_fork
@pytest.mark.parametrize("store", ["memory", "file"])
def test_children_forked_during_the_first_refresh_are_served(
    sandbox: Sandbox, tmp_path: Path, store: str
) -> None:
    """Whatever the refresh's thread was in the middle of when they left it behind."""
    program = """
import os, signal, threading, time, warnings
warnings.simplefilter("ignore")
children = []
tokens = source(*rest)
thread = threading.Thread(target=tokens.get_token)
thread.start()
for number in range(20):
    child = os.fork()
    if not child:
        signal.alarm(12)
        tokens.get_token()
        os._exit(0)
    children.append(child)
    time.sleep(0.0005)
print([child for child in children if os.waitpid(child, 0)[1]])
thread.join()
"""
    name = f"file:{tmp_path}" if store == "file" else store
    assert _run(sandbox, program, name) == "[]\n"


SERVED, AT_ONCE = "it is served", "one error at once, as no thread would run any more"
_LAST_WORDS = """
import atexit, os, time
tokens = source()
mode = rest[0]

class Last:
    def __init__(self):
        self.itself = self
    def __del__(self):
        began = time.monotonic()
        try:
            said = type(tokens.get_token()).__name__
        except Exception as error:
            said = type(error).__name__
        os.write(1, f"{said} {time.monotonic() - began < 3}\\n".encode())

sys.modules["last"] = Last()
if mode == "held":
    tokens.get_token()
if mode == "stale":
    old = tokens.get_token()
    tokens.invalidate(old)
"""


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        pytest.param(
            "held",
            "AccessToken True\n",
            marks=fault("Shutdown", "a finalizer calls at the end, and there is a token", SERVED),
        ),
        *(
            pytest.param(
                mode,
                "Unavailable",
                marks=fault("Shutdown", "a finalizer calls at the end, without a token", AT_ONCE),
            )
            for mode in ("cold", "stale")
        ),
    ],
)
def test_a_finalizer_at_the_interpreters_end_ends(sandbox: Sandbox, mode: str, said: str) -> None:
    """A usable token is still served; else there is an error at once, as no thread would run."""
    words = _run(sandbox, _LAST_WORDS, mode)
    assert said in words
    outcome, in_time = words.split()
    saw(f"{outcome}, at once: {yes(in_time == 'True')}")


@fault(
    "Shutdown",
    "the interpreter ends during a refresh, and a finalizer calls",
    "it does not wait for a thread that goes on no more",
)
def test_a_finalizer_does_not_wait_for_a_thread_that_has_been_frozen(sandbox: Sandbox) -> None:
    """A refresh is under way when the interpreter ends, and goes on no more."""
    program = (
        _LAST_WORDS
        + """
import threading
threading.Thread(target=tokens.get_token, daemon=True).start()
while not tokens._state.flight:
    time.sleep(0.001)
"""
    )
    with sandbox.hold():
        words = _run(sandbox, program, "cold")
    assert words == "TokenUnavailableError True\n"
    outcome, in_time = words.split()
    saw(f"{outcome}, at once: {yes(in_time == 'True')}")


@fault(
    "Shutdown",
    "the interpreter ends while a thread changes what they share, and a finalizer calls",
    AT_ONCE,
)
def test_a_finalizer_does_not_wait_for_the_mutex_of_a_thread_that_has_been_frozen(
    sandbox: Sandbox,
) -> None:
    """That thread has the mutex when the interpreter ends, and never gives it back."""
    program = (
        _LAST_WORDS
        + """
import threading
from setle._locks import exclusive
inside = threading.Event()

@exclusive
def stay():
    inside.set()
    time.sleep(60)

threading.Thread(target=stay, daemon=True).start()
inside.wait()
"""
    )
    words = _run(sandbox, program, "cold")
    assert words == "ReenteredError True\n"
    outcome, in_time = words.split()
    saw(f"{outcome}, at once: {yes(in_time == 'True')}")


@fault("Shutdown", "an exit handler (`atexit`) makes the first call", "it gets its token")
def test_an_exit_handler_gets_a_token(sandbox: Sandbox) -> None:
    """In a thread of its own or, where none is started any more, in place."""
    program = """
import atexit
tokens = source()
atexit.register(lambda: print(type(tokens.get_token()).__name__))
"""
    words = _run(sandbox, program)
    assert words == "AccessToken\n"
    assert sandbox.token_requests == 1
    saw(words.strip(), asked(sandbox))
