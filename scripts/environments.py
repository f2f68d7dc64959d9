"""Makes the pinned environments below build/venv of the tests, their S3 servers, the demo and the benchmark.

    python3 scripts/environments.py [NAME...]        cli, duckdb-1.5.6, seaweedfs, …: all but those of the benchmark
                                                     (bench-1.5.6, bench-2.0.0), or those that are named

NAME stands for test/requirements-NAME.txt, of Python packages, or for test/NAME/package.json, of Node packages
(s3rver). An environment is made anew when its requirements, its place or the Python it is made with changed, and left
alone otherwise. `cli` also gets a link build/venv/cli/duckdb to the DuckDB shell. Needs pip, and Python 3.11 or newer
(3.9 for `cli`); node and npm for Node packages. Debian's package python3-venv is not needed: the environments are made
without a pip of their own and filled by the one that is there.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENTS = REPOSITORY / "build" / "venv"
OLDEST_PYTHON = {"cli": (3, 9)}
OLDEST_PYTHON_FOR_TESTS = (3, 11)
"""pandas and numpy ask for it."""
PARTS = ("common", "bench")
"""Requirements that others include: no environments of their own."""
INSTALL_TRIES = 4
"""A registry that does not answer for a moment is no reason to fail a build."""


def requirements(name: str) -> Path:
    """The requirements file of an environment."""
    return REPOSITORY / "test" / f"requirements-{name}.txt"


def python(name: str) -> Path:
    """The interpreter of an environment, made or not."""
    return ENVIRONMENTS / name / "bin" / "python"


def node_package(name: str) -> Path:
    """The directory of the package.json of an environment of Node packages."""
    return REPOSITORY / "test" / name


def is_node(name: str) -> bool:
    """Whether an environment is one of Node packages."""
    return (node_package(name) / "package.json").is_file()


def known() -> list[str]:
    """The names of all environments."""
    tests = REPOSITORY / "test"
    names = [path.stem.removeprefix("requirements-") for path in tests.glob("requirements-*.txt")]
    packages = [path.parent.name for path in tests.glob("*/package.json")]
    return sorted([*(name for name in names if name not in PARTS), *packages])


def fingerprint(name: str) -> str:
    """Changes when the environment has to be made anew."""
    # The base prefix, so that an environment asked from inside an environment is the same.
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{ENVIRONMENTS / name}\n".encode())
    pending = [requirements(name)]
    if is_node(name):
        pending = [node_package(name) / "package.json", node_package(name) / "package-lock.json"]
    while pending:
        file = pending.pop()
        digest.update(file.read_bytes())
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("-r "):
                pending.append(file.parent / line[3:].strip())
    return digest.hexdigest()


def ensure(name: str) -> Path:
    """Makes the environment `name` unless it is there as its requirements want it; returns its interpreter, or the
    directory of its Node packages."""
    if name not in known():
        raise SystemExit(f"There is no environment {name!r}: there are {', '.join(known())}.")
    check_host(OLDEST_PYTHON.get(name, OLDEST_PYTHON_FOR_TESTS))
    program = ENVIRONMENTS / name / "node_modules" if is_node(name) else python(name)
    if is_node(name) and (missing := [tool for tool in ("node", "npm") if not shutil.which(tool)]):
        raise SystemExit(f"{name} needs {' and '.join(missing)}. On Debian and its kin: apt-get install nodejs npm")
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with open(ENVIRONMENTS / f".{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another make may be at it
        stamp, wanted = ENVIRONMENTS / name / ".made-of", fingerprint(name)
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return program
        (make_node if is_node(name) else make)(name)
        stamp.write_text(wanted, encoding="utf-8")
    return program


def check_host(oldest_python: tuple) -> None:
    """Says what is missing before anything fails in a stranger way."""
    if sys.version_info < oldest_python:
        raise SystemExit(f"Python {'.'.join(map(str, oldest_python))} or newer is needed; this is {sys.version}.")
    if importlib.util.find_spec("venv") is None:
        raise SystemExit("This Python has no module venv. On Debian and its kin: apt-get install python3-venv")
    if importlib.util.find_spec("pip") is None and importlib.util.find_spec("ensurepip") is None:
        raise SystemExit("This Python has neither pip nor ensurepip. On Debian and its kin: apt-get install python3-pip")


def make(name: str) -> None:
    """Makes the environment from nothing."""
    directory, own_pip = ENVIRONMENTS / name, importlib.util.find_spec("pip") is None
    print(f"Making {directory.relative_to(REPOSITORY)} from {requirements(name).relative_to(REPOSITORY)} …", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", *([] if own_pip else ["--without-pip"]), directory], check=True)
    interpreter = python(name)
    pip = [interpreter, "-m", "pip"] if own_pip else [sys.executable, "-m", "pip", "--python", interpreter]
    install([*pip, "install", "--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:",
             "--retries", "10", "--timeout", "60", "-r", requirements(name)])
    if name == "cli":
        # The package's own launcher starts the shell with settings of its own: link the shell itself.
        shell = next(directory.glob("lib/python*/site-packages/duckdb_cli/duckdb"))
        (directory / "duckdb").symlink_to(shell.relative_to(directory))


def make_node(name: str) -> None:
    """Makes an environment of Node packages from nothing: exactly what its lock file says."""
    directory = ENVIRONMENTS / name
    print(f"Making {directory.relative_to(REPOSITORY)} from {node_package(name).relative_to(REPOSITORY)} …", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(node_package(name), directory)
    install(["npm", "ci", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])


def install(command: list) -> None:
    """Runs pip or npm, again where the network fails."""
    for attempt in range(1, INSTALL_TRIES + 1):
        if subprocess.run(command, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}).returncode == 0:
            return
        if attempt < INSTALL_TRIES:
            wait_seconds = 5 * attempt
            print(f"Installing failed (try {attempt} of {INSTALL_TRIES}); again in {wait_seconds} s …", flush=True)
            time.sleep(wait_seconds)
    raise SystemExit("The packages could not be installed: the messages above say why.")


def main() -> None:
    for name in sys.argv[1:] or (name for name in known() if not name.startswith("bench-")):
        ensure(name)


if __name__ == "__main__":
    main()
