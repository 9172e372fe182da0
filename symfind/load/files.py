"""Import a user's file or module and find an attribute in it."""

import difflib
import importlib
import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from symfind.budget import OutOfTime
from symfind.errors import LoadError
from symfind.load.operators import with_operators


class AsWritten(SourceFileLoader):
    """Compiles a file as it is now, and leaves nothing beside it.

    What was compiled before passes for the same where a file was written again within a second, as
    long as before.
    """

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """None, so that nothing compiled is looked for, or kept."""
        raise OSError(f"{path} is compiled anew")


def import_file(path: Path) -> ModuleType:
    """Import a Python file under a name of its own, with its folder importable meanwhile.

    Raises:
        LoadError: It does not exist, is no Python file, or raises when it is imported; the message
            starts with the file's own error and its line.
    """
    if not path.exists():
        raise LoadError(f"{path}: no such file{_near_files(path)}")
    if path.is_dir():
        raise LoadError(f"{path} is a folder; name a Python file in it, or use package.module:attr")
    if path.suffix != ".py":
        raise LoadError(f"{path} is not a Python file (.py), so no model can be imported from it")
    path = path.resolve()
    name = f"symfind_file_{path.stem}"

    def execute() -> ModuleType:
        loader = AsWritten(name, str(path))
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        # dataclasses and pickle look a class's module up by name
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    with _importable(path.parent):
        return _guarded(execute, str(path.name), path)


def import_module(name: str) -> ModuleType:
    """Import ``package.module``, also from the current folder.

    Raises:
        LoadError: There is no such module, or it raises when it is imported.
    """
    with _importable(Path.cwd()):
        # find the parents one by one, so that "not there" and "fails inside" read differently
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            parent = ".".join(parts[:i])
            try:
                found = importlib.util.find_spec(parent) is not None
            except (ImportError, ValueError, AttributeError):
                found = parent in sys.modules
            except (KeyboardInterrupt, OutOfTime):
                raise
            except BaseException as error:
                raise LoadError(explain(error, f"{parent} failed while it was imported")) from error
            if not found:
                raise LoadError(
                    f"there is no module {parent!r} to import from here; for a file write "
                    f"{name.replace('.', '/')}.py:ATTR, for a zoo torchvision:NAME, timm:NAME or "
                    "transformers:CLASS"
                )
        return _guarded(lambda: importlib.import_module(name), name, None)


def attribute(module: ModuleType, path: str, where: str) -> Any:
    """Follow a dotted attribute path.

    Raises:
        LoadError: An attribute is absent; near ones and likely models are listed.
    """
    value: Any = module
    for part in path.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LoadError(
                f"{where} has no attribute {path!r}; {_alternatives(value, part)}"
            ) from None
    return value


def explain(error: BaseException, what: str, path: Path | None = None) -> str:
    """One message for an error raised by a user's code: its last line first, then where."""
    if isinstance(error, SystemExit):
        last = f"SystemExit: it called sys.exit({error.code!r}); guard scripts with __name__"
    else:
        last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path and Path(frame.filename).resolve() == path]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what}: {last} ({error.filename}:{error.lineno})"
    foreign = [f for f in frames if "importlib" not in f.filename and _outside(f.filename)]
    if not (own or foreign):
        return f"{what}: {last}"
    frame = (own or foreign)[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    source = f"\n    {line}" if line else ""
    return f"{what}: {last}\n  at {frame.filename}:{frame.lineno} in {frame.name}{source}"


def near(name: str, names: list[str]) -> list[str]:
    """The few names that a misspelt one may have meant."""
    lower = {candidate.lower(): candidate for candidate in names}
    return [lower[n] for n in difflib.get_close_matches(name.lower(), list(lower), n=5, cutoff=0.6)]


def _guarded(execute: Callable[[], ModuleType], what: str, path: Path | None) -> ModuleType:
    try:
        return with_operators(execute)
    except (KeyboardInterrupt, OutOfTime):
        raise
    except BaseException as error:  # of a user's own making too
        raise LoadError(explain(error, f"{what} failed while it was imported", path)) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _alternatives(value: Any, part: str) -> str:
    names = [name for name in vars(value) if not name.startswith("_")] if _has_vars(value) else []
    close = near(part, names)
    if close:
        return f"did you mean {' or '.join(repr(name) for name in close)}?"
    own = [name for name in names if _defined_here(value, name)]
    if not own:
        return "it defines no names; write the model under this one"
    shown = ", ".join(own[:10]) + (", …" if own[10:] else "")
    return f"it defines {shown}; name one of them after a colon"


def _has_vars(value: Any) -> bool:
    return hasattr(value, "__dict__")


def _defined_here(value: Any, name: str) -> bool:
    member = vars(value)[name]
    if isinstance(member, ModuleType):
        return False
    home = getattr(member, "__module__", None)
    defined = isinstance(member, type) or inspect.isroutine(member)  # else it is made here
    return not (defined and isinstance(home, str)) or home == getattr(value, "__name__", home)


def _near_files(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == ".py"]
    except OSError:
        return f"; there is no folder {path.parent} either"
    close = near(path.name, names)
    return (
        f"; did you mean {' or '.join(str(path.parent / name) for name in close)}?" if close else ""
    )


def _outside(filename: str) -> bool:
    return Path(__file__).parent not in Path(filename).parents
