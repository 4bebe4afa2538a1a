"""What the log and the metrics tell while a file is written."""

import logging

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from exporter.file.progress import Progress
from exporter.metrics import ExporterMetrics


def test_rows_and_bytes_are_counted_as_they_pass() -> None:
    registry = CollectorRegistry()
    progress = Progress("export-1", 5, ExporterMetrics(registry))
    blocks = [pl.DataFrame({"a": [1, 2, 3]}), pl.DataFrame({"a": [4, 5]})]
    assert list(progress.blocks(blocks)) == blocks
    assert list(progress.chunks([b"abc", b"", b"de"])) == [b"abc", b"", b"de"]
    assert progress.rows == 5
    assert registry.get_sample_value("credit_export_streamed_rows_total") == 5
    assert registry.get_sample_value("credit_export_streamed_bytes_total") == 5


def test_the_log_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress("export-1", 2_000_000, ExporterMetrics(CollectorRegistry()), log_every_seconds=0.0)
    list(progress.blocks([pl.DataFrame({"a": range(1234)})]))
    with caplog.at_level(logging.INFO):
        list(progress.chunks([b"x" * 3_000_000]))
    assert caplog.messages == ["export export-1: 1,234 of 2,000,000 rows, 3 MB after 0 s"]


def test_a_short_export_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(Progress("export-1", 1, ExporterMetrics(CollectorRegistry())).chunks([b"x"]))
    assert caplog.messages == []
