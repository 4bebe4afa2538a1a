"""`python -m benchmarks.growth [--quick] [NAME...]`: the second table, by modules of this folder.

Each is measured in a process of its own. The figures of those that were not asked for stay as they were.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context

from benchmarks.growth import Growth
from benchmarks.growth.shown import show
from benchmarks.results import load, save

NAMES = ("rater", "prices", "deck", "stores", "readback", "audit", "ledger")


def main(names: list[str], quick: bool) -> None:
    figures: dict[str, list[Growth]] = (load("growth") or {"growth": {}})["growth"]
    failed = []
    for name in names:
        print(f"\n{name}\n", flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            measured = process.submit(import_module(f"benchmarks.growth.{name}").measured, quick)
        if error := measured.exception():
            print(f"failed: {error!r}", flush=True)
            failed.append(name)
            continue
        show(measured.result())
        figures[name] = measured.result()
        save("growth", {"growth": figures})
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    main(given.names or list(NAMES), given.quick)
