"""Frames of films to sRGB and back, by their tags: matrix, range, primaries and transfer."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter

# Codes of ITU-T H.273, and FFmpeg's for the range.
RGB, BT709, UNSPECIFIED, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 0, 1, 2, 5, 6, 7, 9
MATRICES = frozenset({BT709, 4, BT470BG, SMPTE170M, SMPTE240M, BT2020})  # those that libswscale converts
LIMITED, FULL = 1, 2
WIDE_PRIMARIES = {BT2020: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}  # by transfer
PRIMARIES_OF_SD = {576: BT470BG, 288: BT470BG, 480: SMPTE170M, 486: SMPTE170M, 240: SMPTE170M}  # by lines


class FilmColor(NamedTuple):
    """How samples mean colours; codes of H.273."""

    matrix: int
    range: int
    primaries: int
    transfer: int


SDR = FilmColor(BT709, LIMITED, BT709, BT709)


class UnknownColor(ValueError):  # noqa: N818 (like UnreadablePhoto, a fact about a file)
    """Samples of a kind that cannot be converted."""


def color_of(frame: VideoFrame) -> FilmColor:
    """Return how a frame's samples mean colours; what it does not say is taken as usual: BT.709 for HD, BT.601 for SD.

    HD has more than 576 lines or 1024 columns, as players have it.
    """
    name = frame.format.name
    if frame.format.is_rgb or name.startswith(("gray", "mono", "pal8")):
        matrix, whole = RGB, FULL
    else:
        is_hd = frame.height > 576 or frame.width > 1024
        usual = BT709 if is_hd else BT470BG if PRIMARIES_OF_SD.get(frame.height) == BT470BG else SMPTE170M
        matrix = usual if frame.colorspace in (RGB, UNSPECIFIED, 3) else frame.colorspace
        whole = FULL if name.startswith("yuvj") else frame.color_range or LIMITED
    is_sd = matrix in (BT470BG, SMPTE170M)
    primaries, transfer = frame.color_primaries, frame.color_trc
    if primaries in (0, UNSPECIFIED):
        primaries = BT2020 if matrix == BT2020 else PRIMARIES_OF_SD.get(frame.height, BT709) if is_sd else BT709
    if transfer in (0, UNSPECIFIED):
        transfer = SMPTE170M if is_sd else BT709
    return FilmColor(matrix, whole, primaries, transfer)


def color_of_result(color: FilmColor) -> tuple[FilmColor, str]:
    """Return how to store what was such a frame, and a remark if that differs in more than the number of bits."""
    if color.transfer in HIGH_DYNAMIC_RANGE:
        return SDR, f"high dynamic range ({HIGH_DYNAMIC_RANGE[color.transfer]}) was tone-mapped to BT.709"
    if color.primaries in WIDE_PRIMARIES:
        return SDR, f"{WIDE_PRIMARIES[color.primaries]} colours were converted to BT.709"
    return (color._replace(matrix=BT709, range=LIMITED) if color.matrix == RGB else color), ""


class ToRGB:
    """Converts frames to sRGB, uint8 (H, W, 3).

    As is usual for films, BT.709, BT.601 and sRGB have one transfer and one set of primaries here. Wider primaries are
    converted, and high dynamic range is tone-mapped by libswscale (perceptual intent).
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._mapper: Graph | None = None
        self._mapped = ""

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert a frame; `UnknownColor` if its matrix cannot be converted."""
        color = color_of(frame)
        if color.matrix not in MATRICES | {RGB}:
            raise UnknownColor(f"a film whose colours are stored in a way (matrix {color.matrix}) that cannot be read")
        if color.matrix != RGB:
            frame.colorspace, frame.color_range = color.matrix, color.range
        wide = {}
        if color.primaries in WIDE_PRIMARIES:
            frame.color_primaries = color.primaries
            wide = {"dst_color_primaries": BT709, "dst_color_trc": BT709}
        if color.transfer in HIGH_DYNAMIC_RANGE:
            planes = self._tone_mapped(frame).planes
        else:
            # To planes, because libswscale rounds down to packed pixels: a level darker each time.
            rounding = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
            options = {"format": "gbrp", "dst_color_range": FULL, "interpolation": rounding, "threads": 1}
            planes = self._reformatter.reformat(frame, **options, **wide).planes
        g, b, r = (np.frombuffer(p, np.uint8).reshape(p.height, -1)[:, : p.width] for p in planes)
        return cv2.merge([r, g, b])

    def _tone_mapped(self, frame: VideoFrame) -> VideoFrame:
        kind = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1000"
        if kind != self._mapped:
            self._mapper, self._mapped = Graph(), kind
            tags = f"colorspace={frame.colorspace}:range={frame.color_range}"
            to_srgb = "out_transfer=iec61966-2-1:out_primaries=bt709:out_range=pc:intent=perceptual"
            nodes = [("buffer", f"{kind}:{tags}"), ("scale", to_srgb), ("format", "gbrp"), ("buffersink", None)]
            self._mapper.link_nodes(*(self._mapper.add(*node) for node in nodes)).configure()
        self._mapper.vpush(frame)
        return self._mapper.vpull()


class FromRGB:
    """Converts sRGB, uint8 (H, W, 3), to frames of one pixel format and colour."""

    def __init__(self, pix_fmt: str, color: FilmColor) -> None:
        self.pix_fmt, self.color = pix_fmt, color
        self._reformatter = VideoReformatter()

    def __call__(self, rgb_hw3: np.ndarray) -> VideoFrame:
        """Convert a picture."""
        picture = VideoFrame.from_numpy_buffer(np.ascontiguousarray(rgb_hw3), "rgb24")
        # PyAV names matrices as libswscale does, which has one number for both of BT.601.
        matrix = BT470BG if self.color.matrix == SMPTE170M else self.color.matrix
        frame = self._reformatter.reformat(
            picture,
            format=self.pix_fmt,
            dst_colorspace=matrix,
            src_color_range=FULL,
            dst_color_range=self.color.range,
            interpolation="BICUBIC",
            threads=1,
        )
        frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = self.color
        return frame
