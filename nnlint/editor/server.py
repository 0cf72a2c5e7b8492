"""The language server: it hears what the editor opens and changes, and tells what nnlint finds in it.

A change is linted once the typing pauses, on a thread of its own. A newer change makes what is found for an older one worthless:
the analysis is then broken off, and nothing of it is shown.
"""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import Workspace

from nnlint import __version__
from nnlint.editor.open_files import Looked, OpenFile, Outdated, look
from nnlint.editor.translation import Shown, Translator, page
from nnlint.reading.files import SUFFIXES

PAUSE_SECONDS = 0.15
"""So long nothing must have changed before a text is linted."""

NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(
            notebook="jupyter-notebook", cells=[types.NotebookCellLanguage(language="python")]
        )
    ]
)


class Server(LanguageServer):
    """The server of one editor, with what it shows at the moment."""

    def __init__(self) -> None:
        super().__init__("nnlint", __version__, notebook_document_sync=NOTEBOOKS)
        self.changed = asyncio.Event()
        self.worker = ThreadPoolExecutor(1)
        self.shown: list[Shown] = []
        self.files: list[OpenFile] = []
        self.translator: Translator | None = None
        self.told: set[str] = set()
        self.linting: asyncio.Task[None] | None = None

    def hear(self) -> None:
        """Something has changed."""
        if self.linting is None or self.linting.done():
            self.linting = asyncio.get_running_loop().create_task(self._lint_for_ever())
        self.changed.set()

    async def _lint_for_ever(self) -> None:
        while True:
            await self.changed.wait()
            while self.changed.is_set():
                self.changed.clear()
                await asyncio.sleep(PAUSE_SECONDS)
            files = open_files(self.workspace)
            loop = asyncio.get_running_loop()
            try:
                looked, troubles = await loop.run_in_executor(self.worker, look, files, self.changed.is_set)
            except Outdated:
                continue
            except Exception as error:
                looked, troubles = [], [f"nnlint failed with {type(error).__name__}: {error}"]
            if not self.changed.is_set():
                self._show(files, looked)
                self._tell(troubles)

    def _show(self, files: list[OpenFile], looked: list[Looked]) -> None:
        translator = Translator(files, self.workspace.position_codec)
        shown = [each for one in looked for each in translator.shown(one)]
        open_now = {uri for file in files for uri in (file.cells or (file.uri,))}
        for uri in open_now | {each.uri for each in self.shown}:
            own = [each.diagnostic for each in shown if each.uri == uri]
            document = self.workspace.text_documents.get(unquote(uri))
            version = document.version if document is not None else None
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, own, version))
        self.shown, self.translator, self.files = shown, translator, files

    def _tell(self, troubles: list[str]) -> None:
        """Say what is wrong, once."""
        for trouble in dict.fromkeys(troubles):
            if trouble not in self.told:
                message = types.ShowMessageParams(types.MessageType.Warning, f"nnlint: {trouble}")
                self.window_show_message(message)
        self.told = set(troubles)

    def is_current(self) -> bool:
        """Whether what is shown was found in the texts as they are now: else a fix might hit the wrong place."""
        return self.files == open_files(self.workspace)

    def at(self, uri: str, span: types.Range) -> list[Shown]:
        """The findings of a document that touch a span."""
        return [each for each in self.shown if each.uri == uri and _touch(each.diagnostic.range, span)]


def _touch(first: types.Range, second: types.Range) -> bool:
    return _key(first.start) <= _key(second.end) and _key(second.start) <= _key(first.end)


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character


def open_files(workspace: Workspace) -> list[OpenFile]:
    """The Python files and notebooks of a workspace that are open, as they are now."""
    notebooks = workspace.notebook_documents.values()
    in_cells = {unquote(cell.document) for notebook in notebooks for cell in notebook.cells}
    texts = [document for uri, document in workspace.text_documents.items() if uri not in in_cells]
    files = [
        _file(document.uri, (document.source,))
        for document in texts
        if document.language_id == "python" or document.uri.lower().endswith(SUFFIXES)
    ]
    for notebook in notebooks:
        cells = [cell.document for cell in notebook.cells if cell.kind is types.NotebookCellKind.Code]
        sources = tuple(workspace.get_text_document(cell).source for cell in cells)
        files.append(_file(notebook.uri, sources, tuple(cells)))
    return files


def _file(uri: str, texts: tuple[str, ...], cells: tuple[str, ...] = ()) -> OpenFile:
    path = to_fs_path(uri) if urlsplit(uri).scheme == "file" else None
    if path is not None:
        return OpenFile(uri, path, texts, cells)
    name = unquote(uri).rpartition("/")[2].rpartition(":")[2] or "untitled"
    suffix = ".ipynb" if cells else ".py"
    return OpenFile(uri, name if name.endswith(suffix) else name + suffix, texts, cells, is_saved=False)


def make_server() -> Server:
    """A server that hears of all that matters here."""
    server = Server()

    for event in (
        types.TEXT_DOCUMENT_DID_OPEN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_CLOSE,
        types.TEXT_DOCUMENT_DID_SAVE,
        types.NOTEBOOK_DOCUMENT_DID_OPEN,
        types.NOTEBOOK_DOCUMENT_DID_CHANGE,
        types.NOTEBOOK_DOCUMENT_DID_CLOSE,
        types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
    ):
        server.feature(event)(lambda _: server.hear())

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        only = params.context.only
        is_asked = only is None or not {types.CodeActionKind.Empty, types.CodeActionKind.QuickFix}.isdisjoint(only)
        if not (is_asked and server.is_current()):
            return []
        found = server.at(params.text_document.uri, params.range)
        actions = [server.translator.action(each) for each in found if server.translator is not None]
        return [action for action in actions if action is not None]

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        found = server.at(params.text_document.uri, types.Range(params.position, params.position))
        if not found:
            return None
        pages = dict.fromkeys(page(each.finding) for each in found)
        text = types.MarkupContent(types.MarkupKind.Markdown, "\n\n---\n\n".join(pages))
        return types.Hover(text, found[0].diagnostic.range)

    return server


def serve() -> None:
    """Speaks with the editor over standard input and output until it ends the connection."""
    gc.enable()
    make_server().start_io()
