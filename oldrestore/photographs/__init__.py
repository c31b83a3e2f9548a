"""Photographs and films through networks: what `oldrestore colorize` and `restore` do.

``photo_list`` and ``hint_file`` read what a user names, ``restorer`` builds the stages (``coloring`` is the last),
``treatment`` runs them on one photograph or film and ``each_photo`` on all, as ``verb`` asks; ``colorize`` and
``restore`` are the two verbs. ``new_files`` names outputs, ``output_record`` keeps how each was made.
"""
