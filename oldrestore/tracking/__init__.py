"""The run folder, which is the truth about a run, and the trackers it is sent on to."""
