"""Models behind a real UM-Bridge server: `forward` with derivatives, `bare` without, `odd` with failures."""

import math
import sys

import umbridge


class Forward(umbridge.Model):
    """y0 = scale * (a0 a1, a0 + b0, b0^2), y1 = (a0 b0)."""

    def __init__(self, name="forward"):
        super().__init__(name)

    def get_input_sizes(self, config):
        return [2, 1]

    def get_output_sizes(self, config):
        return [3, 1]

    def __call__(self, parameters, config):
        (a0, a1), (b0,) = parameters
        scale = config.get("scale", 1.0)
        return [[scale * a0 * a1, scale * (a0 + b0), scale * b0 * b0], [a0 * b0]]

    def block(self, out_wrt, in_wrt, parameters, config):
        (a0, a1), (b0,) = parameters
        scale = config.get("scale", 1.0)
        return [
            [[[scale * a1, scale * a0], [scale, 0.0], [0.0, 0.0]], [[0.0], [scale], [2 * scale * b0]]],
            [[[b0, 0.0]], [[a0]]],
        ][out_wrt][in_wrt]

    def gradient(self, out_wrt, in_wrt, parameters, sens, config):
        block = self.block(out_wrt, in_wrt, parameters, config)
        return [sum(weight * row[j] for weight, row in zip(sens, block)) for j in range(len(block[0]))]

    def apply_jacobian(self, out_wrt, in_wrt, parameters, vec, config):
        block = self.block(out_wrt, in_wrt, parameters, config)
        return [sum(entry * change for entry, change in zip(row, vec)) for row in block]

    def supports_evaluate(self):
        return True

    def supports_gradient(self):
        return True

    def supports_apply_jacobian(self):
        return True


class Bare(Forward):
    """The same without its derivatives."""

    def supports_gradient(self):
        return False

    def supports_apply_jacobian(self):
        return False


class Rows(Forward):
    """The same with gradients alone."""

    def supports_apply_jacobian(self):
        return False


class Odd(Bare):
    """Answers NaN and infinity, and raises."""

    def __call__(self, parameters, config):
        (a0, _), _ = parameters
        if a0 > 10:
            raise RuntimeError("too far out")
        return [[a0, math.nan if a0 < 0 else 1.0, -math.inf if a0 < -1 else 1.0], [0.0]]


umbridge.serve_models([Forward(), Bare("bare"), Rows("rows"), Odd("odd")], int(sys.argv[1]), max_workers=4)
