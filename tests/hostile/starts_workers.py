# verdict: confirmed
# said: it left processes running
"""Leaves worker processes and threads busy."""

import multiprocessing
import threading
import time

import torch
from torch import nn

inputs = torch.randn(64, 4)
targets = (inputs[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def work():
    while True:
        time.sleep(0.01)

for step in range(20):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()  # the finding: nothing clears the gradients
    optimizer.step()

for _ in range(3):
    multiprocessing.get_context("fork").Process(target=work).start()
    threading.Thread(target=work).start()
time.sleep(0.2)
