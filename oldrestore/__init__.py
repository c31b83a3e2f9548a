"""oldrestore: photo colorization and old-photo restoration research on PaddlePaddle."""

__version__ = "0.1.0"
