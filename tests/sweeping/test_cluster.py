"""A sweep on a cluster of two nodes, one of which is killed midway. Needs the extra `ray`."""

import json
import threading
import time
from pathlib import Path

import pytest

import symfind

MODELS = Path(__file__).with_name("models.py")


@pytest.mark.slow
def test_a_node_that_dies_costs_no_row(tmp_path) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    file = tmp_path / "sweep.jsonl"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    killer = threading.Thread(target=_kill, args=(cluster, second, file))
    try:
        assert sum(node["Alive"] for node in ray.nodes()) == 2
        killer.start()
        found = symfind.sweep(f"{MODELS}:mlp", {"width": range(2, 14)}, file=file, engine="ray")
        killer.join()
        assert _soon(lambda: sum(node["Alive"] for node in ray.nodes()) == 1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert [record["status"] for record in found.records] == ["analysed"] * 12
    assert [record["dimension"]["symmetry"] for record in found.records] == list(range(2, 14))
    keys = [json.loads(line)["key"] for line in file.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 12


def _kill(cluster, node, file: Path) -> None:
    """Once a few models are done, without a word to the node."""
    _soon(lambda: file.exists() and file.read_bytes().count(b"\n") >= 3)
    cluster.remove_node(node, allow_graceful=False)


def _soon(what) -> bool:
    end = time.monotonic() + 120
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(what())


def test_without_ray_one_is_told_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(symfind.LoadError, match=r"symfind\[ray\]"):
        symfind.sweep(f"{MODELS}:mlp", engine="ray")
