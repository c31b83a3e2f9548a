"""Published weights files that fit networks of this project: who published them, under which licence, and where."""

from __future__ import annotations

from dataclasses import dataclass

ZHANG = "richzhang/colorization, BSD 2-Clause"
KANG = "piddnad/DDColor, Apache-2.0"
# Who published the weights of a network and under which licence: what a weights file remembers and says.
ORIGINS = {"eccv16": ZHANG, "siggraph17": ZHANG, "ddcolor": KANG}


@dataclass(frozen=True)
class KnownFile:
    """A file of weights that somebody may download."""

    file: str
    model: str  # a choice of conf/model
    settings: str  # what `weights import` reads from its shapes
    what: str
    page: str  # where its authors put it
    sha256: str = ""  # its first digits, if its authors name it by them

    @property
    def origin(self) -> str:
        """Project and licence."""
        return ORIGINS[self.model]

    @property
    def short_name(self) -> str:
        """Name without digits and ending."""
        return self.file.partition("-")[0].removesuffix(".pth")


_ZHANG = "github.com/richzhang/colorization (its code names the address)"
_KANG = "huggingface.co/piddnad/DDColor-models; huggingface.co/piddnad/"
_IMAGENET = "trained on ImageNet"
KNOWN_FILES = (
    KnownFile("colorization_release_v2-9b330a0b.pth", "eccv16", "", _IMAGENET, _ZHANG, "9b330a0b"),
    KnownFile("siggraph17-df00044c.pth", "siggraph17", "", f"{_IMAGENET}; takes hints", _ZHANG, "df00044c"),
    KnownFile(
        "ddcolor_paper_tiny.pth", "ddcolor", "variant=tiny", f"the paper's, {_IMAGENET}", f"{_KANG}ddcolor_paper_tiny"
    ),
    KnownFile("ddcolor_paper.pth", "ddcolor", "variant=large", f"the paper's, {_IMAGENET}", f"{_KANG}ddcolor_paper"),
    KnownFile(
        "ddcolor_modelscope.pth",
        "ddcolor",
        "variant=large",
        "trained on a cleaned ImageNet; its authors' default",
        f"{_KANG}ddcolor_modelscope; modelscope.cn/models/damo/cv_ddcolor_image-colorization (pytorch_model.pt)",
    ),
    KnownFile(
        "ddcolor_artistic.pth",
        "ddcolor",
        "variant=large",
        "trained on ImageNet and private photographs, without the colourfulness loss",
        f"{_KANG}ddcolor_artistic",
    ),
)
