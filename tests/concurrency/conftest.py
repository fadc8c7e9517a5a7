import pytest

from setle._refresh import registry


@pytest.fixture
def few_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """What forgets old states goes through them one by one, and each is a place anew."""
    monkeypatch.setattr(registry, "_MANY", 2)
