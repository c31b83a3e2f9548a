"""One run from end to end: put together, trained, validated, stopped, resumed, recorded.

``experiment`` carries it out, ``components`` builds what it needs, ``run_in_progress`` connects the training loop with
the run folder. ``resuming`` and ``progress`` continue one that stopped, ``provenance`` records what its numbers depend
on, ``sync`` sends trackers what they missed, and ``processes/`` trains it in several processes.
"""
