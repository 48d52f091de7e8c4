"""The rules of the house, read off its own files: who may import whom, how long things are, what stands nowhere."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.sources import SOURCES

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "exporter"
FILES = sorted(HOUSE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 400, 40

# Whom each package may import, beside itself and the version. CONTRIBUTING.md draws it.
MAY_IMPORT: dict[str, set[str]] = {
    "__version__": set(),
    "model": set(),
    "simulator": set(),
    "common": {"model"},
    "client": {"model", "common"},
    "sources": {"model", "common"},
    "store": {"model", "common"},
    "exposition": {"model", "common"},
    "pipeline": {"model", "common"},
    "auth": {"model", "common"},
    "mapping": {"model", "common"},
    "web": {"model", "common"},
    "otlp": {"model", "common", "exposition"},
    "observability": {"model", "common", "exposition"},
    "config": {"model", "common", "auth", "otlp", "sources", "store", "web"},
}
MAY_IMPORT["app"] = set(MAY_IMPORT) - {"simulator"}
MAY_IMPORT["cli"] = set(MAY_IMPORT)
MAY_IMPORT["__main__"] = {"cli"}

# The standard library's patterns may run for ever on a text that was made for it. These read what the user or the
# project itself wrote, and never what a vendor sent.
OWN_WRITING = {
    "common/yaml_document.py",
    "mapping/patterns/dissect.py",
    "mapping/syntax/declarations.py",
    "mapping/syntax/embedded_tests.py",
    "store/postgresql/url.py",
    "store/url.py",
    "simulator/state/event_rows.py",
}


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def top(path: Path) -> str:
    """The word, room or other part of the house that a file belongs to."""
    first = path.relative_to(HOUSE).parts[0].removesuffix(".py")
    return "__version__" if first == "__init__" else first


def imported(path: Path) -> Iterator[str]:
    """The dotted names a file imports, also within its functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


each_file = pytest.mark.parametrize("path", FILES, ids=shown)
each_test = pytest.mark.parametrize("path", TESTS, ids=shown)


# --- who may import whom


def test_every_package_has_a_row_in_the_table_of_imports() -> None:
    assert {top(path) for path in FILES} == set(MAY_IMPORT), (
        "a new package needs a row in MAY_IMPORT and CONTRIBUTING.md"
    )


def test_the_table_of_imports_has_no_circle() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


@each_file
def test_imports_only_point_down(path: Path) -> None:
    here = top(path)
    for name in imported(path):
        assert not name.startswith("."), f"name the whole path of {name}"
        if name.split(".")[0] == "exporter":
            there = name.split(".")[1]
            assert there in {here, "__version__"} | MAY_IMPORT[here], f"{here} may not import {name}"


VENDORS = {name.partition("_")[0]: kind.platform for name, kind in SOURCES.items()}  # modelarts_pool: modelarts


def vendor(module: str) -> str | None:
    """The vendor of a module or folder of the sources; None where it is of all vendors."""
    return VENDORS.get(module.partition("_")[0])


@each_file
def test_what_is_of_one_vendor_is_imported_by_its_own_sources_alone(path: Path) -> None:
    """The table of all sources beside, which is the one place where vendors meet."""
    folder, _, place = path.relative_to(HOUSE).as_posix().partition("/")
    if (folder, place) == ("sources", "__init__.py"):
        return
    own = vendor(place.partition("/")[0].removesuffix(".py")) if folder == "sources" else None
    for name in imported(path):
        if name.startswith("exporter.sources."):
            assert vendor(name.split(".")[2]) in (None, own), (
                f"move what both need of {name} to a module of all vendors"
            )


@each_file
def test_vendor_text_never_meets_the_standard_librarys_patterns(path: Path) -> None:
    place = path.relative_to(HOUSE).as_posix()
    if place not in OWN_WRITING and top(path) != "config":
        assert not [name for name in imported(path) if name.split(".")[0] == "re"]


def calls(path: Path) -> Iterator[tuple[str, set[str | None]]]:
    """What a file calls, as it is written, and the names of the arguments."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg for keyword in node.keywords}


@each_file
def test_contexts_of_tls_clients_are_made_in_one_place(path: Path) -> None:
    if path.relative_to(HOUSE).as_posix() == "common/tls.py":
        return
    assert not [
        name for name, _ in calls(path) if name.endswith(("create_default_context", "_create_unverified_context"))
    ]
    assert "PROTOCOL_TLS_CLIENT" not in path.read_text("utf-8")


@each_file
def test_no_http_client_chooses_whom_to_trust_by_itself(path: Path) -> None:
    clients = {"AsyncClient", "Client", "get", "post", "request", "stream"}
    found = [
        name
        for name, arguments in calls(path)
        for module, _, made in [name.partition(".")]
        if module in ("httpx2", "httpx2") and made in clients and not arguments & {"verify", "transport"}
    ]
    assert not found, "hand it verify= with a context of common/tls.py, or transport="


def test_nobody_is_excused_who_needs_no_excuse() -> None:
    for place in OWN_WRITING:
        assert [name for name in imported(HOUSE / place) if name.split(".")[0] == "re"], place


# --- size and shape


@each_file
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= LONGEST_FILE, "a file near its limit is split by noun"


@each_file
def test_a_function_fits_on_a_screen(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


@each_file
def test_a_file_begins_with_one_sentence_on_what_it_does(path: Path) -> None:
    said = ast.get_docstring(tree(path)) or ""
    first = said.partition("\n")[0]
    assert first.endswith((".", "!", "?"))
    assert path.read_text("utf-8").startswith('"""')


@each_file
def test_names_say_what_a_thing_is(path: Path) -> None:
    names = [path.stem, *(node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))]
    vague = ("manager", "handler", "helper", "util", "mixin", "misc")
    assert not [name for name in names for word in vague if word in name.lower()]


CHANGES = {"append", "add", "update", "setdefault", "extend", "insert", "pop", "popitem", "remove", "discard", "clear"}
MAKERS = {"dict", "list", "set", "defaultdict", "Counter", "deque", "OrderedDict", "WeakValueDictionary"}
DISPLAYS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)


def last(node: ast.expr | None) -> str:
    """The last name in ``name``, ``some.name`` or ``some.name[...]``; "" of anything else."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def containers(path: Path) -> Iterator[str]:
    """Module-wide names of what can change."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            made = last(node.value.func) if isinstance(node.value, ast.Call) else ""
            if isinstance(node.value, DISPLAYS) or made in MAKERS:
                yield from map(last, node.targets if isinstance(node, ast.Assign) else [node.target])


def changed(path: Path) -> Iterator[str]:
    """Names of what a file changes in place."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield last(node)
        elif isinstance(node, ast.AugAssign):
            yield last(node.target)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            yield last(node.func.value)


def own(path: Path) -> Iterator[str]:
    """Names that the functions of a file have for themselves."""
    for function in ast.walk(tree(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.arg):
                    yield node.arg
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def test_nothing_module_wide_ever_changes() -> None:
    """Two exporters in one process would share it, and no test could see why."""
    tables = {name for path in FILES for name in containers(path)}
    for path in FILES:
        assert not (set(changed(path)) & tables) - set(own(path)), shown(path)
        assert not [node for node in ast.walk(tree(path)) if isinstance(node, ast.Global)], shown(path)


# --- what belongs together


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_source_has_a_row_in_the_docs_a_mapping_pack_and_sample_answers(source: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8").splitlines()
    assert [line for line in page if line.startswith(f"| `{source}` |")], "its row in the table of sources"
    assert (ROOT / "mappings" / f"{source}.yaml").is_file()
    assert list((ROOT / "tests" / "data" / source).glob("*.json"))


def test_a_mapping_pack_belongs_to_a_source() -> None:
    assert {path.stem for path in (ROOT / "mappings").glob("*.yaml")} == set(SOURCES)


# --- JSON from outside

OWN_BYTES = {"store", "simulator"}  # packages that decode what the exporter itself has written, or serve tests
DECODING_ERRORS = {"MsgspecError", "DecodeError", "JSONDecodeError", "RecursionError"}
DEEPER_LOOKS = {  # handlers that tell one of these errors from another, or meet other errors too
    "otlp/response.py",
    "pipeline/driver.py",
    "pipeline/read_schedule.py",
    "sources/decoding.py",
}


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_whoever_decodes_json_catches_all_that_decoding_may_raise(path: Path) -> None:
    """A text nested deeper than the stack raises RecursionError, which is no error of the decoder."""
    place = path.relative_to(HOUSE)
    if place.parts[0] in OWN_BYTES or place.as_posix() in DEEPER_LOOKS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            named = {
                one.id if isinstance(one, ast.Name) else one.attr
                for one in ast.walk(node.type)
                if isinstance(one, ast.Name | ast.Attribute)
            }
            assert not named & DECODING_ERRORS, f"line {node.lineno}: catch NOT_JSON"


# --- what is finished

UNFINISHED = ("TODO", "FIXME", "XXX", "NotImplementedError")


@pytest.mark.parametrize("path", [path for path in (*FILES, *TESTS) if path != Path(__file__)], ids=shown)
def test_what_is_here_is_finished(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not [word for word in UNFINISHED if word in text]


# --- tests


@each_test
def test_tests_patch_nothing(path: Path) -> None:
    assert not [name for name in imported(path) if name.split(".")[0] == "mock" or name.startswith("unittest.")]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = (node.value.id, node.attr)
            assert called not in {("monkeypatch", "setattr"), ("mocker", "patch")}, f"line {node.lineno}"


@each_test
def test_tests_are_functions_and_none_is_left_out_silently(path: Path) -> None:
    """With CI=true a part that is missing is a failure; so whoever skips has looked at CI before."""
    nodes = list(ast.walk(tree(path)))
    assert not [node for node in nodes if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    aware = [function for function in functions if "'CI'" in ast.unparse(function)]
    excused = {id(node) for function in aware for node in ast.walk(function)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "importorskip", "xfail"}:
            assert node.attr == "skip", f"line {node.lineno}"
            assert id(node) in excused, f"line {node.lineno}"
