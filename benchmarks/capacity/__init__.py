"""What a traffic needs: `points.json` has what was measured, `plan` computes from it, `sizes` measures what a disk holds.

`python -m benchmarks.capacity --help`. docs/production/capacity.md explains; tests/unit/benchmarks/capacity hold it.
"""
