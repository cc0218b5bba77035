"""What the step `quantize` needs besides the model: calibrated magnitudes, and which projections
are sensitive.
"""

from basin.quantization.calibration import make_calibration
from basin.quantization.sensitivity import Sensitivity, measure_divergence, measure_sensitivities

__all__ = ["Sensitivity", "make_calibration", "measure_divergence", "measure_sensitivities"]
