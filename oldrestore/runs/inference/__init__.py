"""Photographs and films through networks: what `oldrestore colorize`, `restore` and `weights export` do.

- which network: ``chosen_network`` (of a run, of a weights file, shipped);
- which photographs: ``photo_list``, ``hint_file``;
- what is done to them: ``coloring`` and ``restorer`` to one photograph or frame, ``film`` to a film, ``colorize`` and
  ``restore`` to all that a user names, one after another in ``each_photo``, until ``stopping`` stops it;
- what is left of it: ``new_files`` (the outputs), ``output_record`` (how each was made);
- how networks run fast: ``fast_network`` (Paddle Inference), ``export_cache`` (exports made before), ``child_process``
  (where a crash does no harm);
- how networks leave: ``export``, ``export_rewriting``, ``verification_photo``, ``pyfunc``.
"""
