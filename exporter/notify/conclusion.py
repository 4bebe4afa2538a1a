"""Ends an export: records its outcome, then publishes its notification."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from exporter.file.making import MadeFile
from exporter.file.manifest import manifest_name
from exporter.foreign_outages import schema_outages_named
from exporter.notify.notifications import Failure, answered_requests, completed, failed, refused
from exporter.notify.publisher import Outgoing, Publisher
from exporter.outages import waited_out
from exporter.request.requests import ExportRequest
from exporter.storage.links import Link, LinkSigner
from exporter.storage.objects import StorageUnavailableError
from exporter.storage.records import AcceptedRequest, ExportRecords, Notification, Outcome
from exporter.threads import in_thread
from schemas.codec import RecordCodec
from schemas.dead_letters import Headers
from schemas.partitioner import account_partition
from schemas.topics import EXPORT_NOTIFICATIONS


class Conclusion:
    """Links begin with `public_url`. `codec` encodes `export-notifications`. `requests_end` gives the end of a partition of
    `export-requests` after it is asked, and may raise outages. `now_micros`: microseconds since the epoch, UTC."""

    def __init__(
        self,
        records: ExportRecords,
        publisher: Publisher,
        codec: RecordCodec,
        links: LinkSigner,
        requests_end: Callable[[int], Awaitable[int]],
        now_micros: Callable[[], int],
        *,
        account_partitions: int,
        public_url: str,
        link_ttl: timedelta,
        outage_limit_seconds: float,
    ) -> None:
        self._records = records
        self._publisher = publisher
        self._codec = codec
        self._links = links
        self._requests_end = requests_end
        self._now_micros = now_micros
        self._account_partitions = account_partitions
        self._public_url = public_url.rstrip("/")
        self._link_ttl_micros = link_ttl // timedelta(microseconds=1)
        self._outage_limit_seconds = outage_limit_seconds

    async def conclude(self, accepted: AcceptedRequest, result: MadeFile | Failure) -> Outcome:
        """Record the outcome and publish it. Returns the outcome that stands: another worker's, if that one was quicker."""
        # This waits without a limit: without Kafka no notification can be sent, and no account can ask again.
        requests_end_offset = await waited_out(
            lambda: self._requests_end(accepted.request.position.partition),
            "the end of the requests that an export answers cannot be read",
        )
        ours = Outcome(self._notification(accepted, result, self._now_micros() // 1000), requests_end_offset)
        # The customer of a failed export has waited long enough already.
        limit_seconds = 0.0 if isinstance(result, Failure) else self._outage_limit_seconds
        try:
            standing = await self._recorded(accepted, ours, limit_seconds)
        except StorageUnavailableError:
            # The customer gets the notification now; the records follow when the storage is back.
            await self.publish(accepted, ours)
            return await self._recorded(accepted, ours, None)
        await self.publish(accepted, standing)
        return standing

    async def publish(self, accepted: AcceptedRequest, outcome: Outcome) -> None:
        """Publish until it is acknowledged. The notification's own time is its Kafka timestamp."""
        headers = answered_requests(accepted.request, outcome)
        await self._publish(outcome.notification, accepted.request.position.partition, headers)

    async def publish_refusal(self, asked: ExportRequest) -> None:
        """Publish that a request gets no file. The notification goes to the account's partition, wherever the request lies."""
        await self._publish(refused(asked), account_partition(asked.account_id, self._account_partitions), [])

    async def _publish(self, notification: Notification, partition: int, headers: Headers) -> None:
        def attempt() -> None:
            with schema_outages_named():
                value = self._codec.encode_one(notification)
            self._publisher.publish(
                Outgoing(
                    EXPORT_NOTIFICATIONS.name,
                    partition,
                    key=notification["account_id"].encode(),
                    value=value,
                    headers=headers,
                    timestamp_ms=notification["notified_at"] // 1000,
                )
            )

        await waited_out(lambda: in_thread(attempt), "a notification cannot be sent")

    def _recorded(self, accepted: AcceptedRequest, ours: Outcome, within_seconds: float | None) -> Awaitable[Outcome]:
        def attempt() -> Outcome:
            # If the storage was away when the request was accepted, its record is still missing.
            standing = self._records.accept(accepted)
            return (
                self._records.conclude(accepted, ours)
                if standing.request.position == accepted.request.position
                else ours
            )

        return waited_out(lambda: in_thread(attempt), "an outcome cannot be recorded", within_seconds=within_seconds)

    def _notification(self, accepted: AcceptedRequest, result: MadeFile | Failure, ended_at_ms: int) -> Notification:
        if isinstance(result, Failure):
            return failed(accepted, result, notified_at_ms=ended_at_ms)
        expires_at_micros = ended_at_ms * 1000 + self._link_ttl_micros

        def url(object_key: str, file_name: str) -> str:
            request = accepted.request
            link = Link(object_key, request.account_id, request.request_id, file_name, expires_at_micros)
            return self._public_url + self._links.path(link)

        return completed(
            accepted,
            result,
            download_url=url(accepted.keys.file, result.file_name),
            manifest_url=url(accepted.keys.manifest, manifest_name(result.file_name)),
            expires_at_micros=expires_at_micros,
            notified_at_ms=ended_at_ms,
        )
