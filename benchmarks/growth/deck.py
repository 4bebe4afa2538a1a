"""Rate decks: what it costs to lint one, to publish one, and to publish one more rate to all that is published.

Each figure is the processor time of the whole command, start and imports included.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from benchmarks.growth import Growth
from benchmarks.stack import EMBEDDED, stack

_COLUMNS = (
    "rate_card_id,usage_type,destination_prefix,destination_name,unit,unit_size,initial_increment,increment,price,price_units,"
    "currency,effective_from,effective_to"
)
_FIRST_PREFIX, _PREFIXES = 100_000, 900_000
_PUBLISHED_AT_ONCE = 900_000


def measured(quick: bool) -> list[Growth]:
    """`quick`: with histories of a tenth."""
    small, large = (2_000, 20_000) if quick else (20_000, 200_000)
    with tempfile.TemporaryDirectory() as name, stack(Path(name), EMBEDDED) as servers:
        folder, environment = Path(name), {**os.environ, **servers.environment}
        _seconds(environment, "setup")
        decks = {count: write_deck(folder / f"{count}.csv", f"card-{count}", count) for count in (small, large)}
        lint = [_seconds(environment, "rates", "lint", str(deck)) for deck in decks.values()]
        publish = [_seconds(environment, "rates", "publish", str(deck)) for deck in decks.values()]
        one_more = [_one_more(folder, environment, large)]
        for card, count in enumerate(_parts(large * 9)):
            _seconds(environment, "rates", "publish", str(write_deck(folder / "more.csv", f"more-{card}", count)))
        one_more.append(_one_more(folder, environment, large * 10))
    rates = f"{small:,} / {large:,} rates"
    published = f"{large:,} / {large * 10:,} published"
    return [
        Growth("rates lint, processor", rates, *lint, "s", 10.0),
        Growth("rates publish, processor", rates, *publish, "s", 10.0),
        Growth("rates publish of one more rate, processor", published, *one_more, "s", 10.0),
    ]


def _one_more(folder: Path, environment: Mapping[str, str], published: int) -> float:
    deck = write_deck(folder / "one.csv", f"one-more-{published}", 1)
    return _seconds(environment, "rates", "publish", str(deck))


def _parts(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, _PUBLISHED_AT_ONCE)
        count -= _PUBLISHED_AT_ONCE


def write_deck(path: Path, card: str, count: int, begin: str = "2026-01-01T00:00:00Z") -> Path:
    """Calls to `count` prefixes of six digits, with prices of a minute as price lists have them."""
    random = Random(count)
    prefixes = range(_FIRST_PREFIX, _FIRST_PREFIX + _PREFIXES, max(1, _PREFIXES // count))[:count]
    lines = (
        f"{card},call,{prefix},Country {prefix // 1000} network {prefix % 1000},seconds,1,{random.choice((1, 30, 60))},1,"
        f"{random.randrange(1, 5_000) / 10_000},60,EUR,{begin},\n"
        for prefix in prefixes
    )
    path.write_text(f"{_COLUMNS}\n{''.join(lines)}", "utf-8")
    return path


def _seconds(environment: Mapping[str, str], *arguments: str) -> float:
    """The processor time of a command, in user and system seconds. Raises CalledProcessError."""
    command = [str(Path(sys.executable).with_name("credit-movements")), *arguments]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    for row in measured(quick="--quick" in sys.argv):
        print(f"{row.what} ({row.sizes}): {row.small:.2f} / {row.large:.2f} {row.unit}, at most {row.aim} times")
