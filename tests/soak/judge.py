"""What was promised of the workers, and what was seen."""

import math
import re
from bisect import bisect
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tests.soak.verdicts import LOST, Verdict, alive, confined, rare, resources
from tests.support.examples import ROOT

if TYPE_CHECKING:
    from tests.soak.soak import Soak

_REST = 6.0  # seconds that a Redis store is left alone after trouble, and one for the rest
_HOLD = 61.0  # seconds in which a 401 may pass through after another one
HEADINGS = re.findall(
    "^#### `(.+)`$", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE
)


def explained(message: str) -> bool:
    """Tell whether the page of troubles names cause and remedy of *message*."""
    parts = ([part.strip() for part in heading.split("…")] for heading in HEADINGS)
    return any(re.search(".*".join(map(re.escape, each)), message) for each in parts)


class Judge:
    """
    Judges a soak that has ended.

    Args:
        soak: What happened.
    """

    def __init__(self, soak: "Soak") -> None:
        self._soak, self._ledger = soak, soak.ledger
        self._told: dict[str, list[list[Any]]] = defaultdict(list)
        self._held: dict[int, list[tuple[float, str, float]]] = defaultdict(list)
        for event, *more in soak.events:
            # The zygote tells of a worker that broke, as of a call.
            event = "broken" if event == "call" and len(more) == 4 else event  # noqa: PLW2901 - so
            lost = event == "failed" and self._is_lost(*more)
            self._told["lost" if lost else event].append(more)
            if event in ("call", "failed") and more[-2]:
                self._held[more[0]].append((more[2], *more[-2:]))
        for held in self._held.values():
            held.sort()

    def verdicts(self, *, flat: bool = True) -> list[Verdict]:
        """Return one for each invariant; *flat* tells whether the time was enough to judge it."""
        verdicts = [
            self._ended(),
            self._usable(),
            self._typed(),
            rare(self._ledger.calls, self._told["lost"]),
            self._passed(),
            self._bounded(),
            confined(self._soak, self._told["failed"]),
            alive(self._soak, self._told["child"], self._told["broken"]),
        ]
        return verdicts + (resources(self._soak) if flat else [])

    def _is_lost(self, pid: int, at: float, began: float, text: str, *more: Any) -> bool:
        """Tell whether httpcore has taken away the connection of a call that failed."""
        return (more[2], text) == LOST and any(
            other == pid and began <= then <= at for other, then, *_ in self._told["taken"]
        )

    def _ended(self) -> Verdict:
        rejected = self._told["rejected"]
        late = [
            f"process {pid} sent {token} {sent_at - self._ledger.ends(token):.3f} s after its end"
            for pid, _, sent_at, token in rejected
            if sent_at > self._ledger.ends(token)
            # Nobody notices a suspension between getting a token and sending it.
            and not self._suspended(pid, self._ledger.ends(token) - 0.2, sent_at)
        ]
        return Verdict(
            "No token is sent past its end",
            "by the server's ledger, for each call that it answered with 401",
            f"{self._ledger.calls:,} calls, {len(rejected):,} answered with 401;"
            f" {len(late)} past the end",
            late,
        )

    def _suspended(self, pid: int, began: float, ended: float) -> bool:
        return any(
            span.kind == "stop" and span.process == pid and span.touches(began, ended)
            for span in self._ledger.faults
        )

    def _usable(self) -> Verdict:
        failed, wrong, usable = self._told["failed"], [], self._ledger.is_usable
        for pid, at, began, text, kind, _, _, stored, stored_end, _, _ in failed:
            held = self._held[pid]
            # The last one that any caller of the process had before.
            last = bisect(held, (began, "~", 0.0)) - 1
            _, had, end = held[last] if last >= 0 else (0.0, "", 0.0)
            if usable(had, end, began, at) and not self._stepped(pid, had, at):
                wrong.append(f"{kind} of {pid} at {began:.3f}, which had {had} in use: {text}")
            elif usable(stored, stored_end, began - 1.0, at) and self._shared(began, at):
                wrong.append(f"{kind} of {pid} at {began:.3f}, with {stored} stored: {text}")
        return Verdict(
            "No call fails that has a usable token",
            "one that its process had in use, or that was in a store without trouble, usable from"
            " the begin of the call to its end",
            f"{len(failed):,} calls failed; {len(wrong)} of them had a usable token",
            wrong,
        )

    def _stepped(self, pid: int, token: str, at: float) -> bool:
        """Tell whether the wall clock of a process may have ended *token*."""
        issued = self._ledger.issued[token]
        return any(other == pid and issued < then < at for other, then, *_ in self._told["stepped"])

    def _shared(self, began: float, at: float) -> bool:
        """Tell whether nobody had trouble with a store."""
        return not any(
            span.kind in ("stores", "stop") and span.touches(began - _REST, at)
            for span in self._ledger.faults
        )

    def _typed(self) -> Verdict:
        names, wrong = Counter[str](), []
        for pid, _, _, text, kind, typed, name, *_ in self._told["failed"]:
            names[name] += 1
            if not (typed and explained(text)):
                wrong.append(f"{kind} of {pid}: {name}: {text}")
        counts = ", ".join(f"{count:,} {name}" for name, count in names.most_common())
        return Verdict(
            "Every failure is an error of this package that names cause and remedy",
            "a `SetleError` whose message has its entry among the troubles",
            f"{counts or 'none'}; {len(wrong)} others",
            wrong,
        )

    def _passed(self) -> Verdict:
        calls, times = self._told["call"], defaultdict(list)
        answers = Counter(call[3] for call in calls)
        for pid, at, *_ in self._told["rejected"]:
            times[pid].append(at)
        for child, at, parent, *_ in self._told["forked"]:  # with the hold that there was
            times[child] += [each for each in times[parent] if each <= at]
        wrong = [
            f"{kind} of {pid}: status {text}"
            for pid, at, _, text, kind, *_ in calls
            if text != "200"
            and (text != "401" or sum(at - _HOLD < each <= at for each in times[pid]) < 2)
        ]
        return Verdict(
            "A 401 reaches a caller only where another token would not have helped",
            "as the second one of its process, and of the one it was forked from, within a minute;"
            " no other status reaches one",
            f"{answers['401']:,} of {answers.total():,} calls; {len(wrong)} others",
            wrong,
        )

    def _bounded(self) -> Verdict:
        counts = {event: Counter(each[0] for each in told) for event, told in self._told.items()}
        asked, lives = counts.get("asks", Counter[int]()), defaultdict(list)
        for events in self._told.values():
            for pid, at, *_ in events:
                lives[pid].append(at)
        closest, allowed, wrong = (0.0, 0, 0), 0, []
        for pid, count in asked.items():
            began, ended = min(lives[pid]), max(lives[pid])
            faults = [span for span in self._ledger.faults if span.touches(began, ended)]
            trouble = [span.ended - span.began for span in faults if span.kind == "endpoint"]
            stops = sum(span.kind == "stop" and span.process == pid for span in faults)
            tokens = 2 + (ended - began) / (0.84 * self._ledger.lifetime) + len(trouble)
            tokens += sum(counts[each][pid] for each in ("rejected", "stepped") if each in counts)
            flights = stops + sum(2 + math.log2(1 + 2 * seconds) for seconds in trouble)
            most = int(tokens + 3 * flights)
            closest, allowed = max(closest, (count / most, count, most)), allowed + most
            if count > most:
                wrong.append(f"process {pid} asked {count} times in {ended - began:.0f} s: {most}")
        crew = self._soak.crew
        alone = [*crew.lasting.values(), *crew.mortal.values()].count("memory")
        issued = len(self._ledger.issued)
        per_life = issued * self._ledger.lifetime / self._soak.seconds / (2 + alone)
        return Verdict(
            "Token requests are bounded",
            "for each process: one at its begin, in 0.84 of a life, and for each 401, step of its"
            " clock and rotation; three for each suspension, and for each back-off (0.5 s,"
            " doubling) within a fault of the endpoint",
            f"{asked.total():,} requests of at most {allowed:,}, {closest[1]} of {closest[2]} for"
            f" the process closest to its bound; {issued:,} tokens, {per_life:.2f} for a life and a"
            " store",
            wrong,
        )
