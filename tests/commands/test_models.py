"""``oldrestore models``: figures that the papers' networks have, and networks that cannot be built are still listed."""

import paddle
import pytest
from paddle import nn

from oldrestore.catalogue import networks
from oldrestore.config.location import choices_of
from oldrestore.errors import UserError
from oldrestore.models.flops import count_flops


@pytest.fixture(scope="module")
def listed():
    return {network.name: network for network in networks.list_networks()}


def test_published_figures(listed):
    eccv16 = listed["eccv16"]
    assert eccv16.parameters == 32_236_011
    assert eccv16.gflops == pytest.approx(83.6, rel=0.01)
    assert eccv16.predicts == ["logits"]
    assert {"cross_entropy", "rebalanced_cross_entropy"} <= set(eccv16.losses)
    assert eccv16.source == "Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016."
    assert listed["siggraph17"].parameters == 34_187_027
    assert eccv16.problem is None


def test_every_choice_is_listed_and_has_its_figures_or_a_reason(listed):
    assert set(listed) == set(choices_of("model"))
    for network in listed.values():
        assert network.problem or (network.parameters and network.gflops and network.predicts)


def test_the_command_prints_all_of_them_with_whole_names_on_any_terminal(monkeypatch, cli):
    name = "gradient_rebalanced_cross_entropy"
    found = [
        networks.NetworkFacts("eccv16", "Eccv16", 5, 1.25, ["L_b1hw"], ["logits"], [name], "See ``train``."),
        networks.NetworkFacts("lite_unet", "LiteUnet", predicts=["logits"], problem="its package is missing"),
    ]
    monkeypatch.setattr(networks, "list_networks", lambda: iter(found))
    assert [network["name"] for network in cli("models", "--json").content] == ["eccv16", "lite_unet"]
    printed = cli("models").out
    for text in ("1.2", "eccv16: See train.", "lite_unet: its package is missing"):
        assert text in printed
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    for columns in ("40", "80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        printed = cli("models").out
        assert name in printed and "See train." in printed and "\u2026" not in printed


def refuse(node):
    raise UserError("its weights are missing")


def test_a_network_whose_package_is_missing_is_listed_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("OLDRESTORE_CACHE", str(tmp_path))
    monkeypatch.setattr(networks, "build", refuse)
    facts = {network.name: network for network in networks.list_networks()}["eccv16"]
    assert facts.problem == "it cannot be built here: its weights are missing"
    assert facts.parameters is None
    assert facts.predicts == ["logits"]
    assert "cross_entropy" in facts.losses


def test_figures_are_kept_until_something_they_depend_on_changes(listed, monkeypatch):
    monkeypatch.setattr(networks, "build", refuse)
    assert {network.name: network for network in networks.list_networks()} == listed
    monkeypatch.setattr(networks, "fingerprint", lambda path: "0" * 64)
    assert all(network.problem and network.gflops is None for network in networks.list_networks())


class Everything(nn.Layer):
    """One of each operation that is counted, in layers and in functions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2D(8, 8, 5, padding=2, groups=4)
        self.depthwise = nn.Conv2D(8, 8, 3, padding=1, groups=8)
        self.up = nn.Conv2DTranspose(8, 6, 4, stride=2, padding=1)
        self.linear = nn.Linear(6, 10)

    def forward(self, x):
        x = self.up(self.depthwise(self.grouped(self.conv(x))))
        tokens = x.flatten(start_axis=2).transpose([0, 2, 1])
        attention = paddle.matmul(tokens, tokens, transpose_y=True)
        return self.linear(paddle.bmm(attention, tokens))


def test_operations_are_counted_by_hand():
    half, full = 8 * 12, 16 * 24
    macs = half * 8 * 3 * 9 + half * 8 * 2 * 25 + half * 8 * 9  # convolutions
    macs += half * 8 * 6 * 16  # transposed: each number of the input meets 16 of each output
    macs += 2 * full * full * 6 + full * 6 * 10  # attention and the linear layer
    network = Everything()
    network.eval()
    assert count_flops(network, [(1, 3, 16, 24)]) == 2 * macs
