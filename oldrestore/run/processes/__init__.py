"""One run trained by several processes.

``launching`` starts them and waits for their end, ``paddle_launcher`` runs Paddle's launcher, ``launched`` is what each
process runs, and ``unrecorded`` replaces the run folder in all but the first. `oldrestore.parallel` is how they
communicate.
"""
