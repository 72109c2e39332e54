"""Owns telling how the letters of an uploaded text are written: its encoding by marks, zero bytes and validity."""

import codecs
import re
from typing import BinaryIO, Final

SAMPLE_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_ASCII: Final = bytes(range(128))
#: A letter of two or three bytes in UTF-8.
_UTF_8_LETTER: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
#: Where nearly every letter of a text is one of ASCII, UTF-16 has so many zero bytes on one side and not on the other.
_MANY: Final = 0.3
_FEW: Final = 0.05


class UnknownEncodingError(ValueError):
    """`code` is `not_text`, or `wrong_encoding` for a text that is not written as it says or begins."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def encoding_of(file: BinaryIO) -> str:
    """Python's name of the encoding of a text, which is read whole and rewound.

    By its byte order mark, by where its zero bytes lie, UTF-8 when it is valid; everything else is Windows-1252, or
    Latin-1 where it holds one of the five bytes that Windows-1252 leaves undefined. Raises `UnknownEncodingError`.
    """
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    file.seek(0)
    said = _said(sample)
    if said and not _decodes(file, said):
        raise UnknownEncodingError("wrong_encoding")
    if said or _decodes(file, "utf-8"):
        return said or "utf-8"
    if _is_mostly_utf_8(file):
        raise UnknownEncodingError("wrong_encoding")
    return "cp1252" if _decodes(file, "cp1252") else "latin-1"


def _said(sample: bytes) -> str | None:
    """The encoding that a mark or the zero bytes name."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return _by_zero_bytes(sample) if b"\0" in sample else None


def _is_mostly_utf_8(file: BinaryIO) -> bool:
    """True when most letters beyond ASCII are right UTF-8, and only some bytes are not."""
    right = wrong = 0
    for line in file:
        beyond = len(line.translate(None, _ASCII))
        letters = _UTF_8_LETTER.findall(line) if beyond else []
        right += len(letters)
        wrong += beyond - sum(map(len, letters))
    file.seek(0)
    return right > wrong


def _by_zero_bytes(sample: bytes) -> str:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(len(sample) // 2, 1)
    if odd > half * _MANY and even < half * _FEW:
        return "utf-16-le"
    if even > half * _MANY and odd < half * _FEW:
        return "utf-16-be"
    raise UnknownEncodingError("not_text")


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True
