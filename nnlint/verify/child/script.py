"""Running a script as its user would, under the recorder, until it ends or has been seen enough."""

from __future__ import annotations

import ast
import builtins
import importlib.machinery
import os
import signal
import sys
import time
import traceback
import types
from os import getpid
from typing import Any, NoReturn

from nnlint.verify.child import by_hand, haste, loader_hooks, probes, update_hooks
from nnlint.verify.child.channel import Channel
from nnlint.verify.child.differences import Differences
from nnlint.verify.child.experiments import experiment
from nnlint.verify.child.harness.uncalled import call_uncalled
from nnlint.verify.child.places import Places, Spot
from nnlint.verify.child.recorder import Recorder
from nnlint.verify.child.seeds import seed_all
from nnlint.verify.child.stand_ins import batches, passing, versions
from nnlint.verify.child.values import Sightings
from nnlint.verify.child.yardstick import Yardstick
from nnlint.verify.protocol import Request

ALARM_SECONDS = 0.25


class ScriptRun:
    """One run of one script in this process. `folder` is the copy of the user's folder that it may write to."""

    def __init__(self, request: Request, folder: str, channel: Channel) -> None:
        self.request = request
        self.folder = os.path.realpath(folder)
        self.channel = channel
        self.places = Places(folder, self._execute.__code__)
        self.recorder = Recorder(request, self.places, channel.write)
        self.yardstick = Yardstick(self.recorder, request.every)
        self.sightings = Sightings(request.probes, channel.write, self.places.calls)
        self.by_hand = by_hand.ByHand(self.recorder, self.sightings, request.every, request.by_hand == "in other rows")
        self.passed: Exception | None = None
        self.ended = False
        self.process = getpid()
        self.exit = os._exit

    def run(self) -> NoReturn:
        """Run the script; the process ends with it."""
        self._prepare()
        self.recorder.install()
        update_hooks.install(self.recorder)
        Differences(self.recorder, self.yardstick.keep).install()
        self.loaders = loader_hooks.install(self.recorder)
        self.recorder.on_begin = self.channel.flush  # a first call may take all of the time
        self.recorder.on_end = self.end
        self.recorder.is_waiting = self.sightings.is_waiting
        how, words = "finished", {}
        try:
            self._execute()
        except SystemExit as error:
            how, words = "exited", {"status": str(error.code)}
        except BaseException as error:
            how, words = "raised", self._described(error)
        self.end(how, **words)

    def _leave(self, status: int) -> NoReturn:
        """In the place of `os._exit`: the process of the script still tells what was measured."""
        if getpid() == self.process:
            self.end("exited", status=str(status))
        self.exit(status)

    def _alarmed(self, number: int, frame: Any) -> None:
        """End the run where its time is up and no hook has noticed; asked again soon where it is no good moment."""
        if self.ended or self.recorder.paused or self.channel.is_busy:
            return
        if time.monotonic() - self.recorder.start >= self.request.seconds:
            self.end("time")
        if self.recorder.is_slow():
            self.end("slow")

    def end(self, how: str, **words: Any) -> NoReturn:
        """Measure what is measured at the end, tell how the run ended, and leave the process without unwinding it."""
        if not self.ended and getpid() == self.process:
            self.ended = True
            self._last_measurements()
            record = {"kind": "Ended", "words": {"how": how, **words}, "numbers": self._totals()}
            self.channel.finish(record)
        self.exit(0)

    def _last_measurements(self) -> None:
        """What takes no time comes first: with a large network the rest may not be done before the run is ended from outside."""
        try:
            self.recorder.layers.tell(self.recorder.tell)
            self.sightings.changed_since_kept()
            self.yardstick.tell()
            self.by_hand.tell()
            measured = experiment(self.recorder, self.yardstick)
            flagged = {Spot(probe.path, probe.line) for probe in self.request.probes}
            self.loaders.draw_from_unused(self._has_time)
            call_uncalled(self.recorder, sorted(flagged - measured), self._has_time)
        except Exception as error:
            self.channel.write({"kind": "Trouble", "words": {"error": f"{type(error).__name__}: {error}"}})

    def _has_time(self) -> bool:
        """Whether there is time for measurements that come last as they can take a while: half of what a run has for its end."""
        return time.monotonic() - self.recorder.start < self.request.seconds + self.request.grace / 2

    def _totals(self) -> dict[str, float]:
        counts = {"steps": float(self.recorder.steps), "backwards": float(self.recorder.backwards)}
        return {**counts, "processor_seconds": time.process_time()}

    def _prepare(self) -> None:
        sys.dont_write_bytecode = True
        seed_all(self.request.seed, sys.modules.get("numpy"))
        setattr(builtins, probes.VALUE, self.sightings.value)
        setattr(builtins, probes.PART, self.sightings.part)
        setattr(builtins, probes.REACHED, self.sightings.reached)
        hurry = self._haste()
        setattr(builtins, haste.LASTING, hurry.lasting)
        setattr(builtins, haste.DUE, hurry.is_due)
        setattr(builtins, by_hand.ANSWERED, self.by_hand.answered)
        setattr(builtins, by_hand.COMPARED, self.by_hand.compared)
        self._probe_imports()
        script = os.path.join(self.folder, self.request.script)
        sys.argv = [script, *self.request.arguments]
        sys.path.insert(0, os.path.dirname(script))
        os.chdir(self.folder)
        os._exit = self._leave
        signal.signal(signal.SIGALRM, self._alarmed)
        first = self.request.patience or self.request.seconds
        signal.setitimer(signal.ITIMER_REAL, min(first, self.request.seconds), ALARM_SECONDS)
        if self.request.way != "as-is":
            from nnlint.verify.child.stand_ins.install import install

            install(self.folder, self.request, self.channel.write)
            setattr(builtins, passing.IS_PASSED, passing.is_passed(self._has_begun, self._note_passed))

    def _haste(self) -> haste.Haste:
        recorder = self.recorder
        return haste.Haste(
            recorder.is_in_haste,
            recorder.is_late,
            lambda numbers: not self.sightings.expected.isdisjoint(numbers),
            lambda: recorder.backwards,
            lambda: recorder.network_calls,
        )

    def _probe_imports(self) -> None:
        """The files that the script imports from its folder are compiled with their probes."""
        compile_source = importlib.machinery.SourceFileLoader.source_to_code

        def compile_probed(loader: Any, data: Any, path: Any, **options: Any) -> Any:
            relative = self.places.of_file(os.path.realpath(os.fspath(path))) if isinstance(data, bytes) else None
            is_changed = self.request.way != "as-is" or bool(self.request.probes or self.request.by_hand)
            if relative is None or not is_changed:
                return compile_source(loader, data, path, **options)
            return self._compiled(importlib.util.decode_source(data), os.fspath(path), relative)

        importlib.machinery.SourceFileLoader.source_to_code = compile_probed  # type: ignore[assignment, method-assign]

    def _compiled(self, text: str, file: str, relative: str) -> types.CodeType:
        tree = self._changed(text, file, relative)
        code: types.CodeType = compile(tree, file, "exec", dont_inherit=True)
        return code

    def _changed(self, text: str, file: str, relative: str) -> ast.Module:
        """The tree of a file with its probes, and with what the way of the run changes in it."""
        own = [probe for probe in self.request.probes if probe.path == relative]
        tree, placed = probes.with_probes(ast.parse(text, file), text, own)
        self.sightings.expect(placed)
        if self.request.probes:
            self.loaders.by_hand.update(Spot(relative, line) for line in haste.lines_of_iterators(tree))
            tree = haste.hastened(tree)
        if self.request.way != "as-is":
            tree = batches.lowered(passing.forgiving(versions.updated(tree)))
        return by_hand.noted(tree) if self.request.by_hand else tree

    def _execute(self) -> None:
        file = os.path.join(self.folder, self.request.script)
        with open(file, "rb") as stream:
            text = importlib.util.decode_source(stream.read())
        tree = self._changed(text, file, self.request.script)
        module = types.ModuleType("__main__")
        module.__file__ = file
        module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = module
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)):
            module.__package__ = self._package(os.path.dirname(file))
        parts = list(passing.parts_of(tree)) if self.request.way == "stand-ins" else [tree]
        self._execute_parts(parts, file, module.__dict__)

    def _package(self, folder: str) -> str:
        """The package that a script with relative imports is run in, as `python -m` does."""
        names: list[str] = []
        while folder != self.folder and os.path.exists(os.path.join(folder, "__init__.py")):
            names.insert(0, os.path.basename(folder))
            folder = os.path.dirname(folder)
        sys.path.insert(0, folder)
        return ".".join(names)

    def _execute_parts(self, parts: list[ast.Module], file: str, names: dict[str, Any]) -> None:
        """Run one part after the other; of several also those behind one that fails, in a script while that can do no harm."""
        is_notebook = file.endswith(".ipynb")
        flags = passing.future_flags(parts)
        failure: Exception | None = None
        for part in parts:
            try:
                exec(compile(part, file, "exec", flags, dont_inherit=True), names)
            except Exception as error:
                if len(parts) == 1 or (self._has_begun() and not is_notebook):
                    raise
                failure = failure or self.passed or error
                if not is_notebook and not passing.leaves_nothing(part, names):
                    raise failure from None
        if self.passed is not None and (self.sightings.is_waiting() or not self.request.probes):
            failure = failure or self.passed
        if failure is not None and not self.recorder.backwards:
            raise failure
        if failure is not None:
            self._note_passed(failure)

    def _has_begun(self) -> bool:
        """Whether the script has come to its training."""
        return bool(self.recorder.steps) or any(kind == "backward" for kind, _ in self.recorder.seen_lines)

    def _note_passed(self, failure: Exception) -> None:
        self.passed = self.passed or failure
        what = "a statement of the notebook" if self.request.script.endswith(".ipynb") else "a statement"
        message = f"{what} failed and was passed over: {type(failure).__name__}: {failure}"
        self.channel.write({"kind": "Note", "words": {"message": " ".join(message.split())[:300]}})

    def _described(self, error: BaseException) -> dict[str, Any]:
        """What was raised and where in the user's files, innermost first."""
        frames = traceback.extract_tb(error.__traceback__)
        spots = [(path, frame.lineno) for frame in frames if (path := self.places.of_file(frame.filename)) is not None]
        message = " ".join(str(error).split())[:300]
        return {"error": type(error).__name__, "message": message, "calls": list(reversed(spots))}
