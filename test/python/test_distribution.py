"""Pieces of work here and on Ray: the results are the same, even if workers die."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from trained_models import ROOT

pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis import run as analysis_run  # noqa: E402
from basin.analysis.data import Dataset  # noqa: E402
from basin.analysis.stats import write  # noqa: E402
from basin.commands.ray_option import complete  # noqa: E402
from basin.distribution import Site, cluster, files, map_pieces, split  # noqa: E402
from basin.errors import AnalysisError, ClusterError  # noqa: E402
from basin.evaluation import evaluate  # noqa: E402
from basin.model import BasinError  # noqa: E402
from basin.recommendation import parse_target, recommend  # noqa: E402
from model_files import basin as command  # noqa: E402

MODELS = ROOT / "models"
STORIES = ROOT.parent / "shared" / "models" / "stories260K.onnx"
NAMES = sorted(path.stem for path in MODELS.glob("*.onnx")) + [STORIES.stem]
TEXT = (ROOT / "docs" / "overview.md").read_bytes()


def dataset(vocabulary: int = 257, count: int = 20) -> Dataset:
    """Sequences of two lengths."""
    ids = np.frombuffer(TEXT[: count * 40], np.uint8).astype(np.int64) % (vocabulary - 1)
    rows = [row[: 40 if i % 4 else 29] for i, row in enumerate(ids.reshape(count, 40))]
    return Dataset(rows, "ids", "tokens")


# Without Ray


def test_pieces_in_this_process() -> None:
    opened = []

    def open(site: Site) -> str:
        opened.append(site)
        return "state"

    results = map_pieces(open, lambda state, piece: (state, 2 * piece), iter(range(3)))
    assert opened == []
    assert list(results) == [("state", 0), ("state", 2), ("state", 4)]
    assert opened == [Site([], None)]


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 2), (16, 2), (17, 2), (1000, 3)])
def test_parts_are_all_items_in_order(count: int, workers: int) -> None:
    parts = split(range(count), workers)
    assert [item for part in parts for item in part] == list(range(count))
    assert all(parts) and len(parts) <= 8 * workers
    assert count < workers or len(parts) >= workers


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("m.onnx --ray", "m.onnx --ray=local"),
        ("m.onnx --ray --batch 2", "m.onnx --ray=local --batch 2"),
        ("--ray m.onnx n.onnx", "--ray=local m.onnx n.onnx"),
        ("m.onnx --ray host:6379", "m.onnx --ray host:6379"),
        ("m.onnx --ray [::1]:6379", "m.onnx --ray [::1]:6379"),
        ("--ray auto m.onnx", "--ray auto m.onnx"),
        ("--ray ray://host:1 m.onnx", "--ray ray://host:1 m.onnx"),
        ("--ray=host:1 m.onnx", "--ray=host:1 m.onnx"),
        ("-- --ray", "-- --ray"),
    ],
)
def test_the_address_may_be_left_out(given: str, completed: str) -> None:
    assert complete(given.split()) == completed.split()


def test_workers_of_nodes() -> None:
    """A thread each, but more where the nodes' memory does not hold so many sessions."""
    small, large = ({"CPU": cpus, "GPU": 2, "memory": 1000} for cpus in (4.0, 16.0))
    assert cluster._divide([small, large], 60, gpu=False) == ([4, 16], 1)
    assert cluster._divide([small, large], 125, gpu=False) == ([2, 8], 2)
    assert cluster._divide([small, large], 10**6, gpu=False) == ([1, 4], 4)
    assert cluster._divide([small, large], 60, gpu=True) == ([2, 2], 2)


def shared(folder: Path, hashed: bool = True) -> files.SharedModel:
    """A model of two files, the larger of several chunks."""
    (folder / "deep").mkdir(parents=True)
    (folder / "m.onnx").write_bytes(b"model")
    (folder / "deep" / "w.data").write_bytes(bytes(range(256)) * 40)
    return files.share("key", folder / "m.onnx", ["deep/w.data"], hashed)


def elsewhere(model: files.SharedModel, folder: Path | None = None) -> files.SharedModel:
    """The same, as a node sees it that has other files; with a folder, under these paths."""
    return replace(
        model,
        files={
            name: replace(
                file, identity=("other",), path=file.path if folder is None else folder / name
            )
            for name, file in model.files.items()
        },
    )


def never(path: Path, size: int) -> Iterator[bytes]:
    raise AssertionError("nothing should be sent")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of a node."""
    folder = tmp_path / "node"
    folder.mkdir()
    monkeypatch.setattr(files.tempfile, "tempdir", str(folder))
    return folder


def test_files_at_hand_are_used_where_they_are(tmp_path: Path, node: Path) -> None:
    model = shared(tmp_path / "m", hashed=False)
    assert files.find_model(model, never) == tmp_path / "m" / "m.onnx"
    assert list(node.iterdir()) == []


def test_a_shared_path_is_used_if_the_content_is_the_same(tmp_path: Path, node: Path) -> None:
    model = elsewhere(shared(tmp_path / "m"))
    assert files.find_model(model, never) == tmp_path / "m" / "m.onnx"
    assert files.find_model(model, never) == tmp_path / "m" / "m.onnx"
    files.remove("key")
    assert list(node.iterdir()) == []


@pytest.mark.parametrize("change", ["missing", "other content"])
def test_files_are_sent_once(tmp_path: Path, node: Path, change: str) -> None:
    """Workers that come while the first writes wait for it."""
    model = elsewhere(shared(tmp_path / "m"), tmp_path / "gone")
    if change != "missing":
        other = shared(tmp_path / "gone")
        (tmp_path / "gone" / "m.onnx").write_bytes(b"other")
        assert other.files.keys() == model.files.keys()
    sent, found = [], []

    def fetch(path: Path, size: int) -> Iterator[bytes]:
        sent.append(path.name)
        content = (tmp_path / "m" / path.relative_to(tmp_path / "gone")).read_bytes()
        assert len(content) == size
        for start in range(0, size, 1000):
            time.sleep(0.01)
            yield content[start : start + 1000]

    workers = [
        threading.Thread(target=lambda: found.append(files.find_model(model, fetch)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sent == ["m.onnx", "w.data"] and len(found) == 4 and len(set(found)) == 1
    assert found[0].is_relative_to(node) and found[0].read_bytes() == b"model"
    assert (found[0].parent / "deep" / "w.data").read_bytes() == bytes(range(256)) * 40
    files.remove("key")
    assert list(node.iterdir()) == []


def test_what_is_refused_of_files(tmp_path: Path, node: Path) -> None:
    model = elsewhere(shared(tmp_path / "m"), tmp_path / "gone")
    with pytest.raises(ClusterError, match=r"m\.onnx: the file changed while it was sent"):
        files.find_model(model, lambda path, size: iter([b"mode1"]))
    local = elsewhere(files.share("key", tmp_path / "m" / "m.onnx", [], hashed=False))
    with pytest.raises(ClusterError, match="a node joined that does not have this file"):
        files.find_model(local, never)
    # Nothing half-written stays.
    assert not [path for path in node.iterdir() if path.is_dir()]


def test_what_killed_jobs_left_is_removed(tmp_path: Path, node: Path) -> None:
    for key in ("left", "used"):
        (node / f"basin-node-{key}").mkdir()
        (node / f"basin-node-{key}.part").mkdir()
        for end in ("used", "lock"):
            (node / f"basin-node-{key}.{end}").touch()
    with open(node / "basin-node-used.used") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        files.find_model(elsewhere(shared(tmp_path / "m")), never)
    assert not list(node.glob("*left*"))
    assert len(list(node.glob("*used*"))) == 4 + 1  # That of the new job.


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"Ray is not installed: .* basin\[ray\]$"):
        with cluster.connect("local"):
            pass
    with cluster.connect(None) as none:
        assert none is None


@pytest.mark.parametrize("address", ["host", "ray://host:1", "model.onnx", "host:x"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ClusterError, match=f"expected HOST:PORT .* but got '{address}'$"):
        with cluster.connect(address):
            pass


# With Ray: one cluster of two workers for all tests


@pytest.fixture(scope="module")
def two_workers() -> Iterator[cluster.Cluster]:
    """A cluster of this machine, which takes a few seconds to start."""
    cluster._quieten()  # Before Ray is imported, as the command does it.
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    with pytest.MonkeyPatch.context() as patch:
        # Workers look there for ray_work.py.
        here = Path(__file__).parent
        patch.setenv("PYTHONPATH", f"{here}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        ray.init("local", num_cpus=2, object_store_memory=100 << 20, **options)
    with cluster.connect("local") as found:
        assert found is not None
        yield found
    assert ray.is_initialized(), "a cluster that was there before must stay"
    ray.shutdown()


def workers_at_work() -> list[int]:
    """The processes of the test's own cluster that work on a piece."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            rest = (path / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(path.name)] = int(rest[1]), (path / "cmdline").read_text()
        except OSError:
            continue
    raylets = {pid for pid, (parent, _) in parents.items() if parent == os.getpid()}
    return [
        pid for pid, (up, line) in parents.items() if up in raylets and line.startswith("ray::work")
    ]


def kill_worker_at_work() -> int:
    """Kill a worker of the test's own cluster that has a piece and has not answered yet."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for pid in workers_at_work():
            # A process that stands still cannot finish between the look and the kill.
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.05)
            if pid in workers_at_work():
                os.kill(pid, signal.SIGKILL)
                return pid
            os.kill(pid, signal.SIGCONT)
    raise AssertionError("no worker was at work")


def test_results_are_in_order_and_states_are_made_once(two_workers) -> None:
    import ray_work

    pool = two_workers.pool()
    assert (pool.workers, pool.threads) == (2, 1)
    results = list(map_pieces(ray_work.mark, ray_work.square, range(40), pool))
    assert [value for _, value in results] == [piece * piece for piece in range(40)]
    assert len({state for state, _ in results}) <= 4
    again = list(map_pieces(ray_work.mark, ray_work.square, range(4), pool))
    assert not {state for state, _ in results} & {state for state, _ in again}


@pytest.mark.parametrize(
    ("kind", "raised", "text"),
    [
        ("AnalysisError", AnalysisError, "^the reason$"),
        ("BasinError", BasinError, "^the reason$"),
        ("OSError", OSError, "No such file or directory: '/no-such-folder/x'"),
        ("KeyError", ClusterError, "a worker failed: KeyError: 'the reason'"),
    ],
)
def test_errors_of_workers_are_the_callers(two_workers, kind, raised, text) -> None:
    import ray_work

    with pytest.raises(raised, match=text):
        list(map_pieces(ray_work.mark, ray_work.refuse, [kind] * 3, two_workers.pool()))


def test_the_piece_of_a_lost_worker_runs_again(two_workers, tmp_path, capfd) -> None:
    import ray_work

    run = ray_work.lose_once
    found = map_pieces(partial(ray_work.fixed, tmp_path), run, range(10), two_workers.pool())
    assert list(found) == list(range(10)) and (tmp_path / "seen").exists()
    out, err = capfd.readouterr()
    assert out == "" and err.endswith("its work runs again\n")


def test_workers_that_are_always_lost_end_the_work(two_workers, capfd) -> None:
    import ray_work

    found = map_pieces(ray_work.mark, ray_work.lose, range(4), two_workers.pool())
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ClusterError, match="a worker was lost 4 times at the same piece of work"):
        next(found)
    assert capfd.readouterr().out == ""


def test_another_version_at_a_node_is_refused(two_workers, monkeypatch) -> None:
    import ray_work
    from basin.distribution import worker

    mine = worker.versions() | {"onnxruntime": "0.1"}
    monkeypatch.setattr(worker, "versions", lambda: mine)
    with pytest.raises(ClusterError, match="expected onnxruntime 0.1, as on this machine, but got"):
        list(map_pieces(ray_work.mark, ray_work.square, range(2), two_workers.pool()))


def test_files_reach_a_node_that_lacks_them(two_workers, tmp_path, monkeypatch) -> None:
    import ray
    import ray_work
    from basin.distribution import worker

    monkeypatch.setattr(files, "CHUNK", 4096)
    model = shared(tmp_path / "m")
    node = tmp_path / "node"
    node.mkdir()
    home = ray.get_runtime_context().get_node_id()
    job = worker.Job("job", ray_work.mark, ray_work.square, [model], 1, worker.versions(), home)
    # Its process ends with it, because it is made to see no files.
    task = ray.remote(num_cpus=1, max_calls=1)(ray_work.fetch_elsewhere)
    path, content = ray.get(task.remote(job, "deep/w.data", str(node)))
    assert Path(path).is_relative_to(node) and content == bytes(range(256)) * 40


# Statistics and scores


@pytest.mark.parametrize("name", NAMES)
def test_statistics_have_the_bytes_of_the_single_run(two_workers, tmp_path, name) -> None:
    model = STORIES if name == "stories260K" else MODELS / f"{name}.onnx"
    if not model.exists():
        pytest.skip("the 260K Llama is not at hand")
    size = {"bigram-backcopy": 65, "tiny-shakespeare": 60, "stories260K": 512}.get(name, 257)
    for where in (None, two_workers):
        result = analysis_run.analyze(model, dataset(size), batch=1, cluster=where)
        write(result.document(), tmp_path / f"{where is None}.json")
    assert (tmp_path / "True.json").read_bytes() == (tmp_path / "False.json").read_bytes()


def test_statistics_survive_a_killed_worker(two_workers, monkeypatch, capfd) -> None:
    killed = []
    steps = analysis_run.steps

    def killing(total: int, shown: bool, what: str = "batches") -> Iterator[int]:
        for index in steps(total, shown, what):
            if what == "pieces" and index == 3:
                killed.append(kill_worker_at_work())
            yield index

    monkeypatch.setattr(analysis_run, "steps", killing)
    model = MODELS / "text-small.onnx"
    found = analysis_run.analyze(model, dataset(count=120), batch=2, cluster=two_workers)
    assert len(killed) == 1 and "runs again" in capfd.readouterr().err
    assert found.document() == analysis_run.analyze(model, dataset(count=120), batch=2).document()


@pytest.mark.parametrize("batch", [1, 3])
def test_scores_are_those_of_the_single_run(two_workers, batch) -> None:
    models = [MODELS / "text-small.onnx", MODELS / "text-sink.onnx"]
    here = evaluate(models, dataset(), batch=batch)
    assert evaluate(models, dataset(), batch=batch, cluster=two_workers) == here
    assert here.models[1].divergence.value > 0.1 and here.sequences == 20


def test_recommendations_are_those_of_the_single_run(two_workers) -> None:
    """Trials of several workers have the figures of trials one after the other."""
    data = Dataset([np.r_[256, one] for one in dataset(256, 4).sequences], "x", "tokens", bos=256)
    target = parse_target("residual=int8")
    here, there = (
        recommend(MODELS / "text-small.onnx", target, data, check=False, cluster=one)
        for one in (None, two_workers)
    )
    assert len(here.trials) == 4
    assert [replace(one, seconds=0) for one in here.trials] == [
        replace(one, seconds=0) for one in there.trials
    ]
    assert here.best.name == there.best.name and here.steps == there.steps


def test_errors_of_models_are_those_of_the_single_run(two_workers) -> None:
    models = [MODELS / "text-small.onnx", MODELS / "tiny-shakespeare.onnx"]
    messages = []
    for where in (None, two_workers):
        with pytest.raises(AnalysisError) as error:
            evaluate(models, dataset(60), cluster=where)
        messages.append(str(error.value))
    assert messages[0] == messages[1] and "expected logits of 257 words" in messages[0]


def test_the_command(tmp_path) -> None:
    """`--ray` starts a cluster that ends with the command; a model has its weights in a file."""
    pytest.importorskip("ray", reason="Ray is not installed")
    model = onnx.load(MODELS / "text-small.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    np.savez(tmp_path / "ids.npz", input_ids=np.stack(dataset().sequences[1:4]))
    before = sorted([*tmp_path.iterdir(), tmp_path / "a.json", tmp_path / "b.json"])
    one = command(tmp_path, "analyze", "m.onnx", "--data", "ids.npz", "--stats", "a.json")
    two = command(tmp_path, "analyze", "--data", "ids.npz", "--stats", "b.json", "--ray", "m.onnx")
    assert (two.returncode, two.stderr, two.stdout) == (0, one.stderr, one.stdout)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text())["data"]["sequences"] == 3
    assert sorted(tmp_path.iterdir()) == before


def test_a_cluster_that_is_not_there_is_one_line(tmp_path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    np.savez(tmp_path / "ids.npz", input_ids=np.stack(dataset().sequences[1:4]))
    made = command(
        tmp_path, "evaluate", MODELS / "text-small.onnx", "--data", "ids.npz", "--ray=127.0.0.1:1"
    )
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr == "basin: error: --ray 127.0.0.1:1: [Errno 111] Connection refused\n"
