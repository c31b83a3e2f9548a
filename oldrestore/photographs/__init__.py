"""Photographs and films through networks: what `oldrestore colorize` and `restore` do.

``photo_list`` and ``hint_file`` read what a user names, ``restorer`` builds the stages (``coloring`` is the last),
``treatment`` runs them on one photograph or film, and ``verb`` on all, into ``output_files``.
"""
