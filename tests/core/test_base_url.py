"""The base URL: taken in one form, or refused without being shown."""

import pytest

import setle
from setle._endpoint.base_url import DEFAULT_BASE_URL, checked_base_url
from tests.support.faults import fault, saw, yes


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the developer's own setting."""
    monkeypatch.delenv("SETLE_BASE_URL", raising=False)


def refused(base_url: str | None) -> str:
    with pytest.raises(setle.ConfigurationError) as caught:
        checked_base_url(base_url)
    return str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "form"),
    [
        ("https://public-api.setle.app", "https://public-api.setle.app"),
        ("https://public-api.setle.app/", "https://public-api.setle.app"),
        ("https://Public-API.Setle.App:443", "https://public-api.setle.app"),
        ("https://gateway.example:8443/setle/", "https://gateway.example:8443/setle"),
        ("https://gateway.example/X", "https://gateway.example/X"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.8.9.10:1", "http://127.8.9.10:1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_accepted(base_url: str, form: str) -> None:
    """Each of these can be used, and comes out in one form, so that one service is one key."""
    assert checked_base_url(base_url) == form


@fault(
    "Configuration",
    "a base URL with `http://` beyond this machine",
    "refused: it would send the secret in plain text",
)
@pytest.mark.parametrize(
    "base_url",
    [
        "http://public-api.setle.app",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://192.168.0.1",
        "http://0.0.0.0",
        "http://127.1",
        "http://[2001:db8::1]",
    ],
)
def test_plain_text(base_url: str) -> None:
    """Without TLS nothing but loopback is accepted."""
    message = refused(base_url)
    assert "use https://" in message
    saw(f"ConfigurationError: {message.rpartition('; ')[2]}")


@fault(
    "Configuration",
    "a base URL without host, with user, password, query, fragment, blank or a letter beyond ASCII",
    "refused, and not shown",
)
@pytest.mark.parametrize(
    "base_url",
    [
        *(
            "",
            " ",
            "public-api.setle.app",
            "//shown.example",
            "/shown",
            "https://",
            "https:///shown",
        ),
        *("ftp://shown.example", "file:///shown", "javascript:shown"),
        *("https://user@shown.example", "https://user:shown@setle.app", "https://@shown.example"),
        *("https://shown.example?", "https://setle.app?key=shown", "https://setle.app/#shown"),
        *("https://shown.example#", "https://shown.example\\@setle.app"),
        "https://xn--shown-kva.example\\",
        *("https://shown.example\n", "https://sho\r\nwn.example", "https://shown.example\x7f"),
        *(" https://shown.example", "https://shown.example ", "https://setle.app/shown here"),
        *("https://shöwn.example", "https://setle.app/shöwn"),
        *("https://shown.example:port", "https://[::shown"),
    ],
)
def test_refused(base_url: str) -> None:
    """Whatever is no plain web address is refused, and not shown, as it may hold a password."""
    message = refused(base_url)
    assert message.startswith("base_url ")
    assert "sho" not in message
    assert "user:" not in message
    saw(f"ConfigurationError: {message.partition(' ')[0]}", f"shown: {yes('sho' in message)}")


@pytest.mark.parametrize("base_url", [b"https://setle.app", 5, object()])
def test_wrong_type(base_url: str) -> None:
    """Whatever is no string is a configuration error, too."""
    assert refused(base_url).startswith("base_url ")


def test_default() -> None:
    """Without a setting it is the real service."""
    assert checked_base_url(None) == DEFAULT_BASE_URL == "https://public-api.setle.app"


def test_empty_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as none."""
    monkeypatch.setenv("SETLE_BASE_URL", "")
    assert checked_base_url(None) == DEFAULT_BASE_URL


def test_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is taken if there is no argument."""
    monkeypatch.setenv("SETLE_BASE_URL", "https://staging.example/")
    assert checked_base_url(None) == "https://staging.example"
    assert checked_base_url("https://other.example") == "https://other.example"


def test_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that cannot be used is named, and not shown."""
    monkeypatch.setenv("SETLE_BASE_URL", "https://user:shown@setle.app")
    message = refused(None)
    assert message.startswith("SETLE_BASE_URL ")
    assert "shown" not in message
