"""A cluster of machines: ray hands out models, each node analyses them as `engine` does.

A model whose node dies is handed to another node. ray is an extra: `pip install 'symfind[ray]'`.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from symfind.errors import LoadError
from symfind.sweeping.engine import Outcome, run_local
from symfind.sweeping.job import Job
from symfind.sweeping.limits import Limits
from symfind.sweeping.record import failure

_RETRIES = 5  # nodes that may die under one model


def run_ray(
    jobs: Sequence[Job], limits: Limits, count: int | None = None, whole: bool = False
) -> Iterator[Outcome]:
    """Analyse jobs on a cluster and yield each as it ends; arguments as of `run_local`.

    The cluster is the one that RAY_ADDRESS names, else one on this machine for as long as it takes.

    Raises:
        LoadError: ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise LoadError(f"--engine ray needs ray ({error}); pip install 'symfind[ray]'") from error
    started = not ray.is_initialized()
    if started:
        address = os.environ.get("RAY_ADDRESS")
        cores = {} if address else {"num_cpus": count}
        ray.init(address=address, log_to_driver=False, logging_level="error", **cores)
    # the process that ray keeps only waits: the model runs in one below it, as on one machine
    remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(_one)
    try:
        tasks = {remote.remote(job, limits, whole): job for job in jobs}
        while tasks:
            ready, _ = ray.wait(list(tasks), num_returns=1)
            for task in ready:
                job = tasks.pop(task)
                yield (job, *_result(ray, task, job))
    finally:
        if started:
            ray.shutdown()


def _one(job: Job, limits: Limits, whole: bool) -> tuple[dict[str, Any], str | None]:
    ((_, record, report),) = run_local([job], limits, 1, whole)
    return record, report


def _result(ray: Any, task: Any, job: Job) -> tuple[dict[str, Any], str | None]:
    try:
        return ray.get(task)  # type: ignore[no-any-return]
    except ray.exceptions.RayError as error:
        first = (str(error).splitlines() or [""])[0]
        return {**job.described(), **failure("cluster", first), "seconds": 0.0}, None
