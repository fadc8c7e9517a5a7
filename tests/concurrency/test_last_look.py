"""What others save while a request fails here."""

import pytest

import setle
from setle._time import now
from setle.testing import Answer, Sandbox
from tests.support import source_of

pytestmark = pytest.mark.usefixtures("no_jitter")


class _Shared(setle.MemoryTokenStore):
    """A store into which another process saves a token at the end of some request."""

    def __init__(self, sandbox: Sandbox, requests: int) -> None:
        super().__init__()
        self.sandbox, self.requests = sandbox, requests
        self.theirs = setle.AccessToken.issued("theirs", 3600.0, at=now())

    def load(self, key: str) -> setle.AccessToken | None:
        return self.theirs if self.sandbox.token_requests >= self.requests else None


def test_a_token_saved_while_a_request_hangs_is_used(sandbox: Sandbox) -> None:
    """The request is given up a little before the caller gives up."""
    source = source_of(sandbox, store=_Shared(sandbox, 1), timeout=2.0)
    with sandbox.hold():
        assert source.get_token().value == "theirs"


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_token_saved_during_a_failing_request_is_used(sandbox: Sandbox, requests: int) -> None:
    """Between two attempts there is a look, and a last one after all of them."""
    sandbox.script_token(*[Answer(503)] * 3)
    assert source_of(sandbox, store=_Shared(sandbox, requests)).get_token().value == "theirs"
    assert sandbox.token_requests == requests
