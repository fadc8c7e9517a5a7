"""The profile of a warm call as paragraphs of a page, whose sentences follow from its figures."""

from collections.abc import Sequence
from statistics import median

from ._layers import ORDER
from ._limit import Limit
from ._measure import Figure
from ._table import aligned, spread


def how_far(figures: Sequence[Figure]) -> str:
    """Return those of *figures* that compare with the least that can be done."""
    limits = ("time.monotonic() < x", "compares both clocks", "a fixed header")
    rows = [
        (figure.what, figure.against, f"{figure.ratio:.2f}")
        for figure in figures
        if figure.against.endswith(limits) and figure.target
    ]
    return aligned([("what", "the limit", "ratio"), *rows], markdown=True, left=(0, 1))


def as_markdown(limit: Limit) -> list[str]:
    """Return the paragraphs."""
    return [
        "### What a token costs without a network",
        _least(limit),
        _on_least(limit),
        "### Where a call spends its time",
        _layers(limit),
        _on_layers(limit),
        "### What setle does of it",
        _functions(limit),
    ]


def _least(limit: Limit) -> str:
    rows = [
        (name, f"{counts.total:,}", f"{counts.calls.total():,}")
        for name, counts in limit.least.items()
    ]
    return aligned([("what", "bytecodes", "calls"), *rows], markdown=True, left=(0,))


def _on_least(limit: Limit) -> str:
    one, both, ours, _, static, flow = (counts.total for counts in limit.least.values())
    return (
        f"A function that looks at one clock executes {one} bytecodes, one that looks at both "
        f"{both}, and `get_token()` {ours}. The {ours - both} between the last two lead from the "
        "source to the state of its key, and from there to the token that is held: any thread "
        "may put another one there, and whoever reads needs no lock. `BearerAuth` executes "
        f"{flow} where a fixed header takes {static}: it gets the token, looks whether the "
        "request goes to the origin that the token is for, and looks for a 401."
    )


def _layers(limit: Limit) -> str:
    head = (
        "layer",
        "sync us",
        "share",
        "async us",
        "share",
        "bytecodes",
        "calls",
        "plain httpx",
        "async",
    )
    both = (limit.sync, limit.taken)
    totals = [sum(median(seconds) for seconds in layers.values()) for layers in both]
    rows = []
    for name in ORDER:
        cells = [name]
        for layers, total in zip(both, totals, strict=True):
            cells += [spread(layers[name], scale=1e6), f"{median(layers[name]) / total:.1%}"]
        counts = limit.counts if limit.counts.calls[name] else limit.generated
        cells += [f"{counts.bytecodes[name]:,}", f"{counts.calls[name]:,}"]
        cells += [f"{each.bytecodes[name]:,}" for each in (limit.plain, limit.async_counts)]
        rows.append(cells)
    return aligned([head, *rows], markdown=True, left=(0,))


def _on_layers(limit: Limit) -> str:
    ours, plain = limit.counts, limit.plain
    own, more = ours.bytecodes["setle"], ours.total - plain.total
    busiest = max(ORDER, key=lambda name: ours.bytecodes[name])
    same = [name for name in ("httpcore", "h11") if ours.bytecodes[name] == plain.bytecodes[name]]
    return (
        "Microseconds are those that this process spends on its processor: what a level (a "
        "socket, httpcore, httpx, setle, a generated function) takes more than the one below it, "
        "a tenth of the calls taking less. The server is another process, and left out. Bytecodes "
        "and calls of functions are counted, for the least of five calls: an answer that comes in "
        "two pieces takes more. The standard library counts for the layer that calls it, and what "
        "is written in C, such as sockets, executes none. The columns of bytecodes are those of a "
        "sync call by what `connect()` returns, of plain httpx with a fixed header, and of an "
        "async call; the "
        "generated client's are those of a call that parses its answer.\n\n"
        f"Of the {ours.total:,} bytecodes of a call setle has {own:,}, {own / ours.total:.1%}; the "
        f"most are those of {busiest}. Plain httpx executes {plain.total:,}, {more:,} or "
        f"{more / plain.total:.1%} fewer"
        + (f"; {' and '.join(same)} do the same for both" if same else "")
        + ". With an authentication of its own, httpx looks for no user in the URL, which makes "
        "up for a part of what setle adds. What is left to gain lies below setle, in the client "
        "and its transport; [a recipe](recipes.md) shows a faster one."
    )


def _functions(limit: Limit) -> str:
    rows = [(f"`{name}`", f"{count:,}") for name, count in limit.counts.of_setle.most_common()]
    head = ("function, with what it calls of the standard library", "bytecodes of a sync call")
    return aligned([head, *rows], markdown=True, left=(0,))
