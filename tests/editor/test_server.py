"""The language server as an editor sees it: a real client speaks with a real process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path

from nnlint.editor import open_files
from tests.command import Command

FAULTY = """\
import torch
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(20):
    "😀"; torch.nn.functional.cross_entropy(model(torch.randn(4, 2)), torch.zeros(4).long()).backward()
    optimizer.step()
"""
CLEARED = FAULTY.replace("    optimizer.step()", "    optimizer.step()\n    optimizer.zero_grad()")
SECONDS = 60.0

Talk = Callable[["Editor"], Awaitable[None]]


class Editor:
    """A client that remembers what it is told, and waits for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = LanguageClient("test", "1")
        self.told: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: list[str] = []
        self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda told: self.told.put_nowait(told))
        self.client.feature(types.WINDOW_SHOW_MESSAGE)(lambda told: self.messages.append(told.message))

    def uri(self, name: str) -> str:
        return from_fs_path(str(self.folder / name)) or ""

    def open(self, name: str, text: str, language: str = "python") -> None:
        item = types.TextDocumentItem(self.uri(name), language, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, name: str, text: str, version: int) -> None:
        document = types.VersionedTextDocumentIdentifier(version, self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def diagnostics(self, uri: str, until: Callable[[list[types.Diagnostic]], bool]) -> list[types.Diagnostic]:
        """The diagnostics of a document, once they are as expected."""
        while True:
            told = await asyncio.wait_for(self.told.get(), SECONDS)
            if told.uri == uri and until(list(told.diagnostics)):
                return list(told.diagnostics)

    async def codes(self, name: str, *expected: str) -> list[types.Diagnostic]:
        return await self.diagnostics(self.uri(name), lambda found: [str(each.code) for each in found] == [*expected])


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Talk], None]:
    """Starts a server, lets a conversation run with it, and ends it as an editor does."""
    monkeypatch.chdir(tmp_path)

    async def converse(about: Talk) -> int | None:
        editor = Editor(tmp_path)
        await editor.client.start_io(sys.executable, "-m", "nnlint", "--server")
        capabilities = types.ClientCapabilities(notebook_document=None)
        await editor.client.initialize_async(types.InitializeParams(capabilities, root_uri=editor.uri("")))
        editor.client.initialized(types.InitializedParams())
        try:
            await about(editor)
        finally:
            await editor.client.shutdown_async(None)
            editor.client.exit(None)
            server: Any = editor.client._server
            status = await asyncio.wait_for(server.wait(), SECONDS)
            await editor.client.stop()  # type: ignore[no-untyped-call]
        return int(status)

    def run(about: Talk) -> None:
        assert asyncio.run(converse(about)) == 0

    return run


def test_a_fault_is_shown_where_it_stands_and_goes_with_the_change_that_mends_it(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        editor.open("train.py", FAULTY)
        (found,) = await editor.codes("train.py", "NN102")
        # the emoji counts as two units of UTF-16
        assert (found.range.start.line, found.range.start.character) == (4, 10)
        assert found.severity is types.DiagnosticSeverity.Error
        assert "missing-zero-grad: gradients pile up" in found.message
        assert found.code_description is not None and found.code_description.href.endswith("#nn102-missing-zero-grad")
        related = found.related_information or []
        assert [each.location.range.start.line for each in related] == [5]
        editor.change("train.py", CLEARED, 2)
        await editor.codes("train.py")

    talk(about)


def test_the_quick_fix_mends_the_text(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        text = FAULTY.replace('"😀"; ', "")
        editor.open("train.py", text)
        (found,) = await editor.codes("train.py", "NN102")
        context = types.CodeActionContext([found])
        asked = types.CodeActionParams(types.TextDocumentIdentifier(editor.uri("train.py")), found.range, context)
        (action,) = await editor.client.text_document_code_action_async(asked) or []
        assert isinstance(action, types.CodeAction) and action.is_preferred
        assert action.edit is not None and action.edit.changes is not None
        (edit,) = action.edit.changes[editor.uri("train.py")]
        lines = text.splitlines(keepends=True)
        line = edit.range.start.line
        assert edit.range.start == edit.range.end
        before = "".join(lines[:line]) + lines[line][: edit.range.start.character] if line < len(lines) else text
        mended = before + edit.new_text + text[len(before) :]
        editor.change("train.py", mended, 2)
        await editor.codes("train.py")

    talk(about)


def test_actions_are_those_asked_for_and_none_for_a_text_that_has_changed(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        text = FAULTY.replace('"😀"; ', "")
        editor.open("train.py", text)
        (found,) = await editor.codes("train.py", "NN102")

        async def actions(*only: types.CodeActionKind) -> int:
            context = types.CodeActionContext([found], only=only or None)
            document = types.TextDocumentIdentifier(editor.uri("train.py"))
            asked = types.CodeActionParams(document, found.range, context)
            return len(await editor.client.text_document_code_action_async(asked) or [])

        assert await actions() == await actions(types.CodeActionKind.QuickFix) == 1
        assert await actions(types.CodeActionKind.SourceOrganizeImports) == 0
        editor.change("train.py", "\n" + text, 2)
        assert await actions() == 0
        (found,) = await editor.codes("train.py", "NN102")
        assert await actions() == 1

    talk(about)


def test_hovering_shows_the_page_of_the_rule(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        editor.open("train.py", FAULTY)
        (found,) = await editor.codes("train.py", "NN102")
        document = types.TextDocumentIdentifier(editor.uri("train.py"))
        shown = await editor.client.text_document_hover_async(types.HoverParams(document, found.range.start))
        assert shown is not None and isinstance(shown.contents, types.MarkupContent)
        assert shown.contents.value.startswith("# NN102 missing-zero-grad")
        assert "## Why it matters" in shown.contents.value
        nothing = await editor.client.text_document_hover_async(types.HoverParams(document, types.Position(0, 0)))
        assert nothing is None

    talk(about)


def test_imports_lead_to_the_text_in_the_editor_not_to_the_one_on_disk(
    talk: Callable[[Talk], None], tmp_path: Path
) -> None:
    network = "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    network += "        self.out = nn.Linear(2, 2)\n\n    def forward(self, x):\n        return {}\n"
    training = (
        "import torch\nfrom net import Net\n\nmodel = Net()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    )
    training += "for x, y in torch.utils.data.DataLoader(data, 32, shuffle=True):\n    optimizer.zero_grad()\n"
    training += "    torch.nn.functional.cross_entropy(model(x), y).backward()\n    optimizer.step()\n"
    (tmp_path / "net.py").write_text(network.format("self.out(x)"))
    (tmp_path / "train.py").write_text(training)

    async def about(editor: Editor) -> None:
        editor.open("train.py", training)
        await editor.codes("train.py")
        editor.open("net.py", network.format("self.out(x).softmax(1)"))
        (found,) = await editor.codes("net.py", "NN201")
        assert [each.location.uri for each in found.related_information or []] == [editor.uri("train.py")]

    talk(about)


def test_the_cells_of_a_notebook_are_one_run(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        head, loop = FAULTY.split("for step", 1)
        texts = {"cell:0": "# Title", "cell:1": "%matplotlib inline\n" + head, "cell:2": "for step" + loop}
        kinds = [types.NotebookCellKind.Markup, types.NotebookCellKind.Code, types.NotebookCellKind.Code]
        cells = [types.NotebookCell(kind, uri) for kind, uri in zip(kinds, texts, strict=True)]
        notebook = types.NotebookDocument(editor.uri("train.ipynb"), "jupyter-notebook", 1, cells)
        documents = [types.TextDocumentItem(uri, "python", 1, text) for uri, text in texts.items()]
        editor.client.notebook_document_did_open(types.DidOpenNotebookDocumentParams(notebook, documents))
        found = await editor.diagnostics("cell:2", lambda told: bool(told))
        assert [(each.code, each.range.start.line) for each in found] == [("NN102", 1)]

    talk(about)


def test_settings_hold_and_wrong_ones_are_told_once(talk: Callable[[Talk], None], tmp_path: Path) -> None:
    (tmp_path / "nnlint.toml").write_text('ignore = ["NN102"]\n')

    async def about(editor: Editor) -> None:
        editor.open("train.py", FAULTY)
        await editor.codes("train.py")
        (tmp_path / "nnlint.toml").write_text("ignroe = []\n")
        editor.change("train.py", FAULTY + "\n", 2)
        await editor.codes("train.py", "NN102")
        editor.change("train.py", FAULTY, 3)
        await editor.codes("train.py", "NN102")
        assert len(editor.messages) == 1
        assert "ignroe" in editor.messages[0]

    talk(about)


def test_a_text_that_does_not_parse_and_one_never_saved_are_looked_at(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        editor.open("broken.py", "def (:\n")
        await editor.codes("broken.py", "NN901")
        item = types.TextDocumentItem("untitled:Untitled-1", "python", 1, FAULTY)
        editor.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        found = await editor.diagnostics("untitled:Untitled-1", lambda told: bool(told))
        assert [each.code for each in found] == ["NN102"]
        closed = types.TextDocumentIdentifier("untitled:Untitled-1")
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(closed))
        await editor.diagnostics("untitled:Untitled-1", lambda told: not told)

    talk(about)


def test_of_many_changes_only_the_last_is_told(talk: Callable[[Talk], None]) -> None:
    async def about(editor: Editor) -> None:
        editor.open("train.py", CLEARED)
        for version in range(2, 30):
            editor.change("train.py", FAULTY if version % 2 else CLEARED, version)
        told = await asyncio.wait_for(editor.told.get(), SECONDS)
        assert told.version == 29
        assert [each.code for each in told.diagnostics] == ["NN102"]

    talk(about)


def test_without_pygls_the_command_says_what_to_install(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pygls", "pygls.lsp.server", "nnlint.editor.server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pygls", None)
    outcome = command("--server")
    assert outcome.status == 2
    assert "pip install 'nnlint[server]'" in outcome.errors


def test_an_excluded_file_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nnlint.toml").write_text('exclude = ["old"]\n')
    files = [open_files.OpenFile(f"file://{name}", str(tmp_path / name), (FAULTY,)) for name in ("new.py", "old/a.py")]
    looked, troubles = open_files.look(files)
    assert [(one.file.file, len(one.findings)) for one in looked] == [(str(tmp_path / "new.py"), 1)]
    assert troubles == []


def test_an_outdated_look_is_broken_off(tmp_path: Path) -> None:
    functions = "".join(f"def train_{number}(model, data):\n    model(data).backward()\n\n\n" for number in range(9))
    file = open_files.OpenFile("file://a.py", str(tmp_path / "a.py"), ("import torch\n\n\n" + functions,))
    asked: list[bool] = []

    def is_outdated() -> bool:
        asked.append(len(asked) == 2)
        return asked[-1]

    with pytest.raises(open_files.Outdated):
        open_files.look([file], is_outdated)
    assert asked == [False, False, True]
