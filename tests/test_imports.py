"""A module of somebody else's is watched once it is imported, whoever imports it, and its import is as it was."""

import importlib
import importlib.util
import sys
import threading
import zipfile
from importlib.machinery import ModuleSpec, SourceFileLoader

import pytest

from lambda_guard import _failsafe, _imports


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Give the name of a module that can be imported and hasn't been."""
    name = "imported_late"
    (tmp_path / f"{name}.py").write_text("limit = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_imports, "_awaited", {**_imports._awaited})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    importlib.invalidate_caches()
    yield name
    sys.modules.pop(name, None)


def test_a_module_is_reacted_to_when_it_has_been_imported(module):
    """The reaction finds the whole module, before whoever imports it goes on."""
    seen = []
    _imports.when_imported(module, "test", lambda found: seen.append(found.limit))
    assert (seen, module in sys.modules) == ([], False)
    assert importlib.import_module(module).limit == 7
    assert seen == [7]


def test_a_module_that_is_there_is_reacted_to_at_once(module):
    """Also where two ask for the same one, each for itself."""
    importlib.import_module(module)
    seen = []
    _imports.when_imported(module, "test", lambda found: seen.append(("first", found.limit)))
    _imports.when_imported(module, "test", lambda found: seen.append(("second", found.limit)))
    assert seen == [("first", 7), ("second", 7)]


def test_nothing_of_ours_stays_on_the_module(module):
    """Its loader is its own while its code runs and afterwards, and so is its spec's: resources and sources are found."""
    _imports.when_imported(module, "test", lambda found: None)
    spec = importlib.util.find_spec(module)
    assert (spec.origin, spec.loader.name) == (importlib.util.find_spec(module).origin, module)
    found = importlib.import_module(module)
    assert type(found.__loader__) is type(found.__spec__.loader) is SourceFileLoader
    assert found.__loader__ is found.__spec__.loader


def test_a_reaction_that_fails_does_not_fail_the_import(module):
    """It is counted as a failure of ours; the module is there."""

    def react(found):
        raise ValueError(found)

    _imports.when_imported(module, "test", react)
    assert importlib.import_module(module).limit == 7
    assert _failsafe.take_count() == 1


def test_an_import_that_fails_fails_as_it_would(module, tmp_path):
    """The module's own exception comes out, nothing reacts, and the next attempt is a new one."""
    seen = []
    file = tmp_path / f"{module}.py"
    file.write_text("raise LookupError('no limit')\n")
    _imports.when_imported(module, "test", seen.append)
    with pytest.raises(LookupError, match="no limit"):
        importlib.import_module(module)
    assert (seen, module in sys.modules) == ([], False)
    file.write_text("limit = 8 + 1\n")
    importlib.invalidate_caches()
    assert importlib.import_module(module).limit == 9
    assert seen == [sys.modules[module]]


def test_a_module_that_is_not_there_is_missing_as_before(module):
    """What nobody can find isn't found by us."""
    _imports.when_imported(f"{module}_x", "test", lambda found: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{module}_x")


def test_a_module_in_a_zip_file_shares_its_loader_with_others(module, tmp_path, monkeypatch):
    """The reaction is to the one that was asked for."""
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as package:
        package.writestr("zipped_late.py", "limit = 3\n")
        package.writestr("zipped_too.py", "limit = 4\n")
    monkeypatch.syspath_prepend(tmp_path / "package.zip")
    seen = []
    _imports.when_imported("zipped_late", "test", seen.append)
    others = importlib.import_module("zipped_too"), importlib.import_module("zipped_late")
    assert [each.limit for each in others] == [4, 3]
    assert seen == [others[1]]
    for each in others:
        del sys.modules[each.__name__]


def test_other_finders_may_ask_for_the_module_again(module):
    """One that looks for the spec itself, as tracers' do, finds it, and our reaction still comes once."""
    asked, seen = [], []

    class Asking:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == module and not asked:
                asked.append(name)
                return importlib.util.find_spec(name)
            return None

    _imports.when_imported(module, "test", seen.append)
    for place in (0, len(sys.meta_path)):
        sys.meta_path.insert(place, Asking)
        assert importlib.import_module(module).limit == 7
        assert seen == [sys.modules.pop(module)]
        sys.meta_path.remove(Asking)
        asked.clear()
        seen.clear()


def test_a_finder_of_the_old_kind_has_its_say(module):
    """Python 3.11 asks it by another method: then nothing is watched, and everything is imported as it would be."""

    class Old:
        pass

    sys.meta_path.insert(0, Old)
    _imports.when_imported(module, "test", lambda found: None)
    assert next(each for each in sys.meta_path if type(each) is _imports._Finder).find_spec(module) is None


def test_a_loader_that_only_loads_is_left_alone(module):
    """What isn't run by `exec_module` is loaded as before."""
    spec = ModuleSpec("loaded_late", object())

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return spec if name == "loaded_late" else None

    sys.meta_path.append(Finder)
    _imports.when_imported("loaded_late", "test", lambda found: None)
    assert (
        next(each for each in sys.meta_path if type(each) is _imports._Finder).find_spec("loaded_late")
        is spec
    )
    assert type(spec.loader) is object


def test_an_import_that_another_thread_has_begun_is_waited_for(module, tmp_path):
    """The module isn't whole yet, and was found before anybody asked for it."""
    begun, go_on, seen = threading.Event(), threading.Event(), []
    sys.modules["imported_late_events"] = type(sys)("imported_late_events")
    sys.modules["imported_late_events"].pair = begun, go_on
    (tmp_path / f"{module}.py").write_text(
        "from imported_late_events import pair\npair[0].set()\npair[1].wait(60)\nlimit = 5\n"
    )
    importlib.invalidate_caches()
    importing = threading.Thread(target=importlib.import_module, args=(module,))
    importing.start()
    assert begun.wait(60)
    waiting = threading.Thread(
        target=_imports.when_imported, args=(module, "test", lambda found: seen.append(found.limit))
    )
    waiting.start()
    go_on.set()
    importing.join(60)
    waiting.join(60)
    del sys.modules["imported_late_events"]
    assert seen == [5]


def test_there_is_one_finder(module):
    """However many modules are awaited, and however often."""
    for name in (module, "another_one", module):
        _imports.when_imported(name, "test", lambda found: None)
    assert [type(each) for each in sys.meta_path].count(_imports._Finder) == 1
