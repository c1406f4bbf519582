"""Recognises the form of a text file: its compression, encoding and separator, and the place of its header.

The form is taken from the content of the file or from keys of `data`, never from its name. `csv_file.py` reads the
values.
"""

import codecs
import csv
import io
import itertools
import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
}
_NO_TEXT = {
    b"PK\x03\x04": "it is an Excel workbook or a zip archive; save its table as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook; save its table as CSV",
    b"ORC": "it is an ORC file; write Parquet or CSV",
    b"Obj\x01": "it is an Avro file; write Parquet or CSV",
    b"ARROW1": "it is an Arrow or Feather file; write Parquet or CSV",
    b"SQLite format 3": "it is a database; export the table as Parquet or CSV",
    b"\x89HDF": "it is an HDF5 file; write Parquet or CSV",
    b"%PDF": "it is a PDF; write Parquet or CSV",
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 2**20
_HEADER_WITHIN = 20
"""Number of lines in which a header is looked for."""
_LINES_COMPARED = 100
"""Number of rows whose values are counted, to compare them with the header."""


@dataclass(frozen=True)
class Dialect:
    """The form of a text file."""

    compression: str | None
    encoding: str
    separator: str
    names: tuple[str, ...]
    """Names of the columns, without blanks around them; none for an empty file."""
    lines_before: int
    """Lines before the first row, including the header."""
    fields: int
    """Values in a line: one more than names if every line ends with a separator."""
    has_quotes: bool

    def describe(self) -> str:
        """The differences from plain CSV in a few words; empty if there are none."""
        words = [f"{SEPARATOR_NAMES.get(self.separator, repr(self.separator))} between values"]
        words = words if self.separator != "," else []
        if self.encoding not in ("utf-8", "utf-8-sig"):
            words.append(f"text in {self.encoding}")
        if self.compression:
            words.append(f"compressed with {self.compression}")
        if self.fields > len(self.names):
            words.append("a separator at the end of each line")
        return ", ".join(words)


def open_bytes(path: Path, compression: str | None) -> Any:
    """Opens the file for Arrow and Python, decompressed."""
    if compression == "xz":
        return pa.PythonFile(lzma.open(path), "r")
    file = pa.OSFile(str(path))
    return pa.CompressedInputStream(file, compression) if compression else file


def recognise(path: Path, name: str, needed: Iterable[str], *, separator: str | None, encoding: str | None) -> Dialect:
    """The form of the file at `path`. The header is the line that holds the most `needed` names.

    `separator` and `encoding` are those that the user names, if any. Raises UserError, a line that begins with `name`,
    if the file is no text.
    """
    with open(path, "rb") as file:
        start = file.read(16)
    for magic, problem in _NO_TEXT.items():
        if start.startswith(magic):
            raise UserError(f"{name} cannot be read: {problem}")
    compression = next((kind for magic, kind in _COMPRESSED.items() if start.startswith(magic)), None)
    encoding, has_quotes = _encoding(path, name, compression, encoding)
    with open_bytes(path, compression) as stream:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(stream.read(_CHUNK))
    at, separator, names = _header(text.removeprefix("\ufeff"), tuple(needed), separator)
    lines_before, fields, has_row_names = _lines_before_rows(text, at, separator, len(names))
    if names and not names[-1] and fields < len(names):  # a separator ends the header alone
        names = names[:-1]
    if has_row_names:
        names.insert(0, "")
    return Dialect(compression, encoding, separator, tuple(names), lines_before, max(fields, len(names)), has_quotes)


def _encoding(path: Path, name: str, compression: str | None, encoding: str | None) -> tuple[str, bool]:
    """The encoding, and True if the file has a quote. Reads the whole file if neither a key nor a mark names it."""
    utf_8 = codecs.getincrementaldecoder("utf-8")()
    is_utf_8, has_quotes, has_zeros, has_utf_8_mark = True, False, False, False
    with open_bytes(path, compression) as stream:
        chunk = stream.read(_CHUNK)
        if encoding is None:
            encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if chunk.startswith(mark)), None)
            if encoding == "utf-8-sig":  # the mark does not prove that the rest is UTF-8
                encoding, has_utf_8_mark = None, True
        while chunk:
            has_quotes = has_quotes or b'"' in chunk
            if encoding is None:
                has_zeros = has_zeros or b"\0" in chunk
                is_utf_8 = is_utf_8 and _decodes(utf_8, chunk)
            elif has_quotes:
                break
            chunk = stream.read(_CHUNK)
    if encoding is not None:
        return encoding, has_quotes
    if has_zeros:
        raise UserError(
            f"{name} cannot be read: it has bytes that are zero, so it is no text, or UTF-16 without a mark: write "
            '"encoding": "utf-16-le" in data'
        )
    if is_utf_8 and _decodes(utf_8, b"", final=True):
        return "utf-8-sig" if has_utf_8_mark else "utf-8", has_quotes
    return "cp1252" if _is_windows(path, compression) else "latin-1", has_quotes


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _is_windows(path: Path, compression: str | None) -> bool:
    """True if the file has only bytes that Windows' Western encoding defines: all but five of the 256."""
    undefined = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
    with open_bytes(path, compression) as stream:
        while chunk := stream.read(_CHUNK):
            if len(chunk.translate(None, undefined)) < len(chunk):
                return False
    return True


def _header(text: str, needed: tuple[str, ...], separator: str | None) -> tuple[int, str, list[str]]:
    """Position of the header in the text, the separator, and the names."""
    end, candidates = 0, []
    for line in itertools.islice(text.splitlines(keepends=True), _HEADER_WITHIN):
        start, end = end, end + len(line)
        if not line.strip():
            continue
        for order, candidate in enumerate((separator,) if separator else SEPARATORS):
            names = _fields(text[start:], candidate)
            present = sum(name in names for name in needed)
            is_remark = line.startswith("#") or line.lower().startswith("sep=")
            # Of two lines with as many needed names, the header is no remark, then the upper one, then has more names.
            candidates.append((present, not is_remark, -start, len(names), -order, candidate, names))
    if not candidates:
        return 0, separator or ",", []
    *_, separator, names = best = max(candidates, key=lambda candidate: candidate[:5])
    return -best[2], separator, names


def _fields(text: str, separator: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [name.strip() for name in next(reader, [])]
    except csv.Error:
        return []


def _lines_before_rows(text: str, at: int, separator: str, names: int) -> tuple[int, int, bool]:
    """Lines before the first row, values per line, and True if each line begins with a row name.

    R writes row names, but no name for their column into the header.
    """
    reader = csv.reader(io.StringIO(text[at:], newline=""), delimiter=separator)
    before = len(text[:at].splitlines())
    rows: list[list[str]] = []
    try:
        next(reader, None)
        before += reader.line_num
        rows.extend(row for row in itertools.islice(reader, _LINES_COMPARED) if row)
    except csv.Error:  # a value is too long for this reader; the rows before it are enough
        before = max(before, 1)
    rows = rows[:-1] if len(rows) > 1 and len(text) >= _CHUNK // 4 else rows  # the last row may be cut off
    if names and rows and all(len(row) == names + 1 for row in rows):
        # The additional value is a row name, or, if the last one is always empty, a separator ends each line.
        return before, names + 1, any(row[-1].strip() for row in rows)
    if rows and all(len(row) == names - 1 for row in rows):
        return before, names - 1, False
    return before, names, False
