"""One run trained by several processes: ``launching`` starts them, ``launched`` is what each of them runs."""
