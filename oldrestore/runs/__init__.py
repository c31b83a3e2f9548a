"""Runs: made, found, gone on with, scored, compared; and what their networks do to photographs.

Here stands what one run is made of; what has many parts or needs many runs has a folder of its own.

- training: ``experiment`` (a run from end to end), ``components`` (what it is put together from), ``run_in_progress``
  with ``introduction``, ``streams``, ``validation_loss``, ``monitor``, ``rebalancing``, ``curves``, ``failure`` and
  ``outcome``; ``data_parallel/`` for several processes, ``slurm`` for a queue;
- going on: ``resuming`` with ``asked_settings``, ``then_and_now``, ``progress`` and ``run_lock``;
- what a run is: ``identity`` (its name), ``job_identity`` (what makes two the same), ``provenance``;
- scoring: ``scoring`` and ``score_rows`` during a run, ``evaluation`` and ``evaluation_sweep`` after it, ``protocols``;
- finding: ``loading`` (runs and their networks), ``listing`` with ``conditions``, ``run_values`` and ``config_lookup``;
- trackers that missed something: ``sync``;
- many runs: ``sweep/``, ``comparison/``, ``reproduction/``, ``report/``; ``column_parts`` prints their wide tables;
- photographs and films through networks: ``inference/``;
- what there is: ``networks`` and ``losses`` (choices of ``conf/``), ``doctor`` (the machine).
"""
