"""How the pictures of an H.264 stream are coded, read from its packets (ITU-T H.264, 7.3).

A demuxer does not tell two things that matter for sampling. A packet may be one *field* of a picture, so that two
packets give one frame. And a packet that is flagged as a key frame may be a *recovery point* of a periodic intra
refresh, which needs the packets before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

_SLICES, _IDR, _SEI, _SPS = (1, 2, 5), 5, 6, 7  # types of NAL units
_INTRA = (2, 4, 7, 9)  # slice types I and SI
_RECOVERY_POINT = 6  # type of SEI message
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles with more fields in the SPS
_HEAD = 512  # bytes: a parameter set or the header of a slice is shorter


class Picture(NamedTuple):
    """What one packet holds. ``is_entry``: decoding can start here; ``begins_frame`` and ``ends_frame``: a field."""

    is_entry: bool = False
    begins_frame: bool = False
    ends_frame: bool = False


WHOLE, ENTRY = Picture(), Picture(is_entry=True)


class _Sps(NamedTuple):
    planes: bool  # colour planes are coded one by one
    frame_num_bits: int
    fields: bool  # pictures may be fields


class _Field(NamedTuple):
    bottom: bool
    frame_num: int


class PictureReader:
    """Reads the packets of one stream in decode order. ``extradata``: the codec's, with or without start codes."""

    def __init__(self, extradata: bytes | None) -> None:
        self._sps: _Sps | None = None
        self._first: _Field | None = None  # of a frame whose second field may follow
        data = extradata or b""
        self._length_size = (data[4] & 3) + 1 if len(data) > 6 and data[0] == 1 else 0  # 0: start codes
        if self._length_size:
            data = data[6:]  # the configuration record stores parameter sets with lengths of two bytes
        for unit in _units(data, 2 if self._length_size else 0):
            self._note_sps(unit)

    def read(self, packet: bytes | memoryview, is_key: bool) -> Picture:
        """Return how the next packet is coded; ``is_key``: it is flagged as a key frame. Damaged ones are whole."""
        if not is_key and not (self._sps and self._sps.fields):
            return WHOLE
        try:
            return self._read(bytes(packet), is_key)
        except ValueError:
            self._first = None
            return ENTRY if is_key else WHOLE

    def _read(self, packet: bytes, is_key: bool) -> Picture:
        is_entry, recovers_in, slices = is_key, 0, 0
        ends_frame = idr = False
        for unit in _units(packet, self._length_size):
            kind = unit[0] & 31
            if kind == _SEI:
                recovers_in = max(recovers_in, _recovery_frames(unit))
            elif kind not in _SLICES:
                self._note_sps(unit)
                continue
            else:
                bits = _Bits(unit[1:_HEAD])
                if bits.ue() == 0 and slices:
                    break  # the second field of a frame that is one packet
                intra = bits.ue() in _INTRA
                is_entry = is_entry and intra
                idr = idr or kind == _IDR
                ends_frame = ends_frame if slices else self._pair(bits)
                slices += 1
                if not is_key:
                    break  # the first slice tells the field
        is_entry = is_key and not ends_frame and (idr or (is_entry and not recovers_in))
        return Picture(is_entry, self._first is not None, ends_frame)

    def _note_sps(self, unit: bytes) -> None:
        if unit[0] & 31 == _SPS:
            try:
                self._sps = _parse_sps(_Bits(unit[1:_HEAD]))
            except ValueError:  # damaged
                self._sps = None

    def _pair(self, bits: "_Bits") -> bool:
        """Return whether a slice belongs to the second field of a frame; ``bits`` continue after the slice type."""
        before, self._first = self._first, None
        if self._sps is None or not self._sps.fields:
            return False
        bits.ue()  # picture parameter set
        bits.read(2 if self._sps.planes else 0)
        frame_num = bits.read(self._sps.frame_num_bits)
        if not bits.read(1):
            return False
        field = _Field(bool(bits.read(1)), frame_num)
        if before is not None and before.bottom != field.bottom and before.frame_num == frame_num:
            return True
        self._first = field
        return False


class _Bits:
    """Reads bits of a NAL unit; raises ``ValueError`` at its end."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\0\0\3", b"\0\0")  # without emulation prevention
        self._value, self._left = int.from_bytes(plain), 8 * len(plain)

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("no bits left")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb code."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def se(self) -> int:
        """Read a signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _units(data: bytes, length_size: int) -> Iterator[bytes]:
    """Yield the NAL units of a packet, with start codes (``length_size`` 0) or with lengths before them."""
    at = 0
    if length_size:
        while at + length_size < len(data):
            begin = at + length_size
            at = begin + int.from_bytes(data[at:begin])
            if begin < at:
                yield data[begin:at]
        return
    begin = data.find(b"\0\0\1")
    while begin >= 0:
        end = data.find(b"\0\0\1", begin + 3)
        unit = data[begin + 3 : end if end >= 0 else len(data)]
        if unit:
            yield unit
        begin = end


def _parse_sps(bits: _Bits) -> _Sps:
    profile = bits.read(8)
    bits.read(16)  # constraints, level
    bits.ue()
    planes = False
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        planes = chroma == 3 and bool(bits.read(1))
        bits.ue(), bits.ue(), bits.read(1)  # bit depths, lossless
        if bits.read(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    frame_num_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.read(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.read(1), bits.ue(), bits.ue()  # reference frames, gaps, width, height
    return _Sps(planes, frame_num_bits, not bits.read(1))


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for n in range(count):
        last = following = 8 if bits.read(1) else 0
        for _ in range(16 if n < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
                last = following or last


def _recovery_frames(sei: bytes) -> int:
    """Return after how many frames the picture is complete, of a recovery point message; 0 without one."""
    at, kind_size = 1, [0, 0]
    while at + 2 < len(sei):
        for n in range(2):
            kind_size[n] = 0
            while at < len(sei) - 1 and sei[at] == 255:
                kind_size[n], at = kind_size[n] + 255, at + 1
            kind_size[n], at = kind_size[n] + sei[at], at + 1
        if kind_size[0] == _RECOVERY_POINT:
            try:
                return _Bits(sei[at : at + 8]).ue()
            except ValueError:
                return 0
        at += kind_size[1]
    return 0
