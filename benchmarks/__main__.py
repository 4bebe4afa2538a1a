"""All benchmarks in turn, each a process of its own: `make bench`.

`python -m benchmarks [--quick]`: some 40 minutes on two cores, or some 10. Each leaves its figures in `.cache/bench`;
`python -m benchmarks.report` makes tables and the picture of them. One that fails does not keep the others from running.
"""

import argparse
import subprocess
import sys

# Module and arguments; then those of a quick run.
_RUNS = (
    ("rating", [], ["--events", "150000", "--rounds", "1", "--peer-seconds", "10"]),
    ("rating.cgrates", [], ["5000"]),
    ("latency", ["--kafka", "apache"], ["--kafka", "apache", "--seconds", "5"]),
    (
        "latency",
        ["--kafka", "embedded", "100", "1000", "10000"],
        ["--kafka", "embedded", "--seconds", "5", "1000", "10000"],
    ),
    ("rating.backlog", [], ["--rate", "200"]),
    ("sink", [], ["300000"]),
    ("bursts", [], ["1", "20", "200"]),
    ("exports", [], ["1000000"]),
    ("forms", [], ["300000"]),
    ("commands", [], []),
    ("whatif", [], ["300000"]),
    ("explain", [], ["300000"]),
    ("spending", [], ["500000"]),
    ("growth", [], ["--quick"]),
    ("scaling", [], ["--quick"]),
    ("report", [], []),
)


def main(quick: bool) -> None:
    failed = []
    for module, arguments, quick_arguments in _RUNS:
        line = [sys.executable, "-m", f"benchmarks.{module}", *(quick_arguments if quick else arguments)]
        print(f"\n## {' '.join(line[2:])}\n", flush=True)
        if subprocess.run(line).returncode != 0:
            failed.append(module)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true")
    main(parser.parse_args().quick)
