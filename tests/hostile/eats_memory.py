# verdict: confirmed
# said: memory
"""Takes memory without end."""

import signal

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

signal.setitimer(signal.ITIMER_REAL, 0)
kept = []
while True:
    kept.append(torch.ones(10_000_000))
