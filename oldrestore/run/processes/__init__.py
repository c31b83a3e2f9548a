"""A run that several processes of one machine or more train together.

``launching`` starts them and sees them to the end, ``paddle_launcher`` is what it starts, ``launched`` is what each of
them runs, and ``unrecorded`` stands for the run folder in all but the first. What they tell one another is in
`oldrestore.parallel`.
"""
