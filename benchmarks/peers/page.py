"""The tables and what is to be known of the run: as text, or as a part of a page."""

from collections.abc import Sequence
from importlib.metadata import version

from .._page import circumstances
from .._table import aligned
from .answers import NAMES
from .cell import Case, Cell, best
from .fault_rows import CALLERS
from .libraries import Peer

VERSIONS = ("httpx", "requests")
Rows = Sequence[tuple[Case, Sequence[Cell]]]


def table(peers: Sequence[Peer], rows: Rows, *, markdown: bool) -> str:
    """Return a row for each case and a column for each library, the best marked."""
    head = ["case", *(peer.distribution for peer in peers)]
    mark = "**{}**" if markdown else "*{}"
    lines = [
        [case.name]
        + [
            mark.format(cell.text) if number in winners else cell.text
            for number, cell in enumerate(cells)
        ]
        for case, cells in rows
        for winners in [best(cells, case.tolerance)]
    ]
    versions = ["version", *(version(peer.distribution) for peer in peers)]
    return aligned([head, versions, *lines], markdown=markdown, left=(0,))


def details(peers: Sequence[Peer], outcomes: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """Return what each library did with each bad answer."""
    asking = [(peer, each) for peer, each in zip(peers, outcomes, strict=True) if peer.reads]
    head = ["answer", *(peer.distribution for peer, _ in asking)]
    lines = [[name, *(each[n] for _, each in asking)] for n, name in enumerate(NAMES)]
    return aligned([head, *lines], markdown=markdown, left=range(len(head)))


def losses(peers: Sequence[Peer], rows: Rows) -> list[str]:
    """Return a line for each case in which the first library is not among the best."""
    lines = []
    for case, cells in rows:
        winners = best(cells, case.tolerance)
        if winners and 0 not in winners and cells[0].rank is not None:
            others = " and ".join(
                f"{peers[number].distribution} has {cells[number].text}" for number in winners
            )
            lines.append(f"{case.name}: {others}, {peers[0].distribution} {cells[0].text}")
    return lines


def legend(rows: Rows) -> list[tuple[str, str]]:
    """Return what each row measures."""
    return [(case.name, case.means) for case, _ in rows]


def as_text(peers: Sequence[Peer], rows: Rows, outcomes: Sequence[Sequence[str]]) -> str:
    """Return everything for a terminal."""
    width = max(len(name) for name, _ in legend(rows))
    parts = [
        table(peers, rows, markdown=False),
        "\n".join(f"{name:{width}}  {means}" for name, means in legend(rows)),
        "Another is better:\n" + "\n".join(losses(peers, rows) or ["nowhere"]),
    ]
    if outcomes:
        parts.append(details(peers, outcomes, markdown=False))
    return "\n\n".join(parts)


def as_markdown(
    peers: Sequence[Peer], rows: Rows, outcomes: Sequence[Sequence[str]], command: str
) -> str:
    """Return everything for the page."""
    return "\n\n".join(
        [
            circumstances(command, *VERSIONS),
            table(peers, rows, markdown=True),
            "The best of a row is bold. Times are medians, with the middle half of the rounds in "
            "brackets, or all three where there are no more; what is within "
            "a twentieth of the best is as good. Counts are exact, and "
            f"ranges where rounds differed. `{CALLERS.text}`: the library leaves that to its "
            "caller.",
            "\n".join(f"- **{name}**: {means}." for name, means in legend(rows)),
            "## Where another is better",
            "\n".join(f"- {line}." for line in losses(peers, rows)) or "Nowhere.",
            "## Bad answers",
            "A crash is an exception that is none of the library's own: whoever catches its errors "
            "meets it. The last answer counts for nobody: setle asks for no compression, the "
            "others do.",
            details(peers, outcomes, markdown=True),
        ]
    )
