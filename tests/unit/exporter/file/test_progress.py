"""What the log and the metrics say while a file is written."""

import logging

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from exporter.file.progress import Progress
from exporter.metrics import ExporterMetrics
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.storage.records import AcceptedRequest

REQUEST = ExportRequest("export-1", "acme", 0, None, None, RequestPosition("log", 3, 5), 0)
EXPORT = AcceptedRequest(REQUEST, None, "movements", 7)


def test_rows_and_bytes_are_counted_as_they_pass() -> None:
    registry = CollectorRegistry()
    progress = Progress(ExporterMetrics(registry)).attempt(EXPORT, 5)
    blocks = [pl.DataFrame({"a": [1, 2, 3]}), pl.DataFrame({"a": [4, 5]})]
    assert list(progress.blocks(blocks)) == blocks
    assert list(progress.chunks([b"abc", b"", b"de"])) == [b"abc", b"", b"de"]
    assert progress.rows == 5
    assert registry.get_sample_value("credit_export_streamed_rows_total") == 5
    assert registry.get_sample_value("credit_export_streamed_bytes_total") == 5


def test_the_log_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(ExporterMetrics(CollectorRegistry()), log_every_seconds=0.0).attempt(EXPORT, 2_000_000)
    list(progress.blocks([pl.DataFrame({"a": range(1234)})]))
    with caplog.at_level(logging.INFO):
        list(progress.chunks([b"x" * 3_000_000]))
    assert caplog.messages == ["export export-1: 1,234 of 2,000,000 rows, 3 MB after 0 s"]


def test_a_short_export_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(Progress(ExporterMetrics(CollectorRegistry())).attempt(EXPORT, 1).chunks([b"x"]))
    assert caplog.messages == []
