"""Networks.

Colorizers: `eccv16`, `siggraph17` and `ddcolor` (of `convnext` and `color_queries`; `published` imports their published
weights, `known_files` lists them), `resnet`, `larsson` (hypercolumns), `lite_unet` (a decoder on a frozen encoder;
released weights) and `sagan` (also a restorer).
Damage: `damage_unet` finds it. Adversarial training: `patch_discriminator`. Recognition: `efficientnet_lite`,
`inception_v3`, `lpips`, and `features`, which perceptual losses compare.
Weights: `weights` and `weights_header` (safetensors), `released`, and readers of foreign state dicts that run nothing
in them (`torch_pickle`, `paddle_pickle`). Parts: `layers`, `convolution`, `attention`, `spectral_norm`. `engine` and
`tracing` compile networks; `flops` counts their operations.

A network names the fields of a `Batch` that ``forward`` takes, in order, in ``reads``, those of a `Prediction` that it
returns in ``predicts``, and the number that divides height and width of its input in ``stride``. Of its settings,
``width`` multiplies every hidden channel count, and ``weights`` is a file to start from: exported weights or a
checkpoint of a run.
"""
