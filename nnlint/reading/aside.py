"""Bytes that are put aside until they are asked for: in a file without a name, so that much of them takes no memory.

The file is on disk as long as anybody holds something of it. Where none can be made or written, the bytes stay in memory, packed.
"""

from __future__ import annotations

import os

FASTEST = 1


class Packed:
    """Bytes in memory, in little room."""

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    def read(self) -> bytes:
        """The bytes."""
        import zlib  # of which hardly any run has need

        return zlib.decompress(self.packed)


class Slip:
    """Where bytes are in a file. Sent to another process, they go along."""

    __slots__ = ("end", "file", "start")

    def __init__(self, file: _File, start: int, end: int) -> None:
        self.file, self.start, self.end = file, start, end

    def read(self) -> bytes:
        """The bytes."""
        return self.file.read(self.start, self.end)

    def __reduce__(self) -> tuple[type[Packed], tuple[bytes]]:
        return Packed, (_in_little_room(self.read()),)


class Aside:
    """What one run puts aside."""

    def __init__(self) -> None:
        self._file: _File | None = None
        self._end = 0
        self._process = os.getpid()
        self._is_on_disk = CAN_SHARE

    def put(self, data: bytes) -> Slip | Packed:
        """Keeps bytes. A forked process keeps its own in memory: the file is that of the process which made it."""
        if self._is_on_disk and os.getpid() == self._process:
            try:
                self._file = self._file or _File()
                self._file.write(self._end, data)
            except OSError:  # there is no room, or no folder for such files
                self._is_on_disk = False
            else:
                start, self._end = self._end, self._end + len(data)
                return Slip(self._file, start, self._end)
        return Packed(_in_little_room(data))


def _in_little_room(data: bytes) -> bytes:
    import zlib

    return zlib.compress(data, FASTEST)


CAN_SHARE = hasattr(os, "pread") and hasattr(os, "pwrite")
"""Whether processes can read from the same file without moving each other's place in it."""


class _File:
    """A file that has no name, and ends with the last slip of it."""

    def __init__(self) -> None:
        from tempfile import TemporaryFile

        with TemporaryFile(prefix="nnlint.") as file:
            self.descriptor = os.dup(file.fileno())

    def write(self, start: int, data: bytes) -> None:
        while data:
            written = os.pwrite(self.descriptor, data, start)
            start, data = start + written, data[written:]

    def read(self, start: int, end: int) -> bytes:
        data = os.pread(self.descriptor, end - start, start)
        while start + len(data) < end:
            more = os.pread(self.descriptor, end - start - len(data), start + len(data))
            if not more:
                raise OSError("what was put aside is not there any more")
            data += more
        return data

    def __del__(self) -> None:
        os.close(self.descriptor)
