"""XMP packets: made true of the picture that results, and labelled with how it was made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from oldrestore import __version__

LONGEST = 65_000  # bytes: a JPEG segment holds 65,533
SRGB_NAME = "sRGB IEC61966-2.1"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# IPTC NewsCodes, scheme digitalsourcetype: a photograph with parts that a trained network has made.
ALTERED_BY_NETWORK = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
# The same, of a photograph that an algorithm without a network corrected.
ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
CREATOR_TOOL = "xmp:CreatorTool"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{RDF}">\n</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)


@dataclass(frozen=True)
class Label:
    """What a file says of its making: that a trained network altered the photograph, or another algorithm did."""

    network: str  # "sagan_colorize"; several are separated by commas; empty if there was none
    date: str  # ISO 8601: "2026-12-01T09:30:00+00:00"

    @property
    def source_type(self) -> str:
        """The IPTC's name for the kind of source."""
        return ALTERED_BY_NETWORK if self.network else ENHANCED


def is_labelled(contents: bytes) -> bool:
    """Say whether a photograph's file has a label of `labelled_xmp`: it is a result, unless others have altered it."""
    return f'{CREATOR_TOOL}="oldrestore '.encode() in contents


def labelled_xmp(xmp: bytes | None, label: Label) -> bytes:
    """Add a label to an XMP packet, or make one; what the packet says of the same properties is replaced.

    References
    ----------
    IPTC Photo Metadata Standard 2025.1: Digital Source Type, AI System Used. XMP Specification, Part 1 (Adobe, 2012):
    CreatorTool, ModifyDate.
    """
    properties = {
        "Iptc4xmpExt:DigitalSourceType": label.source_type,
        "Iptc4xmpExt:AISystemUsed": label.network,
        CREATOR_TOOL: f"oldrestore {__version__}",
        "xmp:ModifyDate": label.date,
        "xmp:MetadataDate": label.date,
    }
    values = " ".join(f"{name}={quoteattr(NOT_XML.sub('?', value))}" for name, value in properties.items() if value)
    spaces = f'xmlns:xmp="{XMP}" xmlns:Iptc4xmpExt="{IPTC_EXTENSION}"'
    for text in (xmp.decode("utf-8") if xmp else PACKET, PACKET):
        for name in properties:
            text = re.sub(rf"""\s{name}\s*=\s*("[^"]*"|'[^']*')""", "", text)
            text = re.sub(rf"<{name}\b[^>]*/>|<{name}\b[^>]*>.*?</{name}\s*>", "", text, flags=re.DOTALL)
        about = re.search(r"""\brdf:about\s*=\s*("[^"<]*"|'[^'<]*')""", text)
        subject = about[1] if about else '""'
        ours = f"<rdf:Description rdf:about={subject} {spaces} {values}/>\n</rdf:RDF>"
        labelled = re.sub(r"</rdf:RDF\s*>", lambda _, ours=ours: ours, text, count=1)
        if labelled != text and is_xml(labelled) and len(labelled.encode()) <= LONGEST:
            break
    return labelled.encode("utf-8")


def corrected_xmp(xmp: Any, height: int, width: int) -> bytes | None:
    """Return an XMP packet that is true of an upright sRGB picture of this size.

    Orientation, sizes and colour profile are corrected; previews, which show another picture, and references to parts
    that stand elsewhere in the original's file are taken out. What is no plain XML gives None.

    References
    ----------
    XMP Specification, Part 2 (Adobe, 2016): namespaces ``tiff``, ``exif``, ``xmp``, ``photoshop``.
    """
    if not isinstance(xmp, bytes | str):
        return None
    try:
        text = xmp if isinstance(xmp, str) else xmp.decode("utf-8")
        # An XML document may declare entities, which unfold without end: metadata never need them.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        for name, value in {
            "tiff:Orientation": 1,
            "tiff:ImageWidth": width,
            "tiff:ImageLength": height,
            "exif:PixelXDimension": width,
            "exif:PixelYDimension": height,
            "exif:ColorSpace": 1,
            "photoshop:ICCProfile": SRGB_NAME,
        }.items():
            text = re.sub(rf"""({name}\s*=\s*)("[^"]*"|'[^']*')""", rf'\g<1>"{value}"', text)
            text = re.sub(rf"(<{name}\s*>)[^<]*(</{name}\s*>)", rf"\g<1>{value}\g<2>", text)
        text = re.sub(r"<xmp:Thumbnails\b.*?</xmp:Thumbnails\s*>", "", text, flags=re.DOTALL)
        text = re.sub(r"""\s*xmpNote:HasExtendedXMP\s*=\s*("[^"]*"|'[^']*')""", "", text)
        corrected = text.encode("utf-8")
    except ValueError:
        return None
    return corrected if is_xml(text) and len(corrected) <= LONGEST else None


def is_xml(text: str) -> bool:
    """Say whether a text is one XML document."""
    try:
        ElementTree.fromstring(text.strip("\ufeff\0 \t\r\n"))
    except (ValueError, ElementTree.ParseError, RecursionError):
        return False
    return True
