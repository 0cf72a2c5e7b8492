"""The abstract run follows imports into the other files of the linted tree, and is never held up by them."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnlint
from tests.abstract import faults, losses, notes, project, runs, seen, told

STEP = """
    def train_one(model, optimizer, loss):
        loss.backward()
        optimizer.step()
"""
MAIN = """
    import torch, torch.nn as nn
    {imports}
    model = nn.Linear(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        {call}(model, optimizer, nn.functional.mse_loss(model(x), y))
"""


def _main(imports: str, call: str) -> str:
    return MAIN.format(imports=imports, call=call)


def test_a_step_in_another_file_is_followed_from_the_loop(tmp_path: Path) -> None:
    files = {"train.py": _main("from engine import train_one", "train_one"), "engine.py": STEP}
    assert faults(files, folder=tmp_path) == ["NN102 engine.py:3"]


def test_a_finding_names_places_in_both_files(tmp_path: Path) -> None:
    files = {
        "engine.py": "def backward(loss):\n    loss.backward()\n",
        "train.py": """
            import torch
            from engine import backward
            def train(model, optimizer, loader):
                for x, y in loader:
                    backward(torch.nn.functional.mse_loss(model(x), y))
                    optimizer.step()
        """,
    }
    faults(files, folder=tmp_path)
    [finding] = nnlint.lint_paths([tmp_path], {"select": ["NN102"]})
    assert Path(finding.place.path).name == "engine.py"
    assert [(Path(each.place.path).name, each.place.line) for each in finding.related] == [("train.py", 7)]


def test_a_clear_in_another_file_is_a_clear(tmp_path: Path) -> None:
    files = {
        "train.py": _main("from engine import train_one", "train_one"),
        "engine.py": """
            def train_one(model, optimizer, loss):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        """,
    }
    assert faults(files, folder=tmp_path) == []


def test_a_network_in_a_package_is_followed_through_its_forward(tmp_path: Path) -> None:
    files = {
        "models/__init__.py": "",
        "models/net.py": """
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(8, 4)
                def forward(self, x):
                    return self.head(x).softmax(dim=1)
        """,
        "train.py": """
            import torch.nn.functional as F
            from models.net import Net
            net = Net()
            F.cross_entropy(net(x), y)
        """,
    }
    assert losses(files, tmp_path) == ["cross_entropy(softmax(linear(x)), y)"]


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import lib.engine", "lib.engine.train_one"),
        ("import lib.engine as engine", "engine.train_one"),
        ("from lib import engine", "engine.train_one"),
        ("from lib.engine import train_one as update", "update"),
        ("from lib.engine import *", "train_one"),
        ("from lib import train_one", "train_one"),
        ("import lib", "lib.train_one"),
        ("from lib import *", "train_one"),
    ],
)
def test_every_form_of_import_leads_to_the_function(tmp_path: Path, imports: str, call: str) -> None:
    files = {
        "train.py": _main(imports, call),
        "lib/__init__.py": "from .engine import train_one\n",
        "lib/engine.py": STEP,
    }
    assert faults(files, folder=tmp_path) == ["NN102 lib/engine.py:3"]


@pytest.mark.parametrize(
    "inner",
    ["from .engine import train_one", "from ..lib.engine import train_one", "from . import engine; engine.train_one"],
)
def test_relative_imports_start_from_their_own_package(tmp_path: Path, inner: str) -> None:
    call = "engine.train_one" if "from . import" in inner else "train_one"
    files = {
        "top/__init__.py": "",
        "top/lib/__init__.py": "",
        "top/lib/engine.py": STEP,
        "top/lib/loop.py": f"import torch\n{inner}\ndef train(m, opt, xs):\n    for x in xs: {call}(m, opt, m(x).sum())\n",
    }
    assert faults(files, folder=tmp_path) == ["NN102 top/lib/engine.py:3"]


LAZY = """
    from typing import TYPE_CHECKING
    from .tools import IS_SLOW, has_extra

    if TYPE_CHECKING or IS_SLOW:
        from . import other
        try:
            if not has_extra():
                raise ImportError
        except ImportError:
            from .dummies import *
        else:
            from .engine import train_one
        from .unasked import Unasked
    else:
        import sys
        sys.modules[__name__] = lazy(__name__)
"""


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from lib import train_one", "train_one"),
        ("import lib", "lib.train_one"),
        ("from lib import *", "train_one"),
        ("from lib import other", "other.train_one"),
        ("import lib", "lib.other.train_one"),
    ],
)
def test_what_a_package_imports_for_type_checkers_is_imported_when_it_is_asked_for(
    tmp_path: Path, imports: str, call: str
) -> None:
    files = {
        "train.py": _main(imports, call),
        "lib/__init__.py": LAZY,
        "lib/tools.py": "import os\nIS_SLOW = os.environ.get('SLOW')\ndef has_extra(): return os.environ.get('EXTRA')\n",
        "lib/dummies.py": "def unused(): raise ImportError\n",
        "lib/other.py": "from .engine import train_one\n",
        "lib/engine.py": STEP,
        "lib/unasked.py": "class Unasked: pass\n",
    }
    assert "NN102 lib/engine.py:3" in faults(files, folder=tmp_path)


def test_a_module_of_a_package_for_type_checkers_is_not_read_where_nobody_asks_for_it(tmp_path: Path) -> None:
    text = {
        "lib/__init__.py": LAZY,
        "lib/tools.py": "IS_SLOW = has_extra = lambda: unknown()\n",
        "lib/engine.py": STEP,
        "lib/unasked.py": "class Unasked: pass\n",
    }
    project({**text, "train.py": ""}, tmp_path)
    asking = project({"train.py": _main("from lib import train_one", "train_one")}, tmp_path)
    list(asking.runs())
    read = {Path(file).name for file in asking.importer.imported}
    assert "engine.py" in read
    assert "unasked.py" not in read


def test_a_namespace_package_needs_no_init(tmp_path: Path) -> None:
    files = {"train.py": _main("from lib.engine import train_one", "train_one"), "lib/engine.py": STEP}
    assert faults(files, folder=tmp_path) == ["NN102 lib/engine.py:3"]


@pytest.mark.parametrize("script", ["train.py", "scripts/train.py", "src/project/cli/train.py", "tests/deep/train.py"])
def test_a_package_below_src_is_found_from_anywhere(tmp_path: Path, script: str) -> None:
    files = {
        script: _main("from project.engine import train_one", "train_one"),
        "src/project/__init__.py": "",
        "src/project/engine.py": STEP,
    }
    assert faults(files, folder=tmp_path) == ["NN102 src/project/engine.py:3"]


def test_an_import_inside_a_function_is_followed(tmp_path: Path) -> None:
    files = {
        "engine.py": STEP,
        "train.py": """
            def train(model, optimizer, loader):
                from engine import train_one
                for x, y in loader:
                    train_one(model, optimizer, model(x).sum())
        """,
    }
    assert faults(files, folder=tmp_path) == ["NN102 engine.py:3"]


def test_the_second_try_of_an_import_serves_where_the_first_is_not_at_hand(tmp_path: Path) -> None:
    files = {
        "engine.py": STEP,
        "train.py": _main(
            "try: from fast_engine import train_one\n    except ImportError: from engine import train_one",
            "train_one",
        ),
    }
    assert told(files, "backward", folder=tmp_path)[:1] == ["backward engine.py:3"]


def test_a_constant_of_another_file_is_known(tmp_path: Path) -> None:
    files = {
        "config.py": "HIDDEN = 16\nSIZES = [HIDDEN, 4]\n",
        "train.py": "import config\nlook(config.SIZES[0])  # nn.\n",
    }
    assert seen(files, tmp_path) == ["16"]


def test_modules_that_import_each_other_are_each_run_once(tmp_path: Path) -> None:
    files = {
        "a.py": "import torch\nfrom b import twice\nRATE = 3\ndef rate(): return RATE\nlook(twice())\n",
        "b.py": "import torch\nfrom a import rate\ndef twice(): return 2\n",
    }
    assert seen(files, tmp_path) == ["2"]


def test_a_module_that_imports_itself_is_no_trap(tmp_path: Path) -> None:
    files = {"loop.py": "import torch\nimport loop\nfrom loop import *\nlook(loop.late)\nlate = 1\n"}
    assert len(seen(files, tmp_path)) == 1


def test_a_name_that_leads_a_file_to_itself_means_the_package_above(tmp_path: Path) -> None:
    files = {
        "train.py": _main("from utils.model import train_one", "train_one"),
        "utils/model.py": "from model import train_one\n",
        "model/__init__.py": STEP,
    }
    assert faults(files, folder=tmp_path) == ["NN102 model/__init__.py:3"]


def test_a_missing_module_leaves_its_names_unknown(tmp_path: Path) -> None:
    files = {"train.py": _main("from nowhere import train_one; from .missing import helper", "train_one")}
    assert faults(files, folder=tmp_path) == []


def test_a_missing_module_that_gets_the_optimizer_may_do_anything(tmp_path: Path) -> None:
    files = {
        "train.py": """
            import torch
            from nowhere import after_batch
            def train(model, loader):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
                    after_batch(optimizer)
        """
    }
    assert faults(files, folder=tmp_path) == []


def test_an_import_that_does_not_parse_is_unknown(tmp_path: Path) -> None:
    files = {"engine.py": "def train_one(:\n", "train.py": _main("from engine import train_one", "train_one")}
    assert faults(files, "NN102", "NN901", folder=tmp_path) == ["NN901 engine.py:1"]


def test_a_huge_module_of_data_is_not_read_for_an_import(tmp_path: Path) -> None:
    table = "TABLE = [\n" + "    1234567890,\n" * 90_000 + "]\n"
    (tmp_path / "table.py").write_text(table, encoding="utf-8")
    files = {"train.py": "import torch\nfrom table import TABLE\nlook(TABLE)\n"}
    assert seen(files, tmp_path) == ["table.TABLE"]


def test_a_folder_of_the_name_of_a_library_is_not_taken_for_it(tmp_path: Path) -> None:
    files = {
        "torch/__init__.py": "def softmax(x): return x\n",
        "train.py": "import torch\nlook(torch.softmax(x, 1))\n",
    }
    assert "softmax(x)" in seen(files, tmp_path)


def test_an_imported_script_does_not_run_its_main_part(tmp_path: Path) -> None:
    files = {
        "other.py": "import torch\ndef helper(): return 1\nif __name__ == '__main__':\n    look('main of other')\n",
        "train.py": "import torch\nfrom other import helper\nlook(helper())\n",
    }
    assert sorted(seen(files, tmp_path)) == ["'main of other'", "1"]


def test_a_file_that_nothing_imports_is_run_by_itself(tmp_path: Path) -> None:
    files = {"a.py": "import torch\nlook(1)\n", "b.py": "import torch\nlook(2)\n"}
    assert seen(files, tmp_path) == ["1", "2"]
    assert [run.path for run in runs(files, tmp_path)] == ["a.py", "b.py"]


def test_a_chain_of_imports_longer_than_the_deepest_call_is_followed(tmp_path: Path) -> None:
    files = {f"m{i}.py": f"from m{i + 1} import value\n" for i in range(40)}
    files["m40.py"] = "value = 7\n"
    files["train.py"] = "import torch\nfrom m0 import value\nlook(value)\n"
    assert seen(files, tmp_path) == ["7"]
    assert notes(files, tmp_path) == []


def test_a_notebook_is_one_module(tmp_path: Path) -> None:
    cells = [
        "import torch\nmodel = torch.nn.Linear(3, 4)",
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
        "for x, y in loader:\n    model(x).sum().backward()\n    optimizer.step()",
    ]
    notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    import json

    [finding] = nnlint.lint_text(json.dumps(notebook), "train.ipynb", {"select": ["NN102"]})
    assert (finding.place.cell, finding.place.line) == (3, 2)


def test_verbose_tells_which_imports_of_the_project_have_no_source(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/nets.py": "import torch.nn",
        "shop/backends/__init__.py": "",
        "shop/backends/numba/__init__.py": "from numba.core import jit",
        "shop/train.py": """
            import torch.optim.lr_scheduler
            import library.parts
            from .nets import nn
            from .lost import Net
            from shop.gone import Loader
            from ..far import Far
            """,
    }
    assert [(note.path, note.line, note.message.split()[3]) for note in notes(files, tmp_path)] == [
        ("shop/train.py", 5, ".lost"),
        ("shop/train.py", 6, "shop.gone"),
        ("shop/train.py", 7, "..far"),
    ]
