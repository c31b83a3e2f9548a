"""One run from end to end: put together, trained, stopped, resumed, recorded.

``experiment`` carries it out, ``components`` builds what it needs, ``run_in_progress`` connects the training loop with
the run folder; ``resuming`` continues one that stopped, ``provenance`` records where its numbers come from, ``sync``
sends trackers what they missed, ``processes/`` trains it in several processes.
"""
