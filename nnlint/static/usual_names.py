"""Names that nothing in a file binds, and what everybody means by them: code is posted, and kept, without its imports."""

from __future__ import annotations

import ast
import re

from nnlint.lazy import regex
from nnlint.static.objects import External, Module

MEANT = {
    "torch": "torch",
    "th": "torch",
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "optim": "torch.optim",
    "lr_scheduler": "torch.optim.lr_scheduler",
    "autograd": "torch.autograd",
    "Variable": "torch.autograd.Variable",
    "Dataset": "torch.utils.data.Dataset",
    "DataLoader": "torch.utils.data.DataLoader",
    "TensorDataset": "torch.utils.data.TensorDataset",
    "Subset": "torch.utils.data.Subset",
    "random_split": "torch.utils.data.random_split",
    "torchvision": "torchvision",
    "datasets": "torchvision.datasets",
    "transforms": "torchvision.transforms",
    "models": "torchvision.models",
    "np": "numpy",
    "numpy": "numpy",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "train_test_split": "sklearn.model_selection.train_test_split",
    "StandardScaler": "sklearn.preprocessing.StandardScaler",
    "MinMaxScaler": "sklearn.preprocessing.MinMaxScaler",
    "tqdm": "tqdm.tqdm",
    "copy": "copy",
    "deepcopy": "copy.deepcopy",
    "math": "math",
    "os": "os",
    "random": "random",
    "time": "time",
}
"""The external code of each name."""

SPEAKS_OF_TORCH = regex(
    r"\btorch\b|\bnn\.(?:Module|Sequential|Linear|Conv\dd)\b|\bno_grad\b|\bDataLoader\(|\.(?:backward|zero_grad|cuda)\("
)
SPEAKS_OF_ANOTHER = regex(
    r"\b(?:keras|tensorflow|tf|paddle|mxnet|gluon|mindspore|jittor|oneflow|jax|flax|mlx|tinygrad|chainer)\b"
)
IMPORT = regex(r"^[ \t]*(?:import|from)[ \t]", re.MULTILINE)
OTHER_PARTS = {
    "datasets": regex(r"\bdatasets\.(?:load_|make_|fetch_)"),
    "models": regex(r"\bmodels\.[A-Z]"),
    "optim": regex(r"\boptim\.(?:step|zero_grad|param_groups|state)"),
}
"""What is not asked of what is meant here: scikit-learn's data sets, Keras' models, and optimizers go by the same names."""


def is_torch_without_imports(module: Module) -> bool:
    """Whether the code of a file is torch's, though it does not import it."""
    text = module.source.text
    if any(isinstance(each, External) and each.name.startswith("torch") for each in module.names.values()):
        return True
    return IMPORT.search(text) is None and _speaks_of_torch(text)


def _speaks_of_torch(text: str) -> bool:
    return SPEAKS_OF_TORCH.search(text) is not None and SPEAKS_OF_ANOTHER.search(text) is None


def meant_by(name: str, text: str, tree: ast.Module) -> str | None:
    """The dotted name of the external code that a name stands for which was found nowhere; None where that is not clear."""
    meant = MEANT.get(name)
    if meant is None or (meant.startswith("torch") and not _speaks_of_torch(text)):
        return None
    if name in OTHER_PARTS and OTHER_PARTS[name].search(text):
        return None
    return None if _binds(tree, name) else meant


def _binds(tree: ast.Module, name: str) -> bool:
    """Whether the name is bound anywhere in the file, or may be by an import of all names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if node.id == name and not isinstance(node.ctx, ast.Load):
                return True
        elif isinstance(node, ast.alias):
            if node.name == "*" or (node.asname or node.name.partition(".")[0]) == name:
                return True
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == name:
                return True
        elif isinstance(node, ast.arg) and node.arg == name:
            return True
    return False
