"""Whatever timestamps requests have, however they arrive, and wherever workers die, sleep and read the log again: exactly the
requests that the rule names get an export, and every worker decides the same."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from exporter.admission.admission import Admission, EndedBefore, Repeat
from exporter.request.requests import ExportRequest, RequestPosition
from exporter.storage.objects import ExportStorage
from exporter.storage.records import AcceptedRequest, ExportRecords, Outcome
from tests.unit.exporter.office import at_once

ACCOUNTS = st.sampled_from(["acme", "other"])
# Few: people's retries send an id again.
IDS = st.integers(0, 30).map(str)
TIMES_MS = st.integers(-(2**60), 2**60)


@dataclass
class Running:
    """An export in a worker's hands; `noted_end` once the worker has read where the log ends."""

    accepted: AcceptedRequest
    noted_end: int | None = None


@dataclass
class Log:
    log_id: str
    records: list[ExportRequest] = field(default_factory=list)
    # Of the worker that has the partition: what is done, and how far it has read for each account.
    done: set[int] = field(default_factory=set)
    read: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def committed(self) -> int:
        return next(each for each in range(len(self.records) + 1) if each not in self.done)


class RepeatsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.records = ExportRecords(ExportStorage.open("memory:///"))
        self.admission = Admission(self.records, "movements", at_once(1), at_once(None), 0.1)
        self.logs = [Log("log 0")]
        self.running: dict[str, Running] = {}
        self.asleep: list[Running] = []
        # What the rule says, from what was written first: positions of accepted requests, and the end noted for each.
        self.by_id: dict[tuple[str, str], RequestPosition] = {}
        self.ends: dict[RequestPosition, int] = {}
        self.decided: dict[RequestPosition, bool] = {}

    @property
    def log(self) -> Log:
        return self.logs[-1]

    @rule(requests=st.lists(st.tuples(ACCOUNTS, IDS, TIMES_MS), min_size=1, max_size=6))
    def ask(self, requests: list[tuple[str, str, int]]) -> None:
        for account_id, request_id, sent_at_ms in requests:
            position = RequestPosition(self.log.log_id, 3, len(self.log.records))
            # A fixed instant: what a request asks for is no matter here.
            request = ExportRequest(request_id, account_id, 1_793_000_000_000_000, None, None, position, sent_at_ms)
            self.log.records.append(request)

    @rule(account_id=ACCOUNTS)
    def read_on(self, account_id: str) -> None:
        """The worker takes up the account's next request, unless it has to wait for the end of the one before."""
        mine = [each for each in self.log.records[self.log.read[account_id] :] if each.account_id == account_id]
        if not mine or account_id in self.running:
            return
        request = mine[0]
        self.log.read[account_id] = request.position.offset + 1
        decision = asyncio.run(self.admission.decide(request))
        is_repeat = isinstance(decision, Repeat)
        assert is_repeat == self.is_repeat_by_the_rule(request)
        assert self.decided.setdefault(request.position, is_repeat) == is_repeat
        if is_repeat:
            self.log.done.add(request.position.offset)
            return
        self.by_id[account_id, request.request_id] = request.position
        if isinstance(decision, EndedBefore):
            assert decision.outcome.requests_end_offset == self.ends[request.position]
            self.log.done.add(request.position.offset)
        else:
            assert isinstance(decision, AcceptedRequest)
            assert request.position not in self.ends
            self.running[account_id] = Running(decision)

    def is_repeat_by_the_rule(self, request: ExportRequest) -> bool:
        position = request.position
        if self.by_id.get((request.account_id, request.request_id), position) != position:
            return True
        earlier = [each for (account_id, _), each in self.by_id.items() if account_id == request.account_id]
        return any(
            each.log_id == position.log_id and each.offset < position.offset < self.ends.get(each, 0)
            for each in earlier
        )

    @precondition(lambda self: self.running)
    @rule(account_id=ACCOUNTS)
    def note_the_end(self, account_id: str) -> None:
        if (running := self.running.get(account_id)) is not None:
            running.noted_end = len(self.log.records)

    @precondition(lambda self: self.running)
    @rule(account_id=ACCOUNTS)
    def end(self, account_id: str) -> None:
        running = self.running.get(account_id)
        if running is not None and running.noted_end is not None:
            self.write_outcome(self.running.pop(account_id))
            self.log.done.add(running.accepted.request.position.offset)

    def write_outcome(self, running: Running) -> None:
        assert running.noted_end is not None
        standing = self.records.conclude(running.accepted, Outcome({"status": "completed"}, running.noted_end))
        assert standing.requests_end_offset == self.ends.setdefault(
            running.accepted.request.position, running.noted_end
        )

    @rule(account_id=ACCOUNTS, how_many=st.integers(1, 4))
    def do_the_next(self, account_id: str, how_many: int) -> None:
        for _ in range(how_many):
            self.read_on(account_id)
            self.note_the_end(account_id)
            self.end(account_id)

    @precondition(lambda self: self.running)
    @rule(how=st.sampled_from(["before the outcome", "before the acknowledgement", "asleep while another takes over"]))
    def stop(self, how: str) -> None:
        for running in self.running.values():
            if how == "before the acknowledgement" and running.noted_end is not None:
                self.write_outcome(running)
            if how == "asleep while another takes over":
                self.asleep.append(running)
        self.read_again_from(self.log.committed)

    @precondition(lambda self: self.asleep)
    @rule()
    def wake_up_and_end(self) -> None:
        running = self.asleep.pop()
        if running.noted_end is None:
            running.noted_end = len(self.log.records)
        self.write_outcome(running)

    @precondition(lambda self: self.log.committed > 2)
    @rule()
    def replay(self) -> None:
        self.log.done.clear()
        self.read_again_from(0)

    def read_again_from(self, offset: int) -> None:
        self.running.clear()
        self.log.done = {each for each in self.log.done if each < offset}
        self.log.read.clear()
        self.log.read.update(dict.fromkeys(("acme", "other"), offset))

    @precondition(lambda self: self.log.committed > 5)
    @rule()
    def begin_a_new_log(self) -> None:
        # Whoever sleeps over it has lost its broker, and learns no end any more.
        self.asleep = [each for each in self.asleep if each.noted_end is not None]
        self.running.clear()
        self.logs.append(Log(f"log {len(self.logs)}"))

    def teardown(self) -> None:
        for account_id in ("acme", "other"):
            self.do_the_next(account_id, len(self.log.records) + 1)
        assert self.log.committed == len(self.log.records)
        while self.asleep:
            self.wake_up_and_end()
        for log in self.logs:
            for request in log.records:
                if request.position in self.decided:
                    assert self.decided[request.position] == self.is_repeat_by_the_rule(request)


TestRepeats = RepeatsMachine.TestCase
TestRepeats.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
