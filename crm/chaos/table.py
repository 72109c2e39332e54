"""The table of a session of chaos, one row for each family of faults."""

from collections.abc import Iterable, Sequence
from statistics import median

from crm.chaos.count import Result

HEADERS = ("fault", "runs", "messages", "lost", "twice", "uncertain (worst, bound)", "held", "recovery median, max")


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table with a row for each family, and a sum."""
    families: dict[str, list[Result]] = {}
    for result in results:
        families.setdefault(result.family, []).append(result)
    rows = [_row(family, found) for family, found in sorted(families.items())]
    rows.append(_row("**all**", [result for found in families.values() for result in found]))
    lines = [HEADERS, tuple("---" for _ in HEADERS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(name: str, found: Sequence[Result]) -> tuple[str, ...]:
    worst = max(found, key=lambda result: result.uncertain)
    times = [result.recovery for result in found]
    return (
        name,
        str(len(found)),
        str(sum(result.messages for result in found)),
        str(sum(result.lost for result in found)),
        str(sum(result.twice for result in found)),
        f"{sum(result.uncertain for result in found)} ({worst.uncertain}, {max(result.bound for result in found)})",
        str(sum(result.held for result in found)),
        f"{median(times):.1f} s, {max(times):.1f} s",
    )


def supports(runs: int) -> str:
    """What so many runs without a violation say: the rule of three, at 95 %."""
    return f"{runs} runs without a violation support: below {3 / runs:.2%} of such faults break the promise (95 %)."
