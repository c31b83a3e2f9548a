"""A report of runs: its contents, its charts, and the page that shows them."""
