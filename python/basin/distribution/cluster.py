"""Ray: a cluster to connect to or to start, and pools of workers on it.

Tasks are used, not actors: if a node is lost, its pieces run where there is room, and nothing waits
for another node. A piece whose worker dies runs again a few times. We count that ourselves, because
Ray never gives up a task whose worker it kills for want of memory.
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from basin.distribution.files import SharedModel, share
from basin.distribution.pieces import Piece, Result, Site, State
from basin.errors import ClusterError

# The address that stands for a cluster of this machine alone, which ends with the command.
LOCAL = "local"
# How often a piece runs whose workers die.
_ATTEMPTS = 4
# How long to wait for a result before looking whether there are still nodes.
_PATIENCE = 10.0
# Results that wait for an earlier one, for each worker.
_AHEAD = 2
# Sockets have paths of at most 107 bytes, and Ray appends up to 63 to the folder.
_LONGEST = 44
# Memory of a worker's process, and copies of the weights that a session makes at most.
_PROCESS, _COPIES = 512 << 20, 2


def is_address(text: str) -> bool:
    """Whether the text can be the address of a cluster."""
    return text in (LOCAL, "auto") or re.fullmatch(r"[^\s/]+:\d+", text) is not None


@contextmanager
def connect(address: str | None) -> Iterator[Cluster | None]:
    """The cluster at an address, or none for None. Raises ClusterError.

    It starts, or is connected to, when the first pool is made.
    """
    if address is None:
        yield None
        return
    if not is_address(address):
        raise ClusterError(
            f"--ray: expected HOST:PORT of a cluster's head, or 'auto', but got '{address}'"
        )
    if importlib.util.find_spec("ray") is None:
        raise ClusterError(
            "--ray: Ray is not installed: install Basin with its extra 'ray', as basin[ray]"
        )
    with ExitStack() as stack:
        yield Cluster(address, stack)


class Cluster:
    """A cluster that `connect` gives. Only the first pool makes it start."""

    def __init__(self, address: str, stack: ExitStack) -> None:
        self._address, self._stack = address, stack
        self._started = False

    def pool(self, models: Sequence[tuple[Path, list[str]]] = (), gpu: bool = False) -> RayPool:
        """Workers for as many cores as there are, or for all GPUs.

        `models` are the files that they need: models, and the names of files beside them. Raises
        ClusterError.
        """
        self._start()
        hashed = self._address != LOCAL or len(_nodes()) > 1
        return RayPool([share(uuid.uuid4().hex, *model, hashed) for model in models], gpu)

    def _start(self) -> None:
        if self._started:
            return
        _quieten()
        try:
            import ray
        except ImportError as error:
            raise ClusterError(f"--ray: Ray cannot be imported: {error}") from None
        if ray.is_initialized():
            # It is the caller's own, and stays.
            self._started = True
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address == LOCAL:
            options["include_dashboard"] = False
            if len(tempfile.gettempdir()) + len("/ray-12345678") <= _LONGEST:
                # Else Ray's logs would stay in the folder that it chooses.
                folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
                options["_temp_dir"] = self._stack.enter_context(folder)
        self._stack.callback(ray.shutdown)
        try:
            _probe(self._address)
            ray.init(address=self._address, **options)
        except (ray.exceptions.RayError, RuntimeError, ValueError, OSError, OverflowError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if reason.startswith("Failed to connect"):
                # Ray does not say so, and by default a cluster's head may ask for one.
                reason += "; if it asks for a token, set RAY_AUTH_MODE=token"
            raise ClusterError(f"--ray {self._address}: {reason}") from None
        self._started = True


def _probe(address: str) -> None:
    """Raise OSError where nothing listens: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _quieten() -> None:
    """Settings that Ray reads when it is imported: it sends nothing, and prints nothing."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Messages of its processes, on stdout. Those that matter are raised, and end as one line.
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = ".*"


class RayPool:
    """Workers of a cluster. `workers` is how many there are, `threads` what each may use."""

    def __init__(self, models: list[SharedModel], gpu: bool) -> None:
        self._models = models
        self._resource = "GPU" if gpu else "CPU"
        nodes = [one for one in _nodes() if one[self._resource] >= 1 and one["CPU"] >= 1]
        if not nodes:
            raise ClusterError(f"--ray: no node of the cluster has a {self._resource}")
        need = _PROCESS + _COPIES * sum(model.size for model in models)
        counts, self.threads = _divide(nodes, need, gpu)
        self.workers = sum(counts)

    def map(
        self,
        open: Callable[[Site], State],
        run: Callable[[State, Piece], Result],
        pieces: Iterable[Piece],
    ) -> Generator[Result, None, None]:
        """As `map_pieces` says. Raises ClusterError, and what the functions raise."""
        import ray

        from basin.distribution.worker import Job, versions, work

        home = ray.get_runtime_context().get_node_id()
        key = uuid.uuid4().hex
        job = ray.put(Job(key, open, run, self._models, self.threads, versions(), home))
        task = ray.remote(
            num_cpus=self.threads, num_gpus=float(self._resource == "GPU"), max_retries=0
        )(work)
        waiting: deque[tuple[Any, Piece]] = deque()
        try:
            for piece in pieces:
                waiting.append((task.remote(job, piece), piece))
                if len(waiting) > (1 + _AHEAD) * self.workers:
                    yield self._result(task, job, *waiting.popleft())
            while waiting:
                yield self._result(task, job, *waiting.popleft())
        finally:
            for reference, _ in waiting:
                ray.cancel(reference, force=True)
            self._remove_files()

    def _result(self, task: Any, job: Any, reference: Any, piece: Piece) -> Any:
        """The result of a task, which runs again where its worker was lost."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        from basin.distribution.worker import Failure

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                while not ray.wait([reference], timeout=_PATIENCE)[0]:
                    self._check_nodes()
                result = ray.get(reference)
            except RayTaskError as error:
                raise _cause(error) from error
            except RayError as error:
                reason = str(error).splitlines()[0].split(". ")[0].rstrip(".")
                if attempt == _ATTEMPTS:
                    raise ClusterError(
                        f"--ray: a worker was lost {_ATTEMPTS} times at the same piece of work: "
                        f"{reason}"
                    ) from None
                print(f"basin: warning: --ray: {reason}; its work runs again", file=sys.stderr)
                reference = task.remote(job, piece)
                continue
            if isinstance(result, Failure):
                raise result.error()
            return result

    def _check_nodes(self) -> None:
        """Raise ClusterError if no node is left that can run a task: Ray would wait forever."""
        if not any(one["CPU"] >= self.threads and one[self._resource] >= 1 for one in _nodes()):
            raise ClusterError("--ray: all nodes that could do the work were lost")

    def _remove_files(self) -> None:
        """Remove what workers wrote at the nodes, if they did."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from basin.distribution.worker import remove

        if not any(file.sha256 for model in self._models for file in model.files.values()):
            return
        removals = [
            ray.remote(
                num_cpus=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["id"], soft=False),
            )(remove).remote(model.key)
            for node in _nodes()
            for model in self._models
        ]
        # What a lost node keeps, the next job there removes.
        ray.wait(removals, num_returns=len(removals), timeout=_PATIENCE)


def _nodes() -> list[dict[str, Any]]:
    """The nodes that are alive: their id, CPU, GPU and memory."""
    import ray

    return [
        {"id": one["NodeID"]} | {key: one["Resources"].get(key, 0) for key in _RESOURCES}
        for one in ray.nodes()
        if one["Alive"]
    ]


_RESOURCES = ("CPU", "GPU", "memory")


def _divide(nodes: list[dict[str, Any]], need: int, gpu: bool) -> tuple[list[int], int]:
    """Returns the number of workers for each node, and the number of threads of every worker.

    A thread for each worker is the fastest way to many results. As every worker has weights of its
    own, workers get more threads where a node's memory would not hold as many of them.
    """
    if gpu:
        threads = max(1, min(int(one["CPU"] // one["GPU"]) for one in nodes))
        return [int(one["GPU"]) for one in nodes], threads
    least = min(int(one["CPU"]) for one in nodes)
    threads = 1
    while threads < least and any(one["CPU"] // threads * need > one["memory"] for one in nodes):
        threads = min(2 * threads, least)
    return [int(one["CPU"] // threads) for one in nodes], threads


def _cause(error: Any) -> Exception:
    """What a worker raised, apart from the errors that a user can cause."""
    cause = error.cause if isinstance(error.cause, Exception) else error
    # Ray wraps what it cannot read in an error of its own, whose text has a traceback.
    text = str(cause).split("\n")[0]
    if isinstance(cause, ImportError) or "No module named" in text:
        return ClusterError(f"--ray: a node lacks what this machine has: {text}")
    return ClusterError(f"--ray: a worker failed: {type(cause).__name__}: {text}")
