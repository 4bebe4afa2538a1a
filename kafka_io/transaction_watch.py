"""Whether a request of a transaction may still be on its way to Kafka after the transaction has ended.

A request that was held back on its way, an EndTxn above all, can arrive in the middle of its producer's next transaction and
end that one (KIP-890). librdkafka itself sends a request again after a cut or a time-out, and `commit_transaction` returns as
if nothing had happened. Only librdkafka's log of its requests (`debug=protocol`) shows it: one line when the last byte of a
request was handed to its connection, one when the answer has come. A request without an answer may come late; a request with
an answer cannot.

The thread of the connection queues both lines of a request, in this order, before it hands the answer on. So when a step of a
transaction returns, all lines of its requests lie in the producer's queue, and one `poll(0)` delivers them.
"""

import logging
import re
from collections import Counter

# The requests that end, enlarge or fill a transaction.
_LINE = re.compile(
    r"(Sent|Received) (Produce|AddPartitionsToTxn|AddOffsetsToTxn|TxnOffsetCommit|EndTxn)(?:Request|Response) "
)
_END = "EndTxn"


class TransactionWatch:
    """Replaces a producer's logger (librdkafka calls only `log`), and hands each line on to `logger`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._has_begun = False
        self._sent: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._asked_again = ""

    def log(self, level: int, template: str, *arguments: str) -> None:
        """Takes a line of librdkafka: `arguments` are the facility, the client's name and the text."""
        self._logger.log(level, template, *arguments)
        if line := _LINE.search(arguments[-1]):
            (self._sent if line[1] == "Sent" else self._answered)[line[2]] += 1

    def begin(self) -> None:
        """A transaction begins."""
        self._has_begun = True
        self._sent.clear()
        self._answered.clear()
        self._asked_again = ""

    def note_asked_again(self, why: str) -> None:
        """We took a step of the transaction again, because Kafka had refused it or not answered in time."""
        self._asked_again = why

    def left_behind(self) -> str | None:
        """Why the ended transaction may have left a request behind; None if it has not. Call the producer's `poll` first."""
        if not self._has_begun:
            return None
        if unanswered := self._sent - self._answered:
            return "no answer to " + ", ".join(f"{count} {name}" for name, count in sorted(unanswered.items()))
        if self._asked_again:
            return f"a step was taken again: {self._asked_again}"
        # If librdkafka words these lines differently one day, this counts none: each transaction then gets a producer of its
        # own, which is slow but right.
        if self._sent[_END] != 1:
            return f"{self._sent[_END]} requests to end it instead of one"
        return None
