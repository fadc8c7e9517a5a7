"""What the token endpoint's answers mean, tried without a server."""

import httpx
import pytest
import setle
from setle import _clock
from setle._answer import failure_of

SECRET = "5f0c" * 16
NOON = 1_893_499_200.0  # Tue, 01 Jan 2030 12:00:00 GMT
TEN_YEARS = 315_360_000.0


def failed(
    status: int, body: bytes | str = b"", headers: dict[str, str] | None = None
) -> setle.TokenError:
    return failure_of(httpx.Response(status, content=body, headers=headers), SECRET)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("9" * 400, TEN_YEARS),
        ("Tue, 01 Jan 2030 12:02:00 GMT", 120.0),
        ("Tuesday, 01-Jan-30 12:02:00 GMT", 120.0),
        ("Tue Jan  1 12:02:00 2030", 120.0),
        ("Tue, 01 Jan 2030 12:02:00 +0200", 120.0),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", TEN_YEARS),
    ],
)
def test_retry_after(value: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After is read as seconds and as each form of an HTTP date, and bounded."""
    monkeypatch.setattr(_clock, "wall", lambda: NOON)
    assert failed(503, headers={"Retry-After": value}).retry_after == seconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "-5", "+5", "1e3", "nan", "inf", "0x1", "5 apples", "120, 130"),
        *("10:00", "12/13", "Mon", "10s", "1.2.3.4.5"),
        "Tue, 99 Jan 2030 12:02:00 GMT",
        "Tue, 1234560000000000000000000000000000m12345678 12:02:00",
    ],
)
def test_retry_after_garbage(value: str) -> None:
    """A Retry-After that is neither seconds nor a date counts as none."""
    assert failed(503, headers={"Retry-After": value}).retry_after is None


def test_retry_after_is_missing() -> None:
    """Without Retry-After there is none."""
    assert failed(503).retry_after is None
