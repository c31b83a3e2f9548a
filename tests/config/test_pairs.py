"""A loss that reads what a network does not predict is refused with both names and the pairs that fit."""

from __future__ import annotations

import pytest

from oldrestore.config import pairs
from oldrestore.errors import UserError

MODEL = {"_target_": "oldrestore.models.eccv16.Eccv16"}
LOSS = {"_target_": "oldrestore.losses.classification.SoftCrossEntropy"}


def test_a_pair_that_fits_passes():
    pairs.check_pair(MODEL, LOSS)


def test_a_pair_that_does_not_fit_names_both_and_the_alternatives(monkeypatch):
    from oldrestore.losses.classification import SoftCrossEntropy

    monkeypatch.setattr(SoftCrossEntropy, "reads", frozenset({"logits", "rgb"}))
    with pytest.raises(UserError) as refusal:
        pairs.check_pair(MODEL, LOSS)
    message = str(refusal.value)
    assert "SoftCrossEntropy reads logits and rgb" in message
    assert "Eccv16 predicts logits" in message


def test_what_the_terms_of_a_loss_read_counts():
    nested = {"terms": {"a": LOSS, "b": {"weight": 2.0}}}
    assert pairs.readings(nested) == {"logits"}


def test_fitting_pairs_come_from_the_folders():
    assert pairs.fitting_pairs() == ["eccv16 with cross_entropy, rebalanced_cross_entropy"]
