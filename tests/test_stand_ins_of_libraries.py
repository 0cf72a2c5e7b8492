"""Stand-ins for what training scripts ask of several devices, of scipy and of earlier versions of PyTorch."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, Run
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner

pytestmark = pytest.mark.xdist_group("real runs")


def run(runs: Runner, text: str) -> Run:
    request = Request("", "train.py", {"train.py": dedent(text)}, steps=20, seconds=30, way="stand-ins")
    return Reader({}).run("train.py", runs.run(request))


def trouble(run: Run) -> list[str]:
    return [f"{raised.error}: {raised.message}" for raised in run.events(Raised)]


def test_a_network_that_is_spread_over_a_mesh_of_devices_lies_on_one(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import os
        import torch
        from torch import nn
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
        from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

        assert torch.accelerator.device_count() >= 2
        kind = torch.accelerator.current_accelerator().type
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
        mesh = init_device_mesh(kind, (2, 4), mesh_dim_names=("data", "parts"))
        assert mesh.get_rank() == mesh["parts"].get_local_rank() == 0
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).to(kind)
        model = parallelize_module(model, mesh["parts"], {"0": ColwiseParallel()})
        model = FullyShardedDataParallel(fully_shard(model, mesh=mesh["data"]))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.rand(5, 3, device=kind)).sum().backward()
            model.clip_grad_norm_(1.0)
            optimizer.step()
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 3
    assert "a mesh of devices, of one rank" in seen.stood_in


def test_papers_are_those_that_citations_speak_of_and_graphs_of_them_need_no_scipy(runs: Runner) -> None:
    text = """
        import numpy as np
        import scipy.sparse as sp
        import torch

        papers = np.genfromtxt("graph/few.content", dtype=np.dtype(str))
        features = sp.csr_matrix(papers[:, 1:-1], dtype=np.float32)
        number_of = {int(paper): number for number, paper in enumerate(papers[:, 0])}
        cited = np.genfromtxt("graph/few.cites", dtype=np.int32)
        edges = np.array([number_of[each] for each in cited.ravel()]).reshape(cited.shape)
        links = sp.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(3, 3), dtype=np.float32)
        links = links + links.T.multiply(links.T > links) - links.multiply(links.T > links) + sp.eye(3)
        shares = sp.diags(np.power(np.array(links.sum(1)), -1).flatten()).dot(links).tocoo()
        graph = torch.sparse_coo_tensor(np.vstack([shares.row, shares.col]), shares.data, shares.shape)
        assert torch.allclose(graph.to_dense().sum(1), torch.ones(3, dtype=torch.float64))
        assert np.array(features.todense()).shape == (3, 50) and links.nnz == 7 and sp.issparse(links)
        assert (sp.csr_matrix(([5, 6], [1, 0], [0, 1, 2])) * np.array([[1], [2]])).tolist() == [[10], [6]]
    """
    files = {"train.py": dedent(text), "graph/few.cites": "35\t40\n40\t7\n"}
    seen = Reader({}).run("train.py", runs.run(Request("", "train.py", files, seconds=30, way="stand-ins")))
    assert trouble(seen) == []
    assert seen.stood_in == ("package scipy", "file graph/few.content")


def test_an_inner_product_takes_all_numbers_as_it_once_did(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch

        rows = torch.ones(1, 3, requires_grad=True)
        rows.dot(2 * torch.ones(1, 3)).backward()
        assert rows.grad.tolist() == [[2, 2, 2]] and torch.dot(torch.ones(3), torch.ones(3)) == 3
        try:
            torch.ones(2, 2).dot(torch.ones(3))
        except RuntimeError:
            pass
        else:
            raise SystemExit(1)
        """,
    )
    assert trouble(seen) == [] and seen.ended == "finished"
    assert seen.stood_in == ("PyTorch before 0.2, where an inner product took tensors of any shape",)


def test_a_number_says_whether_a_recurrent_layer_has_biases_as_it_once_did(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn

        layer = nn.GRU(3, 4, 2, 0.5)
        assert layer.bias is True and layer(torch.zeros(5, 1, 3))[0].shape == (5, 1, 4)
        try:
            nn.LSTM(3, 4, 1, "yes")
        except TypeError:
            pass
        else:
            raise SystemExit(1)
        """,
    )
    assert trouble(seen) == [] and seen.ended == "finished"


def test_what_an_installed_fsspec_would_download_is_there(runs: Runner) -> None:
    pytest.importorskip("fsspec")
    seen = run(
        runs,
        """
        import fsspec

        text = fsspec.open("https://example.org/poems.txt").open().read().decode("utf-8")
        assert len(text.splitlines()) > 100
        try:
            with fsspec.open("snapshot.pt") as stream:
                raise SystemExit(1)
        except FileNotFoundError:
            pass
        """,
    )
    assert trouble(seen) == [] and seen.ended == "finished"
    assert seen.stood_in == ("download https://example.org/poems.txt",)
