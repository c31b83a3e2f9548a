"""Networks for inference: chosen, exported, kept in a cache, run by Paddle Inference.

``chosen_network`` (of a run, of a weights file, shipped); ``inference_export`` to Paddle Inference, tried in a
``child_process`` (where a crash does no harm); ``fast_network`` with its ``export_cache``; and ``export``, which adds
ONNX and MLflow's pyfunc.
"""
