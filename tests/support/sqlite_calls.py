"""What SQLite asks of the disk, seen from Python: the file system of SQLite is wrapped, in this process for good.

Needs a Python whose ``_sqlite3`` is linked with a shared SQLite, as it is in Debian and in the official images.
"""

import _sqlite3
import ctypes
import os
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p

_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)  # SQLite keeps the pointer to the name
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(Structure):
    """``sqlite3_io_methods``, what can be done with one file."""

    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", c_void_p * 13),
    ]


class _File(Structure):
    """``sqlite3_file``: what follows is known to SQLite alone."""

    _fields_ = [("methods", POINTER(_Methods))]


class _FileSystem(Structure):
    """``sqlite3_vfs``, as far as it is changed here."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
    ]


_alive: list[object] = []  # SQLite keeps pointers to these


def watch(before: Callable[[str, str], None], synced: Callable[[int], None]) -> None:
    """Call ``before(call, path)`` before SQLite writes, syncs, cuts or removes a file; ``synced(descriptor)`` after."""
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = POINTER(_FileSystem)
    system = library.sqlite3_vfs_find(None).contents
    true_open, true_delete = _OPEN(_address(system, "open")), _DELETE(_address(system, "delete"))
    paths: dict[int, str] = {}

    def opened(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        result: int = true_open(vfs, name, file, flags, out)
        methods = _File.from_address(file).methods
        if result == 0 and name and methods:
            paths[file] = os.fsdecode(ctypes.string_at(name))
            _File.from_address(file).methods = ctypes.pointer(_watched(methods.contents, paths, before, synced))
        return result

    def deleted(vfs: int, name: bytes, sync_folder: int) -> int:
        before("delete", os.fsdecode(name))
        result: int = true_delete(vfs, name, sync_folder)
        return result

    system.open, system.delete = _OPEN(opened), _DELETE(deleted)
    _alive.extend((system.open, system.delete, true_open, true_delete, opened, deleted))


def _watched(
    true: _Methods, paths: dict[int, str], before: Callable[[str, str], None], synced: Callable[[int], None]
) -> _Methods:
    write = _WRITE(_address(true, "write"))
    truncate, sync = _TRUNCATE(_address(true, "truncate")), _SYNC(_address(true, "sync"))

    def written(file: int, data: int, size: int, offset: int) -> int:
        before("write", paths[file])
        return int(write(file, data, size, offset))

    def cut(file: int, size: int) -> int:
        before("truncate", paths[file])
        return int(truncate(file, size))

    def made_durable(file: int, flags: int) -> int:
        before("sync", paths[file])
        result = int(sync(file, flags))
        descriptor = os.open(paths[file], os.O_RDONLY)
        synced(descriptor)
        os.close(descriptor)
        return result

    methods = _Methods.from_buffer_copy(true)
    methods.write, methods.truncate, methods.sync = _WRITE(written), _TRUNCATE(cut), _SYNC(made_durable)
    _alive.extend((methods, methods.write, methods.truncate, methods.sync, write, truncate, sync))
    return methods


def _address(structure: Structure, field: str) -> int:
    """Return the pointer in a field."""
    offset = getattr(type(structure), field).offset
    return int(c_void_p.from_address(ctypes.addressof(structure) + offset).value or 0)
