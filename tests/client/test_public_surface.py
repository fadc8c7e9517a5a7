"""What `import setle` offers, and what it costs."""

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import setle

NAMES = [
    "AccessToken",
    "BearerAuth",
    "ClientCredentials",
    "ConfigurationError",
    "FileTokenStore",
    "MemoryTokenStore",
    "RedisTokenStore",
    "SetleError",
    "TokenError",
    "TokenRejectedError",
    "TokenResponseError",
    "TokenSource",
    "TokenStore",
    "TokenUnavailableError",
    "connect",
]
HTTP_STACK = {"anyio", "httpcore", "httpx", "setle_api", "ssl", "tenacity"}


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after running *code*."""
    script = f"import json, sys\n{code}\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_names() -> None:
    """The public names are these: adding one is a decision, losing one breaks users."""
    assert setle.__all__ == NAMES
    assert sorted(NAMES) == NAMES


def test_stub() -> None:
    """What type checkers see is what there is."""
    stub = Path(setle.__file__).with_suffix(".pyi")
    *_, names = ast.parse(stub.read_text()).body
    assert isinstance(names, ast.Assign)
    assert ast.literal_eval(names.value) == setle.__all__


@pytest.mark.parametrize("name", NAMES)
def test_name(name: str) -> None:
    """Each name is there, is looked up only once, is listed, and says what it is for."""
    value = getattr(setle, name)
    assert vars(setle)[name] is value
    assert name in dir(setle)
    assert value.__name__ == name
    assert value.__doc__
    assert value.__module__.partition(".")[0] == "setle"


@pytest.mark.parametrize(
    ("function", "defaults"),
    [
        (setle.connect, {"timeout": 30.0, "token_timeout": 15.0, "verify_ssl": True}),
        (setle.TokenSource, {"timeout": 15.0, "verify_ssl": True}),
        (setle.RedisTokenStore, {"prefix": "setle", "lease": 6.0}),
        (setle.RedisTokenStore.from_url, {"prefix": "setle", "lease": 6.0}),
    ],
)
def test_defaults(function: Callable[..., object], defaults: dict[str, object]) -> None:
    """What is not given is what the documentation says; all else is None."""
    given = inspect.signature(function).parameters.values()
    seen = {
        one.name: one.default for one in given if one.default not in {None, inspect.Parameter.empty}
    }
    assert seen == defaults


def test_completion() -> None:
    """Whoever types ``setle.`` and a tab is offered what is public, and nothing that we import."""
    assert sorted(dir(setle)) == sorted([*NAMES, "__version__"])


def test_unknown_name() -> None:
    """Any other name is an AttributeError that tells it."""
    with pytest.raises(AttributeError, match=r"^module 'setle' has no attribute 'Token'$"):
        setle.Token  # type: ignore[attr-defined]  # noqa: B018 - the mistake


def test_star() -> None:
    """A star import brings the public names and nothing else."""
    scope: dict[str, object] = {}
    exec("from setle import *", scope)
    assert sorted(set(scope) - {"__builtins__"}) == NAMES


@pytest.mark.parametrize("code", ["import setle", "import setle; setle.SetleError"])
def test_import_is_cheap(code: str) -> None:
    """Importing the package loads none of its dependencies."""
    loaded = loaded_after(code)
    assert "setle" in loaded
    assert loaded.isdisjoint({"anyio", "attr", "attrs", "httpx", "setle_api", "tenacity"})


def test_credentials_load_no_http_stack() -> None:
    """Credentials, stores and errors do without httpx."""
    loaded = loaded_after("import setle; setle.ClientCredentials; setle.FileTokenStore().load('')")
    assert "attrs" in loaded
    assert loaded.isdisjoint(HTTP_STACK)


def test_generated_client_does_not_know_the_wrapper() -> None:
    """The generated package imports nothing of the handwritten one."""
    assert "setle" not in loaded_after("import setle_api, setle_api.models, setle_api.api")


def test_typed() -> None:
    """Type checkers are told that the package has types."""
    from importlib.resources import files

    assert (files(setle) / "py.typed").is_file()
