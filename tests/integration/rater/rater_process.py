"""A rater as `credit-movements rate` runs it, with one difference: after one step of a transaction it gets a signal.

Run it as `python -m tests.integration.rater.rater_process STEP SIGNAL [COMMAND]`, with settings in the CREDIT_ variables.
STEP is a method of the producer: begin_transaction, produce_batch, send_offsets_to_transaction or commit_transaction. The
signal comes once, however many producers the rater makes. A process that was stopped with SIGSTOP works on slowly when it goes
on, so that the threads of its clients notice first what happened meanwhile. COMMAND: of another worker with transactions.
"""

import os
import signal
import sys
import time
from typing import Any

from confluent_kafka import Producer

from credit_movements import clients
from credit_movements.commands.main import main

_SLOW_HANDS_SECONDS = 1.5


class InterruptedProducer:
    """A producer whose process gets `number` right after the first `step` is done."""

    has_come = False

    def __init__(self, producer: Producer, step: str, number: signal.Signals) -> None:
        self._producer = producer
        self._step = step
        self._signal = number

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._producer, name)
        if name != self._step or InterruptedProducer.has_come:
            return method
        InterruptedProducer.has_come = True

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            if name == "produce_batch":
                self._producer.flush()
            os.kill(os.getpid(), self._signal)
            time.sleep(_SLOW_HANDS_SECONDS)
            return result

        return call


if __name__ == "__main__":
    make = clients.transactional_producer
    step, number = sys.argv[1], signal.Signals[sys.argv[2]]
    clients.transactional_producer = lambda *given: InterruptedProducer(make(*given), step, number)  # type: ignore
    # Another worker that writes in transactions, where one is named.
    sys.argv[1:] = sys.argv[3:] or ["rate"]
    main()
