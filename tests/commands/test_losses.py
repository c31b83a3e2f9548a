"""``oldrestore losses``: every choice is listed with what it reads, the models that fit and its source."""

import pytest

from oldrestore.catalogue import losses
from oldrestore.config.location import choices_of, configuration_root
from oldrestore.losses.classification import SoftCrossEntropy


@pytest.fixture(scope="module")
def listed() -> dict[str, losses.LossFacts]:
    return {fact.name: fact for fact in losses.list_losses()}


def test_every_choice_is_listed(listed):
    assert set(listed) == set(choices_of("loss"))
    for fact in listed.values():
        assert fact.loss and fact.reads and fact.does.endswith(".")
        assert fact.models, f"no model fits {fact.name}"
        assert fact.source, f"{fact.name} cites nothing: neither its file's heading nor its class"


def test_what_is_known_of_some(listed):
    soft = listed["rebalanced_cross_entropy"]
    assert (soft.loss, soft.reads, soft.needs) == ("SoftCrossEntropy", ["logits"], ["prior"])
    assert {"eccv16", "lite_unet"} <= set(soft.models) and "resnet" not in soft.models
    assert soft.source == "Zhang, Isola, Efros 2016"
    assert listed["cross_entropy"].needs == []
    assert listed["hue_chroma"].source == "Larsson, Maire, Shakhnarovich 2016"
    assert listed["mse_dispersion"].source.startswith("ZMpursue/PaddleColorization")
    both = listed["siggraph17_full"]
    assert (both.loss, both.reads) == ("GridCrossEntropy + SmoothL1", ["ab", "class_logits"])
    assert both.models == ["siggraph17"]
    # The same class reads another prediction at another setting.
    assert listed["annealed_mean_l1"].loss == listed["l1"].loss
    assert (listed["l1"].reads, listed["annealed_mean_l1"].reads) == (["ab"], ["logits"])


def test_a_loss_that_needs_the_users_weights_says_so(listed):
    assert "backbone_weights" in listed["lpips"].problem
    assert listed["lpips"].reads == ["ab"] and "resnet" in listed["lpips"].models
    others = {fact.name: fact.problem for fact in listed.values() if fact.problem and fact.name != "lpips"}
    assert not others


def test_the_page_has_this_table(listed):
    page = (configuration_root() / "docs" / "losses.md").read_text()
    assert losses.markdown_table(list(listed.values())) in page, "renew it: oldrestore losses --markdown"


def test_citations_are_found_as_they_are_written():
    text = "As (Zhang, Isola, Efros 2016; equation 2), Lin et al. (2017, *Focal Loss*), see Hasler and Suesstrunk 2003."
    found = losses.source_of(f"{text} In 2016, 5 bins (Berger, *Decisions*, 1985).", [])
    assert found == "Zhang, Isola, Efros 2016; Lin et al. 2017; Hasler and Suesstrunk 2003; Berger 1985"


def test_an_inherited_citation_is_not_the_losss_own():
    class Own(SoftCrossEntropy):
        """A cross-entropy of one's own."""

    class Cited(SoftCrossEntropy):
        """As Lin et al. (2017)."""

    class Silent(SoftCrossEntropy):
        pass

    assert losses.source_of("", [SoftCrossEntropy]).startswith("Zhang, Isola, Efros")
    assert [losses.source_of("", [each]) for each in (Own, Cited, Silent)] == ["", "Lin et al. 2017", ""]


def test_the_command_prints_all_of_them_with_whole_names_on_any_terminal(monkeypatch, cli):
    name = "gradient_rebalanced_cross_entropy"
    found = [
        losses.LossFacts(name, "L1", "Absolute error.", ["ab"], [], ["resnet"], "Zhang et al. 2016"),
        losses.LossFacts("lpips", "Lpips", "Distance.", ["ab"], ["prior"], ["resnet"], problem="name both files"),
    ]
    monkeypatch.setattr(losses, "list_losses", lambda: iter(found))
    assert "lpips: name both files" in cli("losses").out
    assert [fact["name"] for fact in cli("losses", "--json").content] == [name, "lpips"]
    row = f"| `{name}` | Absolute error | ab |  | resnet | Zhang et al. 2016 |"
    assert row in cli("losses", "--markdown").out.splitlines()
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    for columns in ("40", "80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        printed = cli("losses").out
        assert name in printed and "\u2026" not in printed and "Zhang et al. 2016" in " ".join(printed.split())
