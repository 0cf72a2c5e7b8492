"""Scripts for other machines and times: accelerators, an early PyTorch, trainings that are too slow here."""

from __future__ import annotations

from dataclasses import asdict, replace
from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Run
from nnlint.verify.ladder import Rung, climb
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import Runner
from tests.stand_in_runs import run, trouble

pytestmark = pytest.mark.xdist_group("real runs")


def test_required_arguments_the_environment_and_the_accelerator_are_there(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import argparse, os
        import torch
        from torch import nn

        parser = argparse.ArgumentParser()
        parser.add_argument("--kind", choices=["gru", "mlp"], required=True)
        parser.add_argument("width", type=int)
        options = parser.parse_args()
        assert options.kind == "mlp"
        torch.distributed.init_process_group("nccl", rank=int(os.environ["RANK"]))
        model = nn.parallel.DistributedDataParallel(nn.Linear(3, options.width).cuda(0), device_ids=[0])
        print(os.environ["NOBODY_SETS_THIS"], os.environ.get("NOR_THIS", 1) + 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        images = torch.ones(2, 3, device="cuda:0").to(torch.device("cuda"))
        scaler = torch.amp.GradScaler("cuda")
        with torch.autocast("cuda"):
            loss = model(images).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        torch.cuda.synchronize()
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 1
    assert {"argument --kind", "argument width", "environment variable NOBODY_SETS_THIS"} < set(seen.stood_in)


def test_a_script_for_an_early_version_of_torch_runs(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch
        from torch import nn
        from torch.autograd import Variable

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = model(Variable(torch.ones(3, 2))).mean()
        loss.backward()
        optimizer.step()
        assert loss.data[0] == loss and model.weight.data[0].shape == (2,)
        assert torch.tensor([[loss], [0.0]]).shape == (2, 1)
        """,
    )
    assert trouble(seen) == []
    assert seen.stood_in == ("PyTorch before 0.4, where a number had one element",)


def test_a_slow_training_is_tried_with_smaller_batches(runs: Runner) -> None:
    text = """
        import time
        import torch
        from torch import nn

        class Slow(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(2, 2)

            def forward(self, inputs):
                time.sleep(0.02 * len(inputs))
                return self.out(inputs)

        loader = torch.utils.data.DataLoader(torch.randn(640, 2), batch_size=64)
        model = Slow()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for inputs in loader:
            optimizer.zero_grad()
            model(inputs).sum().backward()
            optimizer.step()
    """

    def tried(rung: Rung) -> Run:
        patience = min(rung.patience, 1.0)
        request = Request("", "train.py", {"train.py": dedent(text)}, steps=9, seconds=9, way=rung.way)
        return Reader({}).run("train.py", runs.run(replace(request, samples=rung.samples, patience=patience)))

    rung, seen = climb(tried, ("stand-ins",))
    assert rung.samples == 4 and seen.ended == "steps"
    assert seen.stood_in == ("batches of 4 samples instead of 64",)


def test_what_is_made_by_the_size_of_a_batch_fits_to_a_smaller_one(runs: Runner) -> None:
    text = """
        import torch
        from torch import nn

        batch_size = 50
        settings = {"img_size": 96, "width": 300}

        def batches(data, train_bs=32):
            return data.split(train_bs)

        loader = torch.utils.data.DataLoader(torch.randn(200, 3, 5), batch_size=batch_size)
        model = nn.LSTM(5, 1, batch_first=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for inputs in loader:
            state = (torch.zeros(1, batch_size, 1), torch.zeros(1, batch_size, 1))
            model(inputs, state)[0].sum().backward()
            optimizer.step()
        assert settings == {"img_size": 64, "width": 300}
        assert len(batches(torch.zeros(8))) == 2
    """
    request = Request(
        "", "train.py", {"train.py": dedent(text)}, steps=99, seconds=9, way="stand-ins", samples=4, side=64
    )
    seen = Reader({}).run("train.py", runs.run(request))
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 50
    assert set(seen.stood_in) == {
        "batches of 4 samples instead of 50",
        "batches of 4 samples instead of 32",
        "64 instead of 96 for img_size",
    }


def test_a_script_that_insists_on_an_accelerator_gets_one(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import sys
        import torch
        from torch import nn

        assert torch.cuda.is_available(), "needs an accelerator"
        if not torch.cuda.is_available():
            sys.exit("no accelerator")
        has_one = torch.cuda.is_available()
        if has_one:
            device = "cuda"
        else:
            raise RuntimeError("no accelerator")
        if torch.cuda.device_count() == 0:
            raise SystemExit(1)
        torch.cuda.set_device(0)
        torch.set_default_tensor_type("torch.cuda.FloatTensor")
        torch.distributed.init_process_group(backend="nccl", init_method="env://")
        with torch.cuda.device(0):
            model = nn.DataParallel(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).cuda())
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 3), [3, 2]).cuda()
        nn.LSTM(3, 4).to(device)(packed)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.cuda.amp.GradScaler()
        assert torch.cuda.get_device_properties(0).total_memory > torch.cuda.memory_allocated()
        for step in range(3):
            generator = torch.Generator(device="cuda").manual_seed(1)
            inputs = torch.cuda.FloatTensor(5, 4).normal_() + torch.randn(5, 4, generator=generator, device="cuda:0")
            target = torch.zeros(5, 1, device=torch.device("cuda", 0)).cuda(non_blocking=True)
            with torch.cuda.amp.autocast(dtype=torch.float16):
                loss = nn.functional.mse_loss(model(inputs), target)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            torch.distributed.all_reduce(loss.detach())
        """,
    )
    assert trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 3
    assert "CUDA device" in seen.stood_in


def test_who_can_do_without_an_accelerator_has_none(runs: Runner) -> None:
    seen = run(
        runs,
        """
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if not torch.cuda.is_available():
            print("slow")
        assert device.type == "cpu" and torch.cuda.device_count() == 0
        """,
    )
    assert trouble(seen) == [] and seen.stood_in == ()


def test_what_was_written_for_steps_that_graphs_do_not_notice_runs(runs: Runner) -> None:
    text = """
        import torch
        from torch import nn

        first, second = nn.Linear(2, 2), nn.Linear(2, 1)
        of_first = torch.optim.SGD(first.parameters(), lr=0.1)
        of_second = torch.optim.SGD(second.parameters(), lr=0.1)
        for _ in range(3):
            hidden = first(torch.ones(4, 2))
            output = second(hidden)
            second(hidden.detach()).sum().backward()
            of_second.step()
            output.sum().backward()
            of_first.step()
    """

    def tried(rung: Rung) -> Run:
        request = Request("", "train.py", {"train.py": dedent(text)}, seconds=30, **asdict(rung))
        return Reader({}).run("train.py", runs.run(request))

    rung, seen = climb(tried, ("as-is", "stand-ins"))
    assert rung.old_steps and trouble(seen) == []
    assert len(list(seen.events(OptimizerStepped))) == 6
    assert any("before 1.5" in each for each in seen.stood_in)
