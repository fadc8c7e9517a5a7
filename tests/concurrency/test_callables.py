"""Callables that return credentials: new at each request, failing, or with an environment."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, held_up, join_refreshes, source_of
from tests.support.faults import fault, saw, times

pytestmark = pytest.mark.usefixtures("no_jitter")


class Vault:
    """Returns credentials, and counts how often it is called; down if told so."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.calls, self.is_down = 0, False
        self._credentials = credentials_of(sandbox)

    def __call__(self) -> setle.ClientCredentials:
        self.calls += 1
        if self.is_down:
            raise ConnectionError("the vault is sealed")
        return self._credentials


def test_fresh_lambdas_share_one_token(sandbox: Sandbox) -> None:
    """A ``connect()`` per web request with a lambda costs one token request in all."""
    store = setle.MemoryTokenStore()
    tokens = [
        source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store).get_token()
        for _ in range(50)
    ]
    assert len({token.value for token in tokens}) == 1
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("failure", [Answer(status=503), Answer(hang_up=True)])
@pytest.mark.usefixtures("clock")  # which stands still, however slow the machine is
def test_fresh_lambdas_share_one_back_off(sandbox: Sandbox, failure: Answer) -> None:
    """An endpoint that is down is asked three times, not 150."""
    sandbox.script_token(*[failure] * 200)
    store = setle.MemoryTokenStore()
    for _ in range(50):
        source = source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store)
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
    assert sandbox.token_requests <= 3


@pytest.mark.parametrize("anew", [False, True], ids=["one source", "a source per call"])
@pytest.mark.usefixtures("clock")  # as above
def test_a_failing_callable_backs_off_by_itself(sandbox: Sandbox, anew: bool) -> None:
    """Fifty calls ask the vault once, also if it has never answered; the message blames it."""
    store, vault = setle.MemoryTokenStore(), Vault(sandbox)
    vault.is_down = True
    source = source_of(sandbox, credentials=vault, store=store)
    for _ in range(50):
        if anew:
            source = source_of(sandbox, credentials=vault, store=store)
        with pytest.raises(setle.TokenUnavailableError, match=r"callable .* ConnectionError"):
            source.get_token()
    assert vault.calls == 1
    assert sandbox.token_requests == 0


def test_a_failing_callable_is_called_again_after_its_back_off(
    sandbox: Sandbox, clock: Clock
) -> None:
    """At the latest a second after its first failure."""
    vault = Vault(sandbox)
    vault.is_down = True
    source = source_of(sandbox, credentials=vault)
    with pytest.raises(setle.TokenUnavailableError):
        source.get_token()
    vault.is_down = False
    clock.go_on(1)
    source.get_token()
    assert vault.calls == 2


def test_a_failing_callable_does_not_hold_up_who_needs_none(sandbox: Sandbox) -> None:
    """Its back-off is its own, though the credentials and their key are the same."""
    store, vault = setle.MemoryTokenStore(), Vault(sandbox)
    source = source_of(sandbox, credentials=vault, store=store)
    source.invalidate(source.get_token())
    vault.is_down = True
    with pytest.raises(setle.TokenUnavailableError):
        source.get_token()
    source_of(sandbox, store=store).get_token()
    source.get_token()
    assert (vault.calls, sandbox.token_requests) == (2, 2)


def test_a_stored_token_needs_no_answer_of_a_callable_that_was_known(
    sandbox: Sandbox, tmp_path: Path, clock: Clock
) -> None:
    """What another process has saved is taken, though the vault is down."""
    vault = Vault(sandbox)
    source = source_of(sandbox, credentials=vault, store=setle.FileTokenStore(tmp_path))
    source.get_token()
    clock.go_on(3600)
    newer = source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    vault.is_down = True
    assert source.get_token() == newer
    assert vault.calls == 1


@fault(
    "Callables and foreign code",
    "the vault behind your callable is down during an early refresh",
    "nobody notices",
)
def test_a_failing_callable_leaves_the_usable_token_in_use(sandbox: Sandbox, clock: Clock) -> None:
    """An early refresh that fails in the vault is invisible."""
    vault = Vault(sandbox)
    source = source_of(sandbox, credentials=vault)
    old = source.get_token()
    vault.is_down = True
    clock.go_on(3600 - 1)
    served = [source.get_token() for _ in range(50)]
    assert served == [old] * 50
    assert vault.calls == 2
    same = times(served.count(old), "call")
    saw(f"{same} served with the token in use", f"the vault was asked {vault.calls} times")


def _reads_the_environment() -> setle.ClientCredentials:
    return setle.ClientCredentials.from_env()


ways = pytest.mark.parametrize(
    "way", [None, setle.ClientCredentials.from_env, _reads_the_environment]
)
Way = Callable[[], setle.ClientCredentials] | None


class Tenants:
    """Two tenants, each with a token of its own, of whom the environment names one."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
        self._sandbox, self._monkeypatch, self._way = sandbox, monkeypatch, way
        self._store = setle.MemoryTokenStore()
        monkeypatch.setenv("SETLE_CLIENT_SECRET", "secret")

    def enter(self, name: str) -> None:
        """Let the environment name a tenant."""
        self._monkeypatch.setenv("SETLE_CLIENT_ID", name)

    def connect(self) -> setle.TokenSource:
        """Return a new source for the tenant that the environment names."""
        return setle.TokenSource(self._way, base_url=self._sandbox.base_url, store=self._store)

    def grant(self, token: str) -> None:
        """Let the next token be this one."""
        grant = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        self._sandbox.script_token(Answer(json=grant))


@ways
def test_an_environment_that_changed_never_serves_the_first_tenants_token(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """Each ``connect()`` is for the tenant of its time, however often they take turns."""
    tenants = Tenants(sandbox, monkeypatch, way)
    for turn in range(3):
        for name in ("one", "two"):
            tenants.enter(name)
            if turn == 0:
                tenants.grant(name)
            assert tenants.connect().get_token().value == name
    assert sandbox.token_requests == 2


@ways
def test_a_client_that_outlives_its_tenant_does_not_mislead_the_next_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """It may have called its callable in the other one's time."""
    tenants = Tenants(sandbox, monkeypatch, way)
    tenants.enter("one")
    tenants.grant("one")
    first = tenants.connect()
    first.get_token()
    tenants.enter("two")
    tenants.grant("another")
    first.invalidate(first.get_token())
    first.get_token()
    join_refreshes()
    tenants.enter("one")
    if way is not None:
        tenants.grant("one-again")
    assert tenants.connect().get_token().value == ("another" if way is None else "one-again")


@pytest.fixture
def secret_file(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that the environment names, with the secret in it."""
    path = tmp_path / "secret"
    path.write_text(sandbox.client_secret)
    monkeypatch.setenv("SETLE_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", str(path))
    return path


def test_a_rotated_secret_file_is_picked_up(sandbox: Sandbox, secret_file: Path) -> None:
    """By the client that is there, at its next refresh, and by a new one at once."""
    source = setle.TokenSource(base_url=sandbox.base_url, store=setle.MemoryTokenStore())
    source.invalidate(source.get_token())
    secret_file.write_text(sandbox.rotate_secret() + "\n")
    source.get_token()
    setle.TokenSource(base_url=sandbox.base_url, store=setle.MemoryTokenStore()).get_token()
    assert (sandbox.token_requests, sandbox.tokens_issued) == (3, 3)


def test_a_rotated_secret_file_is_picked_up_by_a_new_client_alone(
    sandbox: Sandbox, secret_file: Path
) -> None:
    """Though the clients that are there have had no reason yet to look into it."""
    store = setle.MemoryTokenStore()
    source = setle.TokenSource(base_url=sandbox.base_url, store=store)
    source.get_token()
    secret_file.write_text(sandbox.rotate_secret())
    setle.TokenSource(base_url=sandbox.base_url, store=store).get_token()
    join_refreshes()
    assert (sandbox.token_requests, sandbox.tokens_issued) == (2, 2)


@pytest.mark.parametrize("left", [170.0, 20.0], ids=["early", "stale"])
def test_a_token_outlives_its_secret(sandbox: Sandbox, clock: Clock, left: float) -> None:
    """A rotation while the endpoint fails costs no call: the old secret's token still serves."""
    current = credentials_of(sandbox)
    source = source_of(sandbox, credentials=lambda: current)
    token = source.get_token()
    sandbox.rotate_secret()
    current = credentials_of(sandbox)
    sandbox.script_token(Answer(404), Answer(404))
    clock.go_on(3600 - left)
    for _ in range(2):
        assert source.get_token() == token
        join_refreshes()
        assert source.current_token() == token
        clock.go_on(5)
    source.get_token()
    join_refreshes()
    assert source.get_token() != token
    assert (sandbox.token_requests, sandbox.tokens_issued) == (4, 2)


def test_a_token_does_not_outlive_its_tenant(sandbox: Sandbox, clock: Clock) -> None:
    """Where the callable says another client by now, the first one's token is used no more."""
    current = credentials_of(sandbox)
    source = source_of(sandbox, credentials=lambda: current)
    source.get_token()
    current = setle.ClientCredentials("somebody-else", current.client_secret)
    clock.go_on(3600 - 20)
    with pytest.raises(setle.TokenRejectedError):
        source.get_token()
    assert source.current_token() is None


def test_a_callable_is_called_by_one_thread_at_a_time_for_all(sandbox: Sandbox) -> None:
    """Forty threads that need a token call the vault once."""
    vault = Vault(sandbox)
    source = source_of(sandbox, credentials=vault)
    barrier = threading.Barrier(40)

    def run() -> None:
        barrier.wait(30)
        source.get_token()

    threads = [threading.Thread(target=run) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (vault.calls, sandbox.token_requests) == (1, 1)


def test_a_caller_who_was_held_up_uses_what_the_callable_has_led_to(sandbox: Sandbox) -> None:
    """The vault is not called again, though it had not answered yet when the call began."""
    vault = Vault(sandbox)
    source = source_of(sandbox, credentials=vault)

    def before_the_mutex(frame: FrameType) -> bool:
        return frame.f_code.co_filename.endswith("_locks.py")

    with held_up(before_the_mutex, source.get_token) as call:
        token = source.get_token()
    assert call.result() == token
    assert (vault.calls, sandbox.token_requests) == (1, 1)
