"""Small unusual JPEGs, made by editing the segments of the golden files."""

import re
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden/sources"

# The limit for a JPEG's scans, as in crates/thumbnail/src/probe/jpeg/work.rs: blocks, and the fixed cost of each scan.
MAX_BLOCK_READS = 50_000_000
BLOCK_READS_TO_BEGIN = 2048
# For a gray picture of 97 x 65 pixels.
BLOCK_READS_OF_SCAN = BLOCK_READS_TO_BEGIN + 13 * 9

DQT, DHT, SOF0, SOS, EOI = 0xDB, 0xC4, 0xC0, 0xDA, b"\xff\xd9"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """The segments of a JPEG, up to EOI: marker, and bytes including the marker; a scan includes its coded data."""
    found, at = [], 2
    while jpeg[at : at + 2] != EOI:
        marker, end = jpeg[at + 1], at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == SOS:
            end = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.S).search(jpeg, end).start()
        found.append((marker, jpeg[at:end]))
        at = end
    return found


def jpeg_of(parts: list[tuple[int, bytes]]) -> bytes:
    return b"\xff\xd8" + b"".join(body for _, body in parts) + EOI


def without(jpeg: bytes, marker: int) -> bytes:
    return jpeg_of([part for part in segments(jpeg) if part[0] != marker])


def codes(counts: bytes, values: bytes) -> dict[int, tuple[int, int]]:
    """Symbol -> code and its length in bits, in the order of T.81, annex C."""
    found, code, at = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for value in values[at : at + count]:
            found[value] = (code, length)
            code += 1
        code, at = code << 1, at + count
    return found


def with_other_tables(jpeg: bytes) -> bytes:
    """The same gray picture with other Huffman tables, which give the shortest codes to the rarest symbols."""
    parts = segments(jpeg)
    tables = {body[4] >> 4: (body[5:21], body[21:]) for marker, body in parts if marker == DHT}
    other = {kind: (counts, values[::-1]) for kind, (counts, values) in tables.items()}
    decode = [{code: symbol for symbol, code in codes(*tables[kind]).items()} for kind in (0, 1)]
    encode = [codes(*other[kind]) for kind in (0, 1)]
    head, data = next((body[:10], body[10:].replace(b"\xff\x00", b"\xff")) for marker, body in parts if marker == SOS)
    bits, at, written = "".join(f"{byte:08b}" for byte in data), 0, []

    def recode(kind: int) -> int:
        """Copies one symbol with its other code, and the bits after the code unchanged."""
        nonlocal at
        code = length = 0
        while (code, length) not in decode[kind]:
            code, length, at = code << 1 | int(bits[at]), length + 1, at + 1
        symbol = decode[kind][code, length]
        other_code, other_length = encode[kind][symbol]
        written.append(f"{other_code:0{other_length}b}" + bits[at : at + (symbol & 15)])
        at += symbol & 15
        return symbol

    height, width = (
        int.from_bytes(body[start : start + 2]) for marker, body in parts if marker == SOF0 for start in (5, 7)
    )
    for _ in range(-(-height // 8) * -(-width // 8)):
        recode(0)
        coefficient = 1
        while coefficient < 64:
            symbol = recode(1)
            if symbol == 0:
                break
            coefficient += (symbol >> 4) + 1
    coded = "".join(written)
    coded += "1" * (-len(coded) % 8)
    stuffed = int(coded, 2).to_bytes(len(coded) // 8).replace(b"\xff", b"\xff\x00")

    def rewritten(marker: int, body: bytes) -> bytes:
        if marker == DHT:
            return body[:21] + other[body[4] >> 4][1]
        return head + stuffed if marker == SOS else body

    return jpeg_of([(marker, rewritten(marker, body)) for marker, body in parts])


def with_scans(block_reads: int) -> bytes:
    """A progressive gray JPEG with copies of its last scan, so that its scans take at least this many block reads."""
    parts = segments(golden("gray_progressive.jpg"))
    scans = -(-block_reads // BLOCK_READS_OF_SCAN)
    already = sum(marker == SOS for marker, _ in parts)
    return jpeg_of(parts + [parts[-1]] * (scans - already))
