import shutil
from pathlib import Path

import pytest

from pipeline import names
from tests.pipeline.test_generate import edit

CALL = "`setle_api.api.general.create_access_token`"
TOKEN = "setle_api.models.AccessTokenResponse"
ENDPOINT = "api/general/create_access_token.py"
MODEL = "models/access_token_response.py"
SECRET = "    x_setle_client_secret: str,\n"


@pytest.fixture
def packages(scratch: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return the generated package and a copy to edit."""
    old = scratch / "generated" / "setle_api"
    return old, Path(shutil.copytree(old, tmp_path / "new" / "setle_api"))


@pytest.mark.parametrize(
    ("file", "old", "new", "forth", "back"),
    [
        (MODEL, "    Attributes:", "    Fields:", [], []),
        (ENDPOINT, "_get_kwargs", "_get_args", [], []),
        (
            ENDPOINT,
            SECRET,
            f"{SECRET}    x_tenant: str,\n",
            [(True, f"{CALL}, `x_tenant`: parameter was added as required")],
            [(True, f"{CALL}, `x_tenant`: parameter was removed")],
        ),
        (
            ENDPOINT,
            SECRET,
            f"{SECRET}    x_tenant: str | Unset = UNSET,\n",
            [(False, f"{CALL}, `x_tenant`: parameter is new and optional")],
            [(True, f"{CALL}, `x_tenant`: parameter was removed")],
        ),
        (
            ENDPOINT,
            SECRET,
            SECRET.replace("str", "str | int"),
            [(False, f"{CALL}, `x_setle_client_secret`: type is `str | int`, was `str`")],
            [(True, f"{CALL}, `x_setle_client_secret`: type is `str`, was `str | int`")],
        ),
        (
            ENDPOINT,
            "-> Response[AccessTokenResponse | ApiError]:",
            "-> Response[AccessTokenResponse]:",
            [
                (
                    False,
                    f"{CALL}: returns `Response[AccessTokenResponse]`, "
                    "was `Response[AccessTokenResponse | ApiError]`",
                )
            ],
            [
                (
                    True,
                    f"{CALL}: returns `Response[AccessTokenResponse | ApiError]`, "
                    "was `Response[AccessTokenResponse]`",
                )
            ],
        ),
        (
            ENDPOINT,
            "def sync(",
            "def _sync(",
            [(True, f"{CALL[:-1]}.sync` is gone")],
            [(False, f"{CALL[:-1]}.sync` is new")],
        ),
        (
            MODEL,
            "    expires_in: float\n",
            "    expires_in: float | Unset = UNSET\n",
            [(True, f"`{TOKEN}.expires_in`: type is `float | Unset`, was `float`")],
            [(False, f"`{TOKEN}.expires_in`: type is `float`, was `float | Unset`")],
        ),
        (
            MODEL,
            "    expires_in: float\n",
            "    expires_in: str\n",
            [(True, f"`{TOKEN}.expires_in`: type is `str`, was `float`")],
            [(True, f"`{TOKEN}.expires_in`: type is `float`, was `str`")],
        ),
        (
            MODEL,
            "    expires_in: float\n",
            "    expires_in: float\n    scope: str\n",
            [(False, f"`{TOKEN}.scope` is new")],
            [(True, f"`{TOKEN}.scope` is gone")],
        ),
        (
            MODEL,
            "    expires_in: float\n",
            "    expires_in: float\n    A = 1\n",
            [(False, f"`{TOKEN}.A` is new")],
            [(True, f"`{TOKEN}.A` is gone")],
        ),
        (
            "models/__init__.py",
            '    "ApiError",\n',
            "",
            [(True, "`setle_api.models.ApiError` is gone")],
            [(False, "`setle_api.models.ApiError` is new")],
        ),
    ],
    ids=[
        "words",
        "private name",
        "required parameter",
        "optional parameter",
        "type of a parameter",
        "answer",
        "function",
        "optional field",
        "type of a field",
        "field that is read",
        "value",
        "model",
    ],
)
def test_each_change_is_one_line(
    packages: tuple[Path, Path],
    file: str,
    old: str,
    new: str,
    forth: list[tuple[bool, str]],
    back: list[tuple[bool, str]],
) -> None:
    """Whichever functions and modules hold it, and in both directions."""
    before, after = packages
    edit(after / file, old, new)
    assert list(names.compare(before, after)) == forth
    assert list(names.compare(after, before)) == back


@pytest.mark.parametrize("parameter", ["AccessTokenResponse", "list[Outer] | Unset"])
def test_a_required_field_of_what_users_make_breaks(
    packages: tuple[Path, Path], parameter: str
) -> None:
    """A model that a parameter takes, or a field of one that it takes, has to be given it."""
    for package in packages:
        edit(package / ENDPOINT, SECRET, f"{SECRET}    body: {parameter},\n")
        edit(package / "models/__init__.py", '    "ApiError",\n', '    "ApiError",\n    "Outer",\n')
        (package / "models/outer.py").write_text("class Outer:\n    inner: AccessTokenResponse\n")
        with (package / "models/__init__.py").open("a") as models:
            models.write("from .outer import Outer\n")
    before, after = packages
    edit(
        after / MODEL,
        "    expires_in: float\n",
        "    expires_in: float\n    a: str\n    b: str = ''\n",
    )
    edit(before / MODEL, "    token_type: str\n", "    token_type: str | None\n")
    assert list(names.compare(before, after)) == [
        (True, f"`{TOKEN}.a` is new and must be given"),
        (False, f"`{TOKEN}.b` is new"),
        (True, f"`{TOKEN}.token_type`: type is `str`, was `str | None`"),
    ]


def test_another_value_breaks(packages: tuple[Path, Path]) -> None:
    """What is sent under a name is another thing."""
    for package, value in zip(packages, "ab", strict=True):
        edit(package / MODEL, "    expires_in: float\n", f"    A = '{value}'\n")
    assert list(names.compare(*packages)) == [(True, f"`{TOKEN}.A`: value is `'b'`, was `'a'`")]
