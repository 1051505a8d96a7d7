"""The members of a `.eval` file, which is a zip archive, read one at a time and never unpacked to disk.

The directory is read by `zipfile`; a member's bytes here, because inspect_ai compresses them by zstd,
which `zipfile` does not know before Python 3.14. Nothing is believed of what the archive says of itself:
sizes are limits to stop at, and checksums are compared.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa

from regress.errors import DataError, first_line

LARGEST_MEMBER = 256 << 20
"""Bytes of one member: it has to be held in memory whole."""

HIGHEST_RATIO = 500
"""Bytes that one stored byte may stand for, of more than `SMALL`; logs of many like turns reach about 50."""

SMALL = 16 << 20
"""Bytes up to which nobody minds how well they were compressed."""

_ZSTD = 93
_LOCAL = struct.Struct("<4s22xHH")
_ENCRYPTED = 1
_DAMAGED = (
    *(zipfile.BadZipFile, pa.ArrowException, struct.error, zlib.error),
    *(ValueError, NotImplementedError, OverflowError, EOFError),
)
"""What readers of zip archives raise on bytes that are none."""


@dataclass(frozen=True)
class Archive:
    """A `.eval` file. Of members of one name the last counts: inspect_ai appends new versions."""

    path: Path
    """The file."""
    members: Mapping[str, zipfile.ZipInfo]
    """What it holds, by name."""

    @classmethod
    def of(cls, path: Path) -> Archive:
        """The archive in a file.

        Raises:
            DataError: If it is none, is cut off, or is none that one should read.
        """
        try:
            size = path.stat().st_size
            with zipfile.ZipFile(path) as archive:
                listed = archive.infolist()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from None
        except _DAMAGED as error:
            raise DataError(
                f"{path.name} is no complete zip archive ({first_line(error)}): it seems to be cut off",
                do="Copy it again; if the evaluation died, recover its log with `inspect log`.",
            ) from None
        members = {info.filename: info for info in listed}
        for info in members.values():
            _refuse_member(path, info)
        unpacked = sum(info.file_size for info in members.values())
        _refuse_bomb(path.name, unpacked, size)
        return cls(path, members)

    def read(self, name: str) -> bytes:
        """A member's bytes.

        Raises:
            DataError: If they are not what the archive says.
        """
        info, where = self.members[name], f"{self.path.name}:{name}"
        try:
            with open(self.path, "rb") as file:
                content = _unpacked(_stored(file, info), info)
        except OSError as error:
            raise DataError(f"cannot read {where}: {error.strerror or first_line(error)}") from None
        except _DAMAGED as error:
            raise DataError(f"{where} is damaged ({first_line(error)})", do="Copy the file again.") from None
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise DataError(f"{where} is not what was written into it", do="Copy the file again.")
        return content


def _refuse_member(path: Path, info: zipfile.ZipInfo) -> None:
    name, where = PurePosixPath(info.filename), f"{path.name}:{info.filename}"
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
        raise DataError(f"{where} leaves the archive", do="It was not written by inspect_ai; do not use it.")
    if info.flag_bits & _ENCRYPTED:
        raise DataError(
            f"{where} is encrypted", do="Unpack the archive and pack it again without a password."
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _ZSTD):
        raise DataError(
            f"{where} is compressed by method {info.compress_type}",
            allowed="stored, deflate, zstd",
            do="Convert it: inspect log convert --to json.",
        )
    if max(info.file_size, info.compress_size) > LARGEST_MEMBER:
        raise DataError(f"{where} has {info.file_size >> 20} MB", allowed=f"up to {LARGEST_MEMBER >> 20} MB")
    _refuse_bomb(where, info.file_size, info.compress_size)


def _refuse_bomb(where: str, unpacked: int, packed: int) -> None:
    if unpacked > SMALL and unpacked > HIGHEST_RATIO * packed:
        raise DataError(
            f"{where} would unpack from {packed} to {unpacked} bytes",
            allowed=f"up to {HIGHEST_RATIO} for one",
            do="That is no log, but made to fill the memory; do not use it.",
        )


def _stored(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    """A member's bytes as they lie in the file, behind a header of its own."""
    file.seek(info.header_offset)
    signature, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    if signature != b"PK\x03\x04":
        raise ValueError("its header is not where the directory says")
    file.seek(name + extra, 1)
    return file.read(info.compress_size)


def _unpacked(stored: bytes, info: zipfile.ZipInfo) -> bytes:
    """One byte more than promised is enough to know that the promise is broken."""
    most = info.file_size + 1
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, most)
    if info.compress_type == _ZSTD:
        with pa.CompressedInputStream(pa.BufferReader(stored), "zstd") as stream:
            content: bytes = stream.read(most)
            return content
    return stored
