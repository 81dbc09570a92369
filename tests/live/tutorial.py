"""docs/tutorial.md as what it says: the modules that it prints, and the sessions in a shell."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# workflows/(\w+)\.py\n")


def printed_modules() -> dict[str, str]:
    """The text of each module, by its name; blocks that name the same file follow each other in it."""
    modules: dict[str, list[str]] = {}
    for code in _blocks("python"):
        named = FILE.match(code)
        assert named, f"it names no file:\n{code}"
        modules.setdefault(f"workflows.{named[1]}", []).append(code[named.end() :])
    return {name: "\n\n".join(parts) for name, parts in modules.items()}


def printed_sessions() -> list[str]:
    return list(_blocks("pycon"))


def write_modules(folder: Path) -> None:
    for name, text in printed_modules().items():
        (folder / f"{name}.py").write_text(text)


def load_modules(folder: Path) -> None:
    """Import the written ones under their names, as if they lay in `workflows`."""
    package = importlib.import_module("workflows")
    for file in sorted(folder.glob("workflows.*.py")):
        spec = spec_from_file_location(file.stem, file)
        assert spec and spec.loader
        module = sys.modules[file.stem] = module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(package, file.stem.rpartition(".")[2], module)


def _blocks(language: str) -> Iterator[str]:
    return (code for of, code in BLOCK.findall(TUTORIAL.read_text()) if of == language)
