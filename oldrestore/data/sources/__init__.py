"""Sets of photographs with splits: what is shipped, folders, lists."""
