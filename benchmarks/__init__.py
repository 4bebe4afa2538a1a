"""What the figures of docs/PERFORMANCE.md come from: `make bench`."""
