"""Networks.

Colorizers: `eccv16` and `siggraph17` (their published weights come in through `published`), `resnet`, `larsson`
(hypercolumns), `lite_unet` (a decoder on a frozen encoder; released weights) and `sagan` (also a restorer).
Damage: `damage_unet` finds it. Adversarial training: `patch_discriminator`. Recognition: `efficientnet_lite`,
`plain_features` (AlexNet, VGG-16), `inception_v3` and `lpips`, with `features` as what perceptual losses look at.
Weights: `weights` and `weights_header` (safetensors), `released`, and readers of foreign state dicts that run nothing
in them (`torch_pickle`, `paddle_pickle`). Parts: `layers`, `convolution`, `attention`, `spectral_norm`. `engine` and
`tracing` make fast programs of networks; `flops` counts their operations.

A network says by ``reads`` which fields of a `Batch` it takes, and by ``predicts`` which of a `Prediction` it gives.
"""
