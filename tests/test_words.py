"""The words of the rules: what is not run for lack of them holds no finding, whichever rules are asked."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlint.catalogue import all_rules
from nnlint.finding import Finding
from nnlint.lint import lint_documents
from nnlint.reading.disk import DISK
from nnlint.reading.documents import read_text
from nnlint.reading.files import read_paths
from nnlint.reading.patterns import Patterns
from nnlint.settings import Settings
from nnlint.static.knowledge.fitting import SUPERVISED
from nnlint.static.knowledge.frameworks import NETWORK_ROOTS
from nnlint.static.syntax import parse
from nnlint.units import units
from nnlint.words import NETWORKS, Vocabulary
from tests.fixture_cases import FIXTURES
from tests.scripts import FAULTY

WORDS = {rule.code: rule.words for rule in all_rules() if rule.words}
EVERY_RULE = Settings(select=tuple(WORDS))
SCRIPTS = sorted(file for file in FIXTURES.glob("*/*.py") if file.parent.name != "broken")
"""The fixtures of one file each."""

IMPORT = re.compile(r"^(?:import|from) .*\n", re.MULTILINE)
NAME = re.compile(r"\b(?:model|net|network|optimizer|loss|criterion|loader|torch|nn|np|F)\b")


def found(folder: Path, settings: Settings = EVERY_RULE) -> list[Finding]:
    """The findings in a folder."""
    return list(lint_documents(read_paths([str(folder)], Patterns(str(folder), ())).documents, settings).findings)


def found_without_filter(folder: Path) -> list[Finding]:
    """The same, where runs are made of all files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocabulary, "is_idle", lambda *_: False)
        return found(folder)


def is_idle(text: str, *codes: str) -> bool:
    """Whether no run is made of a text for these rules."""
    vocabulary = Vocabulary({code: WORDS[code] for code in codes})
    return units([read_text("train.py", text)], DISK, vocabulary)[0].idle == {"train.py"}


def varied(text: str, random: Random) -> str:
    """A script without some of its imports and statements, and with other names."""
    text = IMPORT.sub(lambda statement: statement[0] if random.random() < 0.4 else "", text)
    renamed = {name: name if random.random() < 0.5 else f"x{number}" for number, name in enumerate(NAME.findall(text))}
    tree = ast.parse(NAME.sub(lambda name: renamed[name[0]], text))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and random.random() < 0.3:
            node.body = [each for each in body if random.random() < 0.8] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(ast.fix_missing_locations(tree))


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_no_finding_is_lost_in_variations_of_the_fixtures(seed: int) -> None:
    random = Random(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        for number in range(2):
            (folder / f"part_{number}.py").write_text(
                varied(random.choice(SCRIPTS).read_text("utf-8"), random), "utf-8"
            )
        imports = random.choice(["import part_0", "from part_0 import *", "from part_1 import main\nmain()", "x = 1"])
        (folder / "start.py").write_text(f"{imports}\n", "utf-8")
        (folder / "far.py").write_text("import start\n", "utf-8")
        assert found(folder) == found_without_filter(folder)


def test_the_words_of_a_rule_are_in_all_its_faulty_fixtures() -> None:
    for rule in all_rules():
        own = FIXTURES / rule.name.replace("-", "_")
        for file in own.glob("faulty_*.py") if rule.words else ():
            assert not is_idle(file.read_text("utf-8"), rule.code), file


def test_only_selected_rules_count() -> None:
    text = "import numpy as np\nx = np.zeros((2, 2)) @ np.ones(2)\n"
    assert not is_idle(text, "NN701", "NN201")
    assert is_idle(text, "NN201")


@pytest.mark.parametrize(
    "text",
    [
        "@decorated\ndef f():\n    pass\n",
        "@decorated(1, 'x')\n@other\nclass A:\n    pass\n",
        "loads = ['overfit', 'torches']\n",
        "def train(stepper):\n    stepper.step_by_step()\n",
    ],
)
def test_text_that_is_about_something_else_is_not_run(text: str) -> None:
    assert is_idle(f"import numpy\n{text}", "NN701", "NN102", "NN201")


@pytest.mark.parametrize(
    "text",
    ["c = a @ b", "c = (\n    a\n    @b\n)", "@f(a\n@b)\ndef g(): ...", "c = (a\n@f(b))\ndef g(): ...", "c = a.dot(b)"],
)
def test_a_product_of_matrices_is_one_however_it_is_written(text: str) -> None:
    assert not is_idle(f"import numpy\n{text}\n", "NN701")


@pytest.mark.parametrize("name", ["\uff42ackward", "getattr(x, 'back' + 'ward')", 'getattr(x, f"{a}ward")'])
def test_words_in_disguise_are_seen(name: str) -> None:
    text = IMPORT.sub("", FAULTY.replace("loss.backward()", f"{name}()")).replace("torch", "t").replace("nn.", "n.")
    assert is_idle(text.replace(name, "print"), "NN107")
    assert not is_idle(text, "NN107")


def test_what_an_import_leads_to_counts(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "start.py").write_text("from middle import run\nrun()\n")
    (tmp_path / "middle.py").write_text("import last as run\n")
    (tmp_path / "other.py").write_text("from.start import run\n")
    (tmp_path / "nothing.py").write_text("import os\n")
    (tmp_path / "last.py").write_text(FAULTY)
    documents = read_paths([str(tmp_path)], Patterns(str(tmp_path), ())).documents
    idle = {Path(path).name for unit in units(documents, DISK, Vocabulary(WORDS)) for path in unit.idle}
    assert idle == {"nothing.py"}


@pytest.mark.parametrize(
    "text",
    [
        "from os import (path); import last\n",
        "# important\nif os: import last\n",
        "x = 1; from last import main\n",
        "from os import (\n    path,\n    sep,\n)\nfrom last import (  # important\n    main,\n)\n",
        "import os, \\\n    last\n",
        "reimported = 1\nimport last",
    ],
)
def test_an_import_is_seen_wherever_it_stands(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "start.py").write_text(text)
    (tmp_path / "last.py").write_text(FAULTY)
    documents = read_paths([str(tmp_path)], Patterns(str(tmp_path), ())).documents
    assert [unit.idle for unit in units(documents, DISK, Vocabulary(WORDS))] == [frozenset()]


def test_a_file_alone_has_the_words_of_all_that_it_reaches(tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text("import middle\n")
    (tmp_path / "middle.py").write_text("import start, last, nothing\n")
    (tmp_path / "nothing.py").write_text("import os\n")
    (tmp_path / "last.py").write_text(FAULTY)
    vocabulary = Vocabulary(WORDS)
    together = {
        path: codes
        for unit in units(read_paths([str(tmp_path)], Patterns(str(tmp_path), ())).documents, DISK, vocabulary)
        for path, codes in unit.silent.items()
    }
    for name in ("start", "middle", "nothing", "last"):
        documents = read_paths([str(tmp_path / f"{name}.py")], Patterns(str(tmp_path), ())).documents
        unit = units(documents, DISK, vocabulary)[0]
        assert unit.silent.get(documents[0].path) == together.get(documents[0].path)


@pytest.mark.parametrize(
    "name", ["opt", "Opt", "my_opt", "optLevel", "theOpt2", "OPT", "\u00fcber_opt", "adopted = opt"]
)
def test_a_part_of_a_name_is_a_word(name: str) -> None:
    vocabulary = Vocabulary({"NN101": (frozenset({"~opt"}),)})
    assert not vocabulary.silence(vocabulary.found_in(f"option = adopt\n{name}")).codes


@pytest.mark.parametrize("name", ["option", "adopt", "OPTION", "coOpted"])
def test_a_part_of_a_word_is_none(name: str) -> None:
    vocabulary = Vocabulary({"NN101": (frozenset({"~opt"}),)})
    assert vocabulary.silence(vocabulary.found_in(f"{name} = 1\n")).codes


def test_a_file_without_words_is_still_parsed_for_its_syntax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def noted(text: str) -> ast.Module:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr("nnlint.static.project.parse", noted)
    file = tmp_path / "plain.py"
    file.write_text("x = (\n")
    assert [finding.code for finding in found(tmp_path)] == ["NN901"]
    assert parsed
    parsed.clear()
    assert found(tmp_path, Settings(ignore=("NN901",))) == []
    assert not parsed


def test_libraries_that_the_tables_know_are_words() -> None:
    assert NETWORK_ROOTS <= NETWORKS
    assert {root for root, _ in SUPERVISED} <= NETWORKS
