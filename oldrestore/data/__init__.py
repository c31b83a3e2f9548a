"""Photographs: where they come from, and how they are decoded, split, cropped and fed to training.

Sources (each a `PhotoSource` in `source`): `photos`, `photos_plus` and `photos_wide`, `labelled_photos` (judged),
`image_folder` and `listed_photos`. A photograph's way: `decode` (or `scaled_decoding`), `crops` (or `grid_crops`,
`evaluation_crops`), `loader` in the order of `sequence`; `prepared` keeps it at training size, `index` remembers what
was found in a file. Inputs (each makes a `Batch`): `inputs`, `hints`, `hole_inputs`, `sparse_positions`,
`damage.inputs` and `detection_inputs`. `damage` holds kinds of damage, `masks` irregular holes, `prior` counts colours,
`encode` writes photographs.
"""
