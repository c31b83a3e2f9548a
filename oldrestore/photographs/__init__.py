"""Photographs and films through networks: what `oldrestore colorize` and `restore` do.

``photo_list`` and ``hint_file`` read what a user names; ``coloring`` and ``restorer`` treat one photograph, ``film`` a
film, ``colorize`` and ``restore`` all of them, one after another in ``each_photo``; ``new_files`` names the outputs and
``output_record`` keeps how each was made.
"""
