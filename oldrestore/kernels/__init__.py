"""Fast arithmetic on a CPU: training's convolutions and batch norm through oneDNN, which Paddle's wheel carries.

`library` binds oneDNN's C interface, `primitives` builds its primitives once for each shape, `tensors` says how a
Paddle tensor lies in memory; `convolution` (with `convolution_plan` and `weight_gradients`), `normalization`,
`activations`, `joining` and `resizing` are differentiable functions on Paddle tensors. `choice` says whether they are
used. The room knows Paddle and nothing of the rest of the package but errors and threads.

Tensors are (B, C, H, W) as everywhere. What these functions return lies channels last in memory and is a transposed
view of it, so that the next of them reads it as it is; any function of Paddle takes it too.
"""
