"""The codes that belong to the program itself, not to the catalogue: NN901 and NN902."""

from __future__ import annotations

from nnlint.finding import Applicability, Severity
from nnlint.rule import Rule, no_problems

_SYNTAX_ERROR = """The file, or the notebook cell, does not parse.

## What it does
Reports the first place where Python's own parser gives up. Where it is clear what was meant, the file is checked all the same,
and nothing in it is fixed: code that was pasted with its indentation, prompts, magics or typographic quotation marks, and what
Python 2 prints. Else it is not analysed further; every other file is.

## Why it matters
A script that does not parse trains nothing, and nnlint can say nothing about what it cannot read.

## Example
```python
get_num_correct(preds, labels))
```

Use instead:
```python
get_num_correct(preds, labels)
```
"""

_UNUSED_SUPPRESSION = """A suppression comment silences nothing.

## What it does
Reports a `# nnlint: ignore[...]`, `# nnlint: ignore-file[...]` or `# noqa: NN...` under which no such finding stands.

## Why it matters
A stale suppression hides the next fault on its line.

## Example
```python
optimizer.step()  # nnlint: ignore[NN102]
```

Use instead:
```python
optimizer.step()
```

## Fix safety
Safe: only the comment is removed.
"""

SYNTAX_ERROR = Rule("nnlint.program.syntax_error", _SYNTAX_ERROR, no_problems, "NN901", Severity.ERROR, since="0.1")
UNUSED_SUPPRESSION = Rule(
    "nnlint.program.unused_suppression",
    _UNUSED_SUPPRESSION,
    no_problems,
    "NN902",
    Severity.WARNING,
    since="0.1",
    fix=Applicability.SAFE,
)
PROGRAM_RULES = (SYNTAX_ERROR, UNUSED_SUPPRESSION)
