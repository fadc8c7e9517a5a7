"""What holds of all that the workers leave behind."""

from typing import TYPE_CHECKING, Any

import attrs

from tests.soak.samples import RESOURCES
from tests.support.leaks import leaks

if TYPE_CHECKING:
    from tests.soak.soak import Soak

LOST = ("ReadError", "[Errno 9] Bad file descriptor")
_RARE = 10_000


@attrs.frozen
class Verdict:
    """
    One invariant.

    Args:
        name: What must hold.
        promised: How it is judged.
        seen: In figures.
        violations: Where it did not hold.
    """

    name: str
    promised: str
    seen: str
    violations: list[str]


def rare(calls: int, lost: list[list[Any]]) -> Verdict:
    """Judge how many calls httpcore has *lost*: those whose connection it took away."""
    wrong = [f"{kind} of {pid} at {began:.3f}" for pid, _, began, _, kind, *_ in lost]
    return Verdict(
        "httpcore loses few calls, which the two rows above leave out",
        f"an `httpx.{LOST[0]}` (`{LOST[1]}`) while the process's pool chose a connection to close"
        f" that it had given to a request; at most one, or one in {_RARE:,}",
        f"{len(lost):,} of {calls:,} calls",
        wrong if len(lost) > max(1, calls // _RARE) else [],
    )


def confined(soak: "Soak", failed: list[list[Any]]) -> Verdict:
    """Judge where secrets and tokens are."""
    files = [path for path in soak.folder.iterdir() if path.is_file()]
    places = {path.name: path.read_bytes() for path in files if "secret" not in path.name}
    told = "\n".join(str(failure) for failure in failed)
    places["messages"] = told.encode()
    found = [leak for name, content in places.items() for leak in leaks(name, content)]
    found += soak.samples.leaks
    size = sum(map(len, places.values())) / (1 << 20)
    return Verdict(
        "No secret and no token shows up",
        "in the log (DEBUG), stderr, messages, tracebacks with the variables of each frame; in"
        " the stores a token in its entry only, a secret nowhere",
        f"{size:,.0f} MiB of logs and reports, {soak.samples.looks:,} looks into"
        f" entries; {len(found)} leaks",
        found,
    )


def alive(soak: "Soak", children: list[list[Any]], workers: list[list[Any]]) -> Verdict:
    """Judge whether anybody hangs or has ended."""
    silent = soak.silent
    broken = [f"a child of {pid} ended with {status}" for pid, _, status, _ in children if status]
    return Verdict(
        "Everybody goes on",
        "each caller of each process has an answer within a minute after the last fault, and"
        " each forked child ends well",
        f"{len(silent)} callers silent; {len(children):,} children, {len(broken)} broken",
        [f"{caller} is silent" for caller in silent]
        + broken
        + [f"process {pid} ended with {text}" for pid, _, _, text in workers],
    )


def resources(soak: "Soak") -> list[Verdict]:
    """Judge what the long-lived workers take up."""
    verdicts = []
    for number, resource in enumerate(RESOURCES):
        growths, wrong = [], []
        for pid, taken in soak.samples.taken.items():
            values = [sample[number] for sample in taken]
            before, after = resource.growth(values)
            growths.append(f"{before:.4g} → {after:.4g}")
            if not resource.is_flat(values):
                wrong.append(f"{soak.crew.lasting[pid]} ({pid}): {growths[-1]}")
        share = f", or {resource.share:.0%} more" if resource.share else ""
        verdicts.append(
            Verdict(
                f"Long-lived workers: flat {resource.name}",
                f"{resource.unit}: the median of the last fifth at most {resource.allowance:g}"
                f"{share} above that of the second fifth",
                ", ".join(growths),
                wrong,
            )
        )
    return verdicts
