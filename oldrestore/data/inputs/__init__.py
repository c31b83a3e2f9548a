"""What networks read and losses compare with: each makes a `Batch` of photographs."""
