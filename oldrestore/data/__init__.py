"""Photographs: where they come from, and how they are decoded, cropped, damaged and fed to training.

- `sources`: sets of photographs with splits (`PhotoSource`): the shipped ones, folders and lists of the user's.
- `packages`: photographs in packages of Python and Debian: found, downloaded, chosen, checked.
- `codecs`: photograph files, decoded to 8-bit sRGB and written again.
- `cropping`: what training and evaluation see of a photograph.
- `loading`: batches in a seeded order; prepared photographs, which are decoded once.
- `inputs`: what networks read and losses compare with; each makes a `Batch`: colours, hints, holes, damage.
- `damage`: kinds of damage, made from a seed.
- `prior`: how often a data set has each colour. `cache`: the folder for all that can be made again.
"""
