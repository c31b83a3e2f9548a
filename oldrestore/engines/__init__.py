"""Networks for inference: chosen, exported, kept in a cache, run by Paddle Inference.

``chosen_network`` (of a run, of a weights file, shipped), ``fast_network`` with ``export_cache`` and ``child_process``
(where a crash does no harm), ``export`` to Paddle Inference, ONNX and MLflow's pyfunc.
"""
