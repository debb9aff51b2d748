"""Creates files and folders that only their owner can use, whatever the umask: they hold addresses and signed links."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_FILE, _FOLDER = 0o600, 0o700


def create_folder(folder: Path) -> None:
    """Create a folder and its parents, where they are missing. Raises OSError."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        create_folder(folder.parent)
    try:
        folder.mkdir(mode=_FOLDER)
    except FileExistsError:
        if not folder.is_dir():  # else another process was faster
            raise
    else:
        folder.chmod(_FOLDER)  # the umask may have taken the owner's own permissions


def create_file(file: Path) -> None:
    """Create an empty file if there is none; an existing one keeps its content. Raises OSError."""
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE)
    except FileExistsError:
        restrict(file)
        return
    os.fchmod(opened, _FILE)
    os.close(opened)


def restrict(file: Path) -> None:
    """Let only the owner use a file that an older version or another program may have created, if it exists."""
    with suppress(FileNotFoundError, PermissionError):  # another user's file
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & ~_FOLDER:
            file.chmod(mode & _FOLDER)


def open_file(file: Path) -> BinaryIO:
    """Open a file for writing; what it held before is lost. Raises OSError."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE)
    os.fchmod(opened, _FILE)
    return os.fdopen(opened, "wb")
