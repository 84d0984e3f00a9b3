"""One function called for many values, on all cores, in processes that end with this one.

What starts processes is imported only when it is called: a closing of one run does not need it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Value = TypeVar("Value")


def count() -> int:
    """Return how many cores there are for this process: in a job of Slurm, those of the job."""
    cores = os.cpu_count() or 1
    of_job = os.environ.get("SLURM_CPUS_ON_NODE", "")
    if of_job.isdecimal():
        cores = min(cores, max(1, int(of_job)))
    return cores


def call(
    function: Callable[..., Value],
    *arguments: Sequence[Any],
    chunk: int,
) -> Iterator[Value]:
    """Yield what a function returns for the arguments of each call, in their order.

    The arguments are one sequence for each parameter, all of one length; a process is handed so
    many calls at a time. Raises what the function raises. Interrupted, it leaves no process.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children

    workers = ProcessPoolExecutor(count(), initializer=_begin_worker)
    try:
        yield from workers.map(function, *arguments, chunksize=chunk)
        workers.shutdown()
    except BaseException:
        # The executor would wait for the calls that are begun; interrupted as it waits, for ever.
        workers.shutdown(wait=False, cancel_futures=True)
        for worker in active_children():
            worker.kill()
        raise


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, which a terminal tells at the same moment; end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
