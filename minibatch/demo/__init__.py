"""The demo: what the batch size does, on real data and from real training."""

from minibatch.demo.experiment import Experiment, run_experiment
from minibatch.demo.figures import draw_figures
from minibatch.demo.words import results_table, summary

__all__ = ["Experiment", "draw_figures", "results_table", "run_experiment", "summary"]
