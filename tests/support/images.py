"""Builds the image with buildah on a base made of this machine's own Python, and runs it; nothing is pulled."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.heavy import missing, needs
from tests.support.processes import Child, Exporter

ROOT = Path(__file__).parents[2]
IMAGE, BASE = "localhost/platform-events-exporter:test", "localhost/base:test"
NEEDLESS = ("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "dist-packages", "config-*")
EXPECTED = (
    "libc.so.6 libdl.so.2 libgcc_s.so.1 libm.so.6 libpthread.so.0 libresolv.so.2 librt.so.1 libstdc++.so.6 libz.so.1"
)
SLOW = 300.0  # seconds for a build on a machine that has other work
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
LOADER = re.compile(r"\s(/\S+/ld-linux\S+) ")
LIBRARY = re.compile(r"(/\S+) \(0x")


def buildable() -> None:
    """Whether this machine can build an image at all."""
    needs("buildah", "buildah")
    if os.geteuid() != 0:
        missing("the image is built by root; run make test as root on Debian")


class Buildah:
    """buildah with a store of its own below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._options = ("--root", str(folder / "store"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")

    def __call__(self, *arguments: str) -> str:
        """What a call prints; it must succeed."""
        command = ["buildah", *self._options, *arguments]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
        assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
        return ended.stdout.strip()

    def make_base(self) -> None:
        """An image of the interpreter and the libraries it is linked to: no shell, no package manager, no user."""
        root = self.folder / "base"
        lay_out(root)
        container = self("from", "scratch")
        self("copy", "--quiet", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", container, BASE)

    def build(self) -> None:
        """The image, from the lock and wheels of this machine."""
        wheels = self.folder / "wheels"
        with ThreadPoolExecutor() as threads:
            for job in [threads.submit(self.make_base), threads.submit(collect, wheels)]:
                job.result()
        arguments = (f"BASE={BASE}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels")
        self(
            *("build", "--quiet", "--pull-never", "--isolation", "chroot", "--format", "docker", "--tag", IMAGE),
            *(part for argument in arguments for part in ("--build-arg", argument)),
            *("--volume", f"{wheels}:/wheels:ro", "--file", "Containerfile", "."),
        )

    @cached_property
    def root(self) -> Path:
        """Where the files of a container of the image are."""
        return Path(self("mount", self("from", "--pull-never", IMAGE)))

    def close(self) -> None:
        """Takes its containers down, and the half gigabyte that they lie in."""
        self("rm", "--all")
        shutil.rmtree(self.folder)

    def configuration(self) -> dict[str, Any]:
        """What the image says of itself."""
        inspected = json.loads(self("inspect", "--type", "image", IMAGE))
        config: dict[str, Any] = inspected["Docker"]["config"]
        return config


def lay_out(root: Path) -> None:
    """Copies the interpreter, its standard library and their shared libraries below ``root``."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home, here = Path(sys.base_prefix), root / "usr/local"
    (here / "bin").mkdir(parents=True)
    program = Path(os.path.realpath(sys.executable))
    shutil.copy2(program, here / "bin" / version)
    (here / "bin/python3").symlink_to(version)
    needless = shutil.ignore_patterns(*NEEDLESS)
    shutil.copytree(home / "lib" / version, here / "lib" / version, ignore=needless, ignore_dangling_symlinks=True)
    for library in libraries([program, *(home / "lib" / version / "lib-dynload").glob("*.so")]):
        target = root / str(place(library)).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.realpath(library), target)
    relink(here / "bin" / version, root)
    if wheels := sysconfig.get_config_var("WHEEL_PKG_DIR"):  # Debian's ensurepip finds pip there, and pip the bundle
        shutil.copytree(wheels, root / wheels.lstrip("/"))
        (root / BUNDLE).parent.mkdir(parents=True)
        shutil.copy2(Path("/") / BUNDLE, root / BUNDLE)
    for folder in ("tmp", "proc", "sys", "dev", "etc", "run", "var/lib"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)


def relink(program: Path, root: Path) -> None:
    """Links an interpreter that has a C library of its own to the copies of its libraries below ``root``."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    loader = Path(LOADER.findall(said)[0])
    if loader != place(loader):
        for library in loader.parent.glob("*.so.*"):
            shutil.copy2(library, root / str(place(library)).lstrip("/"))
        paths = ("--set-interpreter", place(loader), "--force-rpath", "--set-rpath", place(loader).parent)
        subprocess.run(["patchelf", *paths, program], check=True)


def libraries(programs: Sequence[Path]) -> set[Path]:
    """The shared libraries that programs are linked to, and those that wheels may expect anywhere."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    cached = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    expected = re.findall(
        rf"^\s*(?:{'|'.join(map(re.escape, EXPECTED.split()))}) \(.*\) => (\S+)", cached, re.MULTILINE
    )
    return {Path(path) for path in [*LIBRARY.findall(said), *expected]}


def place(library: Path) -> Path:
    """Where the loader looks for a library that it found beside an interpreter of its own home."""
    home = Path(sys.base_prefix)
    return Path("/usr/lib") / library.name if library.is_relative_to(home) and home != Path("/usr") else library


def collect(wheels: Path) -> None:
    """The wheels of both locks, each with one of the lock's hashes."""
    locks = [part for name in ("run", "build") for part in ("-r", f"requirements/{name}.txt")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--require-hashes", "--only-binary=:all:", "--dest", wheels, *locks],
        cwd=ROOT,
        check=True,
        timeout=SLOW,
    )


class Container(Exporter):
    """The image's program on the image's files, read-only but for volumes, as the image's user and environment."""

    def __init__(self, image: Buildah, folder: Path, volumes: dict[str, Path], *arguments: str) -> None:
        root, config = image.root, image.configuration()
        for target in volumes:
            (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        mounts = [f"mount --bind {root} {root}", f"mount -o remount,ro,bind {root}", f"mount -t proc proc {root}/proc"]
        mounts += [f"mount --bind {source} {root}{target}" for target, source in volumes.items()]
        enter = f"{needs('setpriv', 'util-linux')} --no-new-privs {needs('chroot', 'coreutils')}"
        within = f'exec env -i "${{@:2:$1}}" {enter} --userspec={config["User"]} {root} "${{@:2+$1}}"'
        script = "\n".join(["set -e", *mounts, within])
        entered = ("unshare", "--mount", "--propagation", "private", "bash", "-c", script, "bash")
        variables = config["Env"]
        called = (str(len(variables)), *variables, *config["Entrypoint"], *(arguments or config["Cmd"]))
        Child.__init__(self, folder, "container", (*entered, *called))
        self._url = ""


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the Containerfile."""
    text = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()
