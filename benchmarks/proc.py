"""What a process has taken: resident memory in MiB, now and at its peak, and processor time (Linux)."""

import os
import re
import time
from pathlib import Path

# CPUCLOCK_SCHED of Linux's include/linux/posix-timers.h: the time that the scheduler gave to all threads.
_CPU_CLOCK_OF_PROCESS = 2


def memory(process: int | str = "self") -> float:
    return _of_status(process, "VmRSS")


def resident_without_files(process: int | str = "self") -> float:
    """What is a process's own: without what the system keeps in memory of files, and can drop."""
    return _of_status(process, "RssAnon")


def peak(process: int | str = "self") -> float:
    """The most since its start, or since `reset_peak`."""
    return _of_status(process, "VmHWM")


def reset_peak(process: int | str = "self") -> None:
    Path(f"/proc/{process}/clear_refs").write_text("5")


def has_ended(process: int) -> bool:
    """A child of ours that nobody has waited for yet."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def processor_seconds(process: int | None = None) -> float:
    """Of all its threads since its start, to the nanosecond; of this process without one."""
    # /proc/PID/stat counts in hundredths, in which a small run is nothing. This is what clock_getcpuclockid(3) makes of a PID.
    return time.process_time() if process is None else time.clock_gettime(~process << 3 | _CPU_CLOCK_OF_PROCESS)


def busy_seconds() -> float:
    """Of all processors since the machine's start, whatever ran on them."""
    user, nice, system, _, _, irq, soft_irq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + soft_irq) / os.sysconf("SC_CLK_TCK")


def _of_status(process: int | str, field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
