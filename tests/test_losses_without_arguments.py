"""Losses whose arguments are not known, or not there, are no fault and no trouble."""

from __future__ import annotations

import pytest

from tests.abstract import faults, training

CODES = ("NN203", "NN204", "NN205", "NN206", "NN207", "NN208", "NN209", "NN211")


@pytest.mark.parametrize(
    "call",
    [
        "F.cross_entropy(**given)",
        "F.cross_entropy(*given)",
        "F.nll_loss()",
        "F.kl_div(model(x).round())",
        "F.mse_loss(target=y)",
        "nn.BCELoss()()",
        "F.softmax()",
        "F.log_softmax(*given)",
        "torch.max()[1]",
        "model(x).view().squeeze(*given)",
    ],
)
def test_a_call_without_arguments_is_followed(call: str) -> None:
    body = f"\nfor x, y in loader:\n    loss = {call}\n    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()"
    found = faults(training(body), *CODES)
    assert [each for each in found if not each.startswith(("NN208", "NN209"))] == []
