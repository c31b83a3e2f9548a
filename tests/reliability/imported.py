"""Imports what a run needs, in the process whose forks run it: see tests/reliability/nursery.py."""

# ruff: noqa: E402, F401

import os

from oldrestore import runtime

runtime.prepare()
runtime.quiet_import_of_paddle()
os.fsync = lambda descriptor: None

import cv2
import hydra._internal.utils
import mlflow.tracking._tracking_service.utils
import scipy.ndimage
import skimage.color
import skimage.restoration

import oldrestore.commands.sync
import oldrestore.commands.train
import oldrestore.run.experiment
import oldrestore.run.sync
import oldrestore.tracking.mlflow_sink
from oldrestore.config.compose import compose_config
from oldrestore.tracking.visualdl_sink import import_visualdl
from tests.reliability import faults, nursery

import_visualdl()
compose_config([])  # imports what components need
