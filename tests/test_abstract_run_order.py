"""The abstract run follows loops, branches and early ways out in the order in which the script would take them."""

from __future__ import annotations

import pytest

from nnlint.static.tests import test_key as key_of_test
from nnlint.values import Data
from tests.abstract import faults, seen, told, training

MISSED = ["NN102 4"]
"""What is reported where the backward pass on line 4 adds to gradients that nothing clears."""


def test_a_second_pass_sees_what_the_first_one_left() -> None:
    text = training("""
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    """)
    assert faults(text) == MISSED


def test_events_come_in_the_order_of_execution() -> None:
    text = training("""
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    """)
    assert told(text, "clear", "call", "loss", "backward", "step") == [
        "clear 3",
        "call 4",
        "loss 4",
        "backward 4",
        "step 5",
    ]


def test_a_clear_after_the_step_serves_the_next_iteration() -> None:
    text = training("""
        for x, y in loader:
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    """)
    assert faults(text) == []


def test_a_clear_once_per_epoch_does_not_serve_the_batches() -> None:
    text = training("""
        for epoch in range(10):
            for x, y in loader: F.cross_entropy(model(x), y).backward(); optimizer.step()
            optimizer.zero_grad()
    """)
    assert faults(text) == ["NN102 3"]


def test_batches_within_an_outer_loop_that_is_passed_once() -> None:
    text = training("""
        while True:
            for x, y in loader:
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            break
    """)
    assert faults(text) == ["NN102 4"]


def test_an_epoch_of_one_full_batch_is_a_loop_too() -> None:
    text = training("""
        for epoch in range(100):
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
    """)
    assert faults(text) == MISSED


def test_a_while_loop_is_a_loop() -> None:
    text = training("""
        while step < 1000:
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
    """)
    assert faults(text) == MISSED


def test_an_endless_loop_that_breaks_is_a_loop() -> None:
    text = training("""
        while True:
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
            if loss < 0.1:
                break
    """)
    assert faults(text) == MISSED


@pytest.mark.parametrize(
    "header",
    [
        "i, (x, y) in enumerate(loader)",
        "i, (x, y) in enumerate(loader, 1)",
        "i, (x, y) in tqdm(enumerate(loader), total=10)",
        "x, y in tqdm(loader)",
        "(x, y), _ in zip(loader, range(9))",
        "x, y in itertools.islice(loader, 5)",
        "x, y in iter(loader)",
        "i, (x, y) in list(enumerate(loader))",
    ],
)
def test_what_stands_around_a_loader_hands_its_batches_through(header: str) -> None:
    text = training(f"""
        import itertools; from tqdm import tqdm
        for {header}:
            look(x, y)
    """)
    assert seen(text)[0] == "batch(Loader)[0], batch(Loader)[1]"


def test_a_step_in_a_comprehension_is_in_a_loop() -> None:
    text = training("""
        def train_one(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.item()
        losses = [train_one(x, y) for x, y in loader]
    """)
    assert faults(text) == MISSED


def test_a_generator_runs_where_it_is_drawn_from() -> None:
    text = training("""
        def steps():
            for x, y in loader:
                optimizer.zero_grad()
                yield F.mse_loss(model(x), y)
                optimizer.step()
        for loss in steps():
            loss.backward()
    """)
    assert told(text) == ["clear 4", "backward 8", "step 6"]
    assert faults(text) == []


def test_a_generator_of_batches_is_a_loop() -> None:
    text = training("""
        def batches():
            for start in range(0, 100, 8):
                yield inputs[start:start + 8], targets[start:start + 8]
        for x, y in batches():
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == ["NN102 6"]


def test_an_endless_generator_is_drawn_from_by_next() -> None:
    text = training("""
        def batches():
            while True:
                yield from loader
        source = batches()
        for step in range(1000):
            x, y = next(source)
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == ["NN102 8"]


def test_a_loop_that_ends_in_break_makes_one_step() -> None:
    text = training("""
        for x, y in loader:
            F.mse_loss(model(x), y).backward()
            optimizer.step()
            break
    """)
    assert faults(text) == []


def test_what_continue_passes_by_is_not_done_on_that_path() -> None:
    text = training("""
        for x, y in loader:
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if y.sum() == 0:
                continue
            optimizer.zero_grad()
    """)
    assert faults(text) == MISSED


def test_a_batch_that_is_skipped_before_anything_happens_is_harmless() -> None:
    text = training("""
        for x, y in loader:
            if len(x) < 2: continue
            optimizer.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == []


def test_a_return_in_a_branch_ends_that_path_alone() -> None:
    text = training("""
        def train_one(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward(); optimizer.step()
            if loss > 100:
                return None
            optimizer.zero_grad()
            return loss
        for x, y in loader:
            train_one(x, y)
    """)
    assert faults(text) == MISSED


def test_arms_of_one_condition_are_never_mixed() -> None:
    text = training("""
        scaler = torch.cuda.amp.GradScaler()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            if amp:
                scaler.scale(loss).backward()
            else:
                loss.backward()
            if amp:
                scaler.step(optimizer); scaler.update()
            else:
                optimizer.step()
    """)
    assert faults(text) == []


def test_a_condition_and_its_denial_are_one_condition() -> None:
    text = training("""
        for x, y in loader:
            if scaler is not None: optimizer.zero_grad()
            if scaler is None: optimizer.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == []


def test_a_clear_in_one_arm_alone_leaves_the_other_path() -> None:
    text = training("""
        for x, y in loader:
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if warm:
                optimizer.zero_grad()
    """)
    assert faults(text) == MISSED


def test_accumulated_gradients_are_cleared_with_the_step() -> None:
    text = training("""
        for i, (x, y) in enumerate(loader):
            loss = F.mse_loss(model(x), y) / 4
            loss.backward()
            if (i + 1) % 4 == 0:
                optimizer.step()
                optimizer.zero_grad()
    """)
    assert faults(text) == []


def test_accumulated_gradients_that_the_step_does_not_clear_pile_up() -> None:
    text = training("""
        for i, (x, y) in enumerate(loader):
            loss = F.mse_loss(model(x), y) / 4
            loss.backward()
            if (i + 1) % 4 == 0:
                optimizer.step()
    """)
    assert faults(text) == MISSED


def test_a_try_body_is_followed_whatever_its_handlers_do() -> None:
    text = training("""
        for x, y in loader:
            try:
                F.mse_loss(model(x), y).backward()
                optimizer.step()
            except RuntimeError:
                continue
            finally:
                torch.cuda.empty_cache()
    """)
    assert faults(text) == MISSED


def test_a_clear_in_finally_is_always_reached() -> None:
    text = training("""
        for x, y in loader:
            try:
                F.mse_loss(model(x), y).backward()
                optimizer.step()
            finally:
                optimizer.zero_grad()
    """)
    assert faults(text) == []


def test_a_with_block_is_followed() -> None:
    text = training("""
        for x, y in loader:
            with torch.autocast("cuda"), torch.enable_grad():
                F.mse_loss(model(x), y).backward()
            optimizer.step()
    """)
    assert faults(text) == MISSED


def test_a_context_manager_of_the_script_clears_on_its_way_out() -> None:
    text = training("""
        from contextlib import contextmanager
        @contextmanager
        def fresh_gradients():
            yield
            optimizer.zero_grad()
        for x, y in loader:
            with fresh_gradients():
                F.mse_loss(model(x), y).backward()
                optimizer.step()
    """)
    assert faults(text) == []


def test_the_cases_of_a_match_are_paths() -> None:
    text = training("""
        for x, y in loader:
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            match mode:
                case "plain":
                    optimizer.zero_grad()
                case _:
                    pass
    """)
    assert faults(text) == MISSED


def test_a_match_whose_subject_is_known_takes_one_case() -> None:
    text = training("""
        mode = "plain"
        for x, y in loader:
            F.mse_loss(model(x), y).backward()
            optimizer.step()
            match mode:
                case "plain": optimizer.zero_grad()
                case "never": pass
    """)
    assert faults(text) == []


def test_a_known_condition_takes_its_arm() -> None:
    text = training("""
        use_amp = False
        if use_amp:
            look("amp")
        else:
            look("plain")
    """)
    assert seen(text) == ["'plain'"]


@pytest.mark.parametrize("test", ["x and False", "x and 1 > 2 and y", "not (x or True)"])
def test_one_part_can_settle_a_condition_of_which_others_are_not_known(test: str) -> None:
    text = training(f"""
        for x, y in loader:
            if {test}:
                optimizer.zero_grad()
            optimizer.step()
    """)
    assert told(text) == ["step 5"]


def test_both_arms_leave_what_they_bound() -> None:
    text = training("""
        act = F.relu if fast else F.gelu
        if deep: head = F.softmax(act(x), 1)
        else: head = act(x)
        look(head)
    """)
    assert seen(text) == ["softmax(relu(x) or gelu(x)) or relu(x) or gelu(x)"]


def test_the_else_of_a_loop_comes_after_it() -> None:
    text = training("""
        for x, y in loader:
            F.mse_loss(model(x), y).backward()
        else:
            optimizer.step()
    """)
    assert told(text) == ["backward 3", "step 5"]
    assert faults(text) == []


def test_the_number_of_a_known_loop_is_known() -> None:
    text = training("""
        for size in (1, 2, 3):
            look(size)
    """)
    assert seen(text) == ["1", "2", "3"]


def test_conditions_on_values_that_are_gone_are_told_apart() -> None:
    assert len({key_of_test(Data("name")) for _ in range(100)}) == 100
