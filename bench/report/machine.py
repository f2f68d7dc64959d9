"""What the figures were taken on; not which machine it was."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.parameters import REPOSITORY, is_build_of_repository


def describe(extension: Path) -> dict:
    """Processor, cores, memory, system, and the commit that is measured: None where the extension is no build of it."""
    return {
        "cpu": processor(), "cores": os.cpu_count(), "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "file_system": file_system(), "commit": commit() if is_build_of_repository(extension) else None,
        "load_average": os.getloadavg()[0],
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def file_system() -> str:
    """The type of the one that holds the data; fsync's cost depends on it."""
    found = subprocess.run(["stat", "--file-system", "--format", "%T", REPOSITORY], capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else "unknown"


def commit() -> str:
    command = ["git", "-C", REPOSITORY, "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else "unknown"
