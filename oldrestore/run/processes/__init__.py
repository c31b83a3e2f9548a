"""One run trained by several processes.

``launching`` starts them and waits for their end, ``paddle_launcher`` runs Paddle's launcher, and ``launched`` is what
each process runs. They communicate through `oldrestore.parallel`.
"""
