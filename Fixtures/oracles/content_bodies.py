"""Bodies with content codings that are not ours: by python's zlib, brotli and zstandard.

Usage: content_bodies.py COUNT SEED

Each body is written as a line "VERDICT CODINGS PLAIN ENCODED" and then so many bytes, first the
plain ones. A quarter of the bodies of one coding are damaged: VERDICT is "bad" where the library refuses
what came of that (PLAIN is then 0), and otherwise "good".
"""
import random
import sys
import zlib

import brotli
import zstandard

WORDS = [b"data: ", b"event", b"{\"delta\":", b"text", b"}", b"\n\n", b"0123", b"the ", b"\0" * 9]


def plain(dice):
    size = dice.choice([0, 1, 10, 100, 1000, 5000, 20000, dice.randrange(60000)])
    size = dice.randrange(size + 1)
    kind = dice.randrange(4)
    if kind == 0:
        return dice.randbytes(size)
    if kind == 1:
        return bytes([dice.randrange(256)]) * size
    body = b"".join(dice.choice(WORDS) for _ in range(size // 5))
    return body + dice.randbytes(size // 10) if kind == 2 else body


def flush(dice, compressor, body, finish, sync):
    """Compresses a body in parts, some of them flushed."""
    result, start = b"", 0
    while start < len(body):
        end = min(len(body), start + dice.randrange(1, 8000))
        result += compressor.compress(body[start:end])
        if dice.randrange(3) == 0:
            result += sync()
        start = end
    return result + finish()


def deflate(dice, body, bits):
    packer = zlib.compressobj(dice.randrange(10), zlib.DEFLATED, bits, dice.randrange(1, 10))
    return flush(dice, packer, body, packer.flush, lambda: packer.flush(zlib.Z_SYNC_FLUSH))


class Packer:
    """brotli.Compressor with the method that `flush` calls."""

    def __init__(self, dice, size):
        quality = dice.choice([0, 1, 2, 4, 5, 5, 5, 9, 11 if size < 3000 else 6])
        self.inner = brotli.Compressor(quality=quality, lgwin=dice.randrange(10, 25))
        self.compress, self.flush, self.finish = (
            self.inner.process, self.inner.flush, self.inner.finish)


def zstd_frame(dice, body):
    packer = zstandard.ZstdCompressor(
        level=dice.randrange(1, 20 if len(body) < 3000 else 10),
        write_checksum=dice.random() < 0.5,
        write_content_size=dice.random() < 0.5)
    if dice.random() < 0.3:
        return packer.compress(body)
    frame = packer.compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return flush(dice, frame, body, frame.flush, lambda: frame.flush(block))


def split(dice, body):
    """A body in one to three parts, for members and frames."""
    cuts = sorted(dice.randrange(len(body) + 1) for _ in range(dice.choice([0, 0, 1, 2])))
    return [body[a:b] for a, b in zip([0] + cuts, cuts + [len(body)])]


def encode(dice, coding, body):
    if coding == "gzip":
        return b"".join(
            deflate(dice, part, 16 + dice.randrange(9, 16)) for part in split(dice, body))
    if coding == "deflate":
        return deflate(dice, body, dice.choice([1, -1]) * dice.randrange(9, 16))
    if coding == "br":
        packer = Packer(dice, len(body))
        return flush(dice, packer, body, packer.finish, packer.flush)
    skippable = bytes([0x50 + dice.randrange(16)]) + b"\x2a\x4d\x18\x05\0\0\0other"
    return b"".join(
        (skippable if dice.randrange(5) == 0 else b"") + zstd_frame(dice, part)
        for part in split(dice, body))


def is_header(data):
    return (len(data) > 1 and data[0] & 15 == 8 and data[0] >> 4 <= 7
            and int.from_bytes(data[:2], "big") % 31 == 0)


def decode(coding, data):
    """What the library makes of bytes; None when it refuses them."""
    try:
        if coding == "br":
            return brotli.decompress(data)
        result = b""
        while data:
            if coding == "zstd" and data[0] & 0xF0 == 0x50 and data[1:4] == b"\x2a\x4d\x18":
                size = 8 + int.from_bytes(data[4:8], "little")
                if len(data) < size:
                    return None
                data = data[size:]
                continue
            if coding == "zstd":
                reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()
            else:
                reader = zlib.decompressobj(
                    31 if coding == "gzip" else 15 if is_header(data) else -15)
            result += reader.decompress(data)
            if not reader.eof:
                return None
            data = reader.unused_data
            if data and coding == "deflate":
                return None
        return result
    except (zlib.error, brotli.error, zstandard.ZstdError):
        return None


def damage(dice, data):
    data = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        kind = dice.randrange(4)
        if kind == 0:
            del data[dice.randrange(len(data) + 1):]
        elif kind == 1:
            data += dice.randbytes(dice.randrange(1, 9))
        elif data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def main():
    count, dice = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    output = sys.stdout.buffer
    for _ in range(count):
        number = dice.choice([1, 1, 1, 2])
        codings = [dice.choice(["gzip", "deflate", "br", "zstd"]) for _ in range(number)]
        body = plain(dice)
        data, verdict = body, "good"
        for coding in codings:
            data = encode(dice, coding, data)
        if number == 1 and dice.randrange(4) == 0:
            data = damage(dice, data)
            body = decode(codings[0], data) if data else b""
            verdict, body = ("bad", b"") if body is None else ("good", body)
        output.write(f"{verdict} {','.join(codings)} {len(body)} {len(data)}\n".encode())
        output.write(body + data)


main()
