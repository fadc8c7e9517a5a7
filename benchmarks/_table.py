"""Tables, for people and for the documents."""

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], *, markdown: bool, left: Collection[int]) -> str:
    """Return *rows*, of which the first is the head, with the columns *left* flush left."""
    if markdown:
        ruler = ["---" if number in left else "--:" for number in range(len(rows[0]))]
        return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
