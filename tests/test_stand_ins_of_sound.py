"""Scripts on sounds, and with networks of timm, run without these packages."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytest.importorskip("torch")

from nnlint.events import OptimizerStepped, Raised, Scored
from nnlint.verify.protocol import Request
from nnlint.verify.reading import Reader
from nnlint.verify.runner import runner

pytestmark = pytest.mark.xdist_group("real runs")


def test_words_are_heard_and_told_apart() -> None:
    text = """
        import timm
        import torch
        import torchaudio
        from torch import nn
        from torchaudio.datasets import SPEECHCOMMANDS

        words = SPEECHCOMMANDS("data", download=True, subset="training")
        names = sorted({words[i][2] for i in range(len(words))})
        wave, rate, label, speaker, number = words[0]
        assert wave.shape == (1, 16000) and rate == 16000 and label in names
        assert torchaudio.transforms.Resample(16000, 8000)(wave).shape == (1, 8000)
        mel = nn.Sequential(
            torchaudio.transforms.MelSpectrogram(rate, n_fft=400, hop_length=160, n_mels=64),
            torchaudio.transforms.AmplitudeToDB(),
        )
        assert mel(wave).shape == (1, 64, 101)
        assert torchaudio.load("cat/3.wav")[0].shape == (1, 16000)
        backbone = timm.create_model("resnet50d", pretrained=True, num_classes=0)
        assert backbone(torch.zeros(2, 3, 64, 64)).shape == (2, backbone.num_features)

        def collate(rows):
            return torch.stack([mel(row[0]).mean(-1)[0] for row in rows]), torch.tensor([names.index(row[2]) for row in rows])

        loader = torch.utils.data.DataLoader(words, batch_size=32, shuffle=True, collate_fn=collate)
        model = nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, len(names)))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(4):
            for sounds, labels in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(sounds), labels).backward()
                optimizer.step()
    """
    request = Request("", "train.py", {"train.py": dedent(text)}, steps=60, seconds=40, way="stand-ins")
    with runner() as runs:
        seen = Reader({}).run("train.py", runs.run(request))
    assert [f"{each.error}: {each.message}" for each in seen.events(Raised)] == []
    assert any(seen.events(OptimizerStepped)) and "data set SPEECHCOMMANDS" in seen.stood_in
    assert [event.numbers["accuracy"] for event in seen.events(Scored)][-1] > 0.5
