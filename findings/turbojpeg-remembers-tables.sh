#!/usr/bin/env bash
# A TurboJPEG handle that is used again remembers Huffman tables: of the same pixels its encoder writes other bytes
# behind a progressive file, and its decoder no longer shows a file that has no tables.
#
# Version:   libturbojpeg0 2.1.5-2 of Debian 12, called from Python by ctypes
# Guess:     each call of tjCompress2 and tjDecompress2 is for itself: it takes a whole picture, or a whole file.
# Behaviour: the encoder keeps the tables that it fitted to a progressive file, and writes the next baseline file by
#            them. The decoder keeps the tables of a file, and decodes a webcam's frame, which has none, by them
#            instead of by the typical ones of T.81. (In libjpeg-turbo 3.1.0 the encoder begins each file with the
#            typical tables; the decoder does not.)
# So:        a new handle for each file, or what becomes of a file depends on the one before it. darkroom decodes by
#            itself and keeps nothing; tests/it/order.rs holds the encoder that it uses to the same.
# Seen:      encoder, used: other bytes; decoder, new: as the original; decoder, used: not as the original
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 libturbojpeg0=1:2.1.5-2 >/dev/null 2>&1 ||
    { echo "needs Debian 12 and its package lists"; exit 1; }
dpkg-deb -x libturbojpeg0_*.deb .
cat >ask.py <<'PYTHON'
import ctypes, glob

library = ctypes.CDLL(glob.glob("usr/lib/*/libturbojpeg.so.0")[0])
library.tjInitCompress.restype = library.tjInitDecompress.restype = ctypes.c_void_p
WIDTH, HEIGHT, RGB, PROGRESSIVE = 64, 48, 0, 16384
picture = bytes(x * 4 + y * c & 255 for y in range(HEIGHT) for x in range(WIDTH) for c in (1, 2, 3))


def encode(handle, flags=0):
    size, file = ctypes.c_ulong(), ctypes.c_void_p()
    done = library.tjCompress2(ctypes.c_void_p(handle), picture, WIDTH, 0, HEIGHT, RGB, ctypes.byref(file),
                               ctypes.byref(size), 0, 90, flags)
    assert done == 0
    return ctypes.string_at(file, size.value)


def decode(handle, file):
    pixels = ctypes.create_string_buffer(WIDTH * HEIGHT * 3)
    done = library.tjDecompress2(ctypes.c_void_p(handle), file, ctypes.c_ulong(len(file)), pixels, WIDTH, 0, HEIGHT,
                                 RGB, 0)
    return done, pixels.raw


def without_tables(file):
    kept, at = file[:2], 2
    while file[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(file[at + 2:at + 4], "big")
        if file[at + 1] != 0xC4:
            kept += file[at:end]
        at = end
    return kept + file[at:]


encoder = library.tjInitCompress()
plain = encode(encoder)
fitted = encode(encoder, PROGRESSIVE)
print("encoder, used:", "same bytes" if encode(encoder) == plain else "other bytes")
frame, shown = without_tables(plain), decode(library.tjInitDecompress(), plain)
is_shown = decode(library.tjInitDecompress(), frame) == shown
print("decoder, new:", "as the original" if is_shown else "not as the original")
decoder = library.tjInitDecompress()
decode(decoder, fitted)
print("decoder, used:", "as the original" if decode(decoder, frame) == shown else "not as the original")
PYTHON
seen=$(python3 ask.py)
echo "$seen"
[ "$seen" = $'encoder, used: other bytes\ndecoder, new: as the original\ndecoder, used: not as the original' ] ||
    { echo "changed"; exit 1; }
