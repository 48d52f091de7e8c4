"""A directory of secrets as a source of the configuration: systemd credentials or a mounted Kubernetes Secret.

A file such as ``targets__0__credentials__secret_key`` stands for ``targets[0].credentials.secret_key_file``: what is
laid into the tree is the name of the file, so it is read again when it changes, as every ``*_file`` is.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from exporter.common.yaml_document import KeyPath
from exporter.config.merge import Tree, lay
from exporter.config.overrides import Override, read_step
from exporter.config.problems import Problem, ValueOrigin, nearest

_UNIT_PREFIX = "secret_"  # LoadCredential=secret:FOLDER in the shipped unit names a file secret_NAME
_STRONGER = ("environment", "--set")


def lay_secrets(tree: Tree, folder: Path, known: Collection[KeyPath]) -> None:
    """Lay the secrets of ``secrets_dir`` over the file and under the environment and ``--set``.

    ``folder`` is where a relative name starts, ``known`` are all paths of the schema. Adds to the problems of the tree
    a name that is no secret's, and a directory that cannot be read.
    """
    given = tree.data.get("secrets_dir")
    if not isinstance(given, str) or not given.strip():
        return
    for found in sorted(_read(folder / given, known), key=_by_index):
        wrong = found if isinstance(found, Problem) else _lay_weaker(tree, found)
        if wrong:
            tree.problems.append(wrong)


def _read(folder: Path, known: Collection[KeyPath]) -> Iterator[Override | Problem]:
    """Yield what the files stand for; a name without ``__`` is that of something else."""
    secrets = [(*path[:-1], str(path[-1]).removesuffix("_file")) for path in known if str(path[-1]).endswith("_file")]
    names = ["__".join(str(step) for step in path) for path in secrets]
    try:
        files = [file for file in folder.iterdir() if "__" in file.name and file.is_file()]
    except OSError as error:
        wrong = f"{folder} cannot be read ({error.strerror}); name a directory, and check its permissions"
        yield Problem(("secrets_dir",), wrong)
        return
    for file in files:
        name = file.name.removeprefix(_UNIT_PREFIX)
        path = tuple(read_step(step) for step in name.split("__"))
        if tuple(0 if isinstance(step, int) else step for step in path) in secrets:
            whole = (*path[:-1], f"{path[-1]}_file")
            yield Override(whole, str(file.absolute()), ValueOrigin("secrets_dir", str(file), 0, whole))
        else:
            near = nearest(name.lower(), names)
            hint = f"did you mean {near}?" if near else "write SECTION__KEY, for example otlp__headers"
            yield Problem(
                path, f"is no secret of the configuration; {hint}", ValueOrigin("secrets_dir", str(file), 0, path)
            )


def _lay_weaker(tree: Tree, given: Override) -> Problem | None:
    """Lay a secret unless the environment or ``--set`` gives the same one, as a value or as a file."""
    plain = (*given.path[:-1], str(given.path[-1]).removesuffix("_file"))
    if any(path in tree.origins and tree.origins[path].kind in _STRONGER for path in (plain, given.path)):
        return None
    return lay(tree, given)


def _by_index(found: Override | Problem) -> list[tuple[bool, str | int]]:
    return [(isinstance(step, str), step) for step in found.path]
