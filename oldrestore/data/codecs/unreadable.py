"""Why a file is no photograph that can be decoded, in a few words."""

from __future__ import annotations


class UnreadablePhoto(ValueError):  # noqa: N818 (the contract's name: it is a finding about a file)
    """A file that is not a photograph that can be decoded; `reason` says why in a few words."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a photograph without pixels or with too many."""
    if width < 1 or height < 1:
        raise UnreadablePhoto("an image without pixels")
    if width * height > max_pixels:
        raise UnreadablePhoto(f"{width} x {height} pixels, above the limit of {max_pixels}")


def short_reason(error: Exception) -> str:
    """Return what a decoder's error says to the user of a file."""
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return "truncated file"
    if isinstance(error, MemoryError):
        return "too large for memory"
    if "Decompressed data too large" in text:
        return "its text or colour profile would unfold into more than a megabyte"
    if not isinstance(error, OSError | ValueError | SyntaxError | EOFError):
        return "corrupt file"  # what a decoder stumbled over says nothing to its user
    return f"corrupt file ({text[:80] or type(error).__name__})"
