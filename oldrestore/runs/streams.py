"""Names of the random streams that a run draws its inputs from."""

# Seeds of what inputs draw at random begin with one of these, so that no stream repeats another (photographs' order
# and crops have theirs in data/sequence.py). Validation draws the same for every run, whatever its seed: runs are
# compared on equal inputs.
TRAINING_STREAM, VALIDATION_STREAM = 7_201, 7_202
