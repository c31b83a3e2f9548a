"""Every preset of conf/damage gives the same damage on every machine."""

import hashlib
from functools import lru_cache

import numpy as np
import pytest
from omegaconf import OmegaConf

from oldrestore.config.build import build
from oldrestore.config.compose import compose_config
from oldrestore.config.location import configuration_root
from oldrestore.data.damage.chain import DamageChain
from tests.data.damage.kinds import STRUCTURED, UNSTRUCTURED, photograph

FOLDER = configuration_root() / "conf" / "damage"
# sha256 of damaged photograph and mask, see `digest`. A change here changes every result that was measured before.
PINNED = {
    "blur": "d99a62211b9b785f63d619b741f46faedc6345f9debf0eae0517d5e17124369c",
    "color_cast": "8cfe85c522eb386ff53f3c5edb79f6bc7e81c3c34fc346a830e7c1de23262ca7",
    "contrast": "9810de57ccc9acd46d004743afee21a382ecc4190fc08e02b0d17e4062a8b838",
    "creases": "74c23df64aa635199f29141fc54991b060114f39a30fe248b055e1a0ebc760f2",
    "dust": "833a4682de89384e6f059732d3de50dc73de576584c3599d53b5856a80b6559d",
    "emulsion": "61143061eae3b80574d829739cae186e63d8722f1e78ec2735f9dcace106c3bd",
    "fading": "1a65bce01b42018f583258c7fecc146e916e241e9f978d48adec6139a13db53c",
    "foxing": "08989340df5c1f174aeaa67434822cc8c7b0e17dd72416beda442b40c6e3fefd",
    "grain": "b043d827a0df27ec700194414e639ad928a12d78526a00b1b7508102f692b8da",
    "heavy": "2862f20f56b9449e6abd0856fc9365ef48cfe2c4a62e71003fdf453ea231213c",
    "holes": "5d9ef18de7c747861b796d3ff785923dff16d3ac227df158655bf30887b980c4",
    "jpeg": "6de5a51e686fb83092bd127edaeebe6c51d87349d269a6a9c0ff4f6ad5997c7a",
    "light": "7e0ae3b711460509dea1f3c312db9b854fc250f3f6fd08ee7ed4ea105d435dda",
    "medium": "9e9a6606b2e8e9dfdd849a86b4d503131deb5cabd47d83c0fc9886865f0b13be",
    "noise": "d845dd6185311e65ee18d66d146b70f90cab50fb053394cde13bbd593d8a1bca",
    "none": "4e051aa5ff24b4a4bf7885fe61b11da309374dca7e4dd6d72392c87352094043",
    "scratches": "290d8f023992a80a9b73c7698441769f9ee26ba137c381ce5684a3c19ff6fcc9",
    "sepia": "cb47a34f5ccac2502d1ef9051c7ef02e2d61178642036d96291207233fa6e147",
    "stains": "7de5d25d3419e8dea67762c16198e4a96fa6fae32fbb303007a76ba4420ec22c",
    "structured": "4468a223a32ec1f0c0afc098350fe66a67cdaf4d6c1c26d49f8a5c353fdd76b1",
    "tears": "2f972ae783f5df2ca6c66802281c34718784eb0549d81adc08a18b1344cec465",
}


@lru_cache
def preset(name: str):
    """Build a preset; those of one kind need no composition."""
    node = OmegaConf.load(FOLDER / f"{name}.yaml")
    if "defaults" in node:
        node = compose_config(["inputs=damaged", f"damage@inputs.damage={name}"]).inputs.damage
    return build(node)


def digest(damage) -> str:
    """Hash a colour and a gray photograph damaged from fixed seeds."""
    sha = hashlib.sha256()
    for seed, rgb in enumerate([photograph(96, 130), photograph(201, 155, gray=True)]):
        damaged = damage(rgb, np.random.default_rng([12, seed]))
        sha.update(damaged.rgb_hw3.tobytes())
        sha.update(np.packbits(damaged.mask_hw).tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_the_same_seed_gives_the_same_damage_everywhere(name):
    assert digest(preset(name)) == PINNED[name]


def test_there_is_a_choice_for_every_kind_with_the_defaults_of_its_class():
    for kind in STRUCTURED + UNSTRUCTURED:
        chosen, default = preset(kind.kind), kind()
        assert type(chosen) is kind
        assert vars(chosen) == vars(default)


def test_presets_are_ordered_by_severity():
    light, medium, heavy = (
        [preset(name)(photograph(120, 120), np.random.default_rng(seed)) for seed in range(2)]
        for name in ("light", "medium", "heavy")
    )
    shares = [np.mean([damaged.mask_hw.mean() for damaged in chosen]) for chosen in (light, medium, heavy)]
    assert shares == sorted(shares)
    clean = photograph(120, 120).astype(float)
    changes = [np.mean([np.abs(d.rgb_hw3 - clean).mean() for d in chosen]) for chosen in (light, medium, heavy)]
    assert changes == sorted(changes)


def test_steps_come_in_the_order_of_their_file():
    names = [step.kind for step in preset("heavy").steps]
    assert len(names) == 15
    assert names.index("fading") < names.index("scratches") < names.index("jpeg")
    assert isinstance(preset("none"), DamageChain)
    assert preset("none").steps == []
    assert preset("structured").structured
