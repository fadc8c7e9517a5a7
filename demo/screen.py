"""What a viewer sees: a picture that grows, or plain lines where nothing can move."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .load import TASKS, THREADS, Load
from .picture import ASCII, UNICODE, timeline
from .stage import Stage
from .story import Why, allowed_requests, lead_seconds, median_seconds, slowest, verdict

_WIDEST = 100


class Screen:
    """
    Shows the demo while it runs, between entering and leaving its ``with`` block.

    Args:
        console: Where to.

        stage: What happens.

        load: The calls.
    """

    def __init__(self, console: Console, stage: Stage, load: Load) -> None:
        self._console, self._stage, self._load = console, stage, load
        self._width = min(console.width, _WIDEST)
        self._glyphs = UNICODE if console.encoding.startswith("utf") else ASCII
        moves = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True) if moves else None
        self._notes_said = 0
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def introduce(self) -> None:
        """Say what is about to be seen."""
        lifetime, delay = self._stage.sandbox.lifetime, self._stage.sandbox.delay
        self._say(Text("setle: one token, made to last", "bold"))
        self._say(
            Text(
                f"{THREADS} threads and {TASKS} asyncio tasks call GET /v1/estate/list over HTTP"
                f" through one setle.connect(). Tokens live {lifetime:g} s here, and asking for"
                f" one takes {delay * 1000:.0f} ms; the server is setle.testing.Sandbox on"
                " loopback."
            )
        )
        self._console.print()

    def update(self) -> None:
        """Show how far it has come."""
        if self._live:
            self._live.update(self._scene(), refresh=True)
            return
        for note in self._stage.notes[self._notes_said :]:
            self._say(Text(note))
        self._notes_said = len(self._stage.notes)
        if self._stage.elapsed() >= self._next_line:
            self._next_line += self._stage.sandbox.lifetime / 2
            self._say(Text(f"{self._stage.elapsed():5.1f} s  {self._counts()}"))

    def _scene(self) -> Group:
        elapsed, lasts = self._stage.elapsed(), self._stage.lasts
        progress = Table.grid(padding=(0, 3))
        bar = ProgressBar(lasts, min(elapsed, lasts), width=max(10, self._width - 58))
        progress.add_row(f"{elapsed:5.1f} s  {self._counts()}", bar)
        notes = [Text(note, "dim") for note in self._stage.notes]
        return Group(self._picture(elapsed), Text(), progress, *notes)

    def _counts(self) -> str:
        failed = sum(call.failure is not None for call in self._load.calls)
        return (
            f"calls {len(self._load.calls):,}   failed {failed}"
            f"   token requests {self._stage.sandbox.token_requests}"
        )

    def _picture(self, elapsed: float) -> Text:
        seconds = max(elapsed, self._stage.lasts)
        return timeline(
            self._stage.story(), seconds=seconds, width=self._width, glyphs=self._glyphs
        )

    def conclude(self, elapsed: float) -> bool:
        """
        Show what came of it.

        Args:
            elapsed: Seconds that the load ran.

        Returns:
            Whether all went as designed.
        """
        story, calls = self._stage.story(), self._load.calls
        failures = [call.failure for call in calls if call.failure is not None]
        refused = sum(len(token.refused) for token in story.tokens) + len(story.refused)
        allowed = allowed_requests(
            elapsed,
            lifetime=self._stage.sandbox.lifetime,
            refused=min(refused, self._stage.blip),
            revocations=self._stage.revocations,
        )
        self._console.print()
        self._say(self._picture(elapsed))
        self._console.print()
        self._say(self._table(len(failures), story.token_requests, allowed))
        self._console.print()
        problems = verdict(
            calls=len(calls),
            failed=len(failures),
            token_requests=story.token_requests,
            allowed=allowed,
        )
        for problem in problems:
            self._say(Text(f"{self._glyphs.bad} {problem}", "bold red"))
        for failure in sorted(set(failures))[:3]:
            self._say(Text(f"  {failure}", "red"))
        if not problems:
            text = f"No call failed: {len(calls):,} calls on {story.token_requests} token requests"
            self._say(Text(f"{self._glyphs.good} {text}", "bold green"))
        return not problems

    def _table(self, failed: int, requests: int, allowed: int) -> Table:
        calls = self._load.calls
        worst = slowest(calls, self._stage.story(), began=self._stage.began)
        table = Table.grid(padding=(0, 3))
        table.add_column()
        table.add_column(justify="right", style="bold")
        table.add_column(style="dim")
        table.add_row("calls", f"{len(calls):,}", f"{failed} failed")
        table.add_row("token requests", f"{requests}", f"the design allows {allowed}")
        lifetime = self._stage.sandbox.lifetime
        retries = (
            f"waits for retries: a token of {lifetime:g} s leaves at least"
            f" {lead_seconds(lifetime):g} s for them, one of an hour {lead_seconds(3600):g} s"
        )
        for why, what, remark in (
            (Why.ROLL_OVER, "slowest call at a roll-over", "calls go on with the old token"),
            (None, "slowest other call", "nothing else going on"),
            (Why.START, "slowest call at the start", "waits for the first token"),
            (Why.BLIP, "slowest call in the blip", retries),
            (Why.REVOCATION, "slowest call at the revocation", "waits for another token"),
        ):
            if why in worst:
                table.add_row(what, _milliseconds(worst[why]), remark)
        table.add_row("median call", _milliseconds(median_seconds(calls)), "")
        return table

    def _say(self, what: Text | Table) -> None:
        self._console.print(what, width=self._width)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
