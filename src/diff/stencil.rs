//! Stencils on a line: where to evaluate, given the room on either side.

/// Points on a line through the base, at parameter values t, whose outcomes make one derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stencil {
    /// (f(t) − f(0)) / t, first order.
    Pair(f64),
    /// (f(t) − f(−t)) / 2t, second order.
    Central(f64),
    /// Second order from one side: f(0), f(t), f(2t).
    OneSided(f64),
    /// Central differences with t, 2t, 4t, ..., extrapolated; from one side, differences with the base.
    Tableau {
        /// The smallest step.
        t: f64,
        /// The number of differences.
        levels: usize,
        /// Whether they are one-sided or central: the number of points each takes.
        sides: usize,
    },
}

/// Which way first-order differences go, or that second order is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Central,
    Forward,
    Backward,
}

impl Shape {
    /// The order of the differences: 1 or 2.
    pub(super) fn order(self) -> u32 {
        if self == Shape::Central { 2 } else { 1 }
    }
}

impl Stencil {
    /// The stencil of step `h` where there is room, else the best that stays within `up` and `down`.
    ///
    /// At a bound, second order is kept by going to one side twice; when the nearer bound leaves more
    /// room for a central difference than the farther one for a one-sided, the step shrinks instead
    /// (the rule of SciPy's `approx_derivative`). First-order differences flip to the other side.
    pub(super) fn within(shape: Shape, h: f64, up: f64, down: f64) -> Stencil {
        let farther = if up >= down { up } else { -down };
        match shape {
            Shape::Central if up >= h && down >= h => Stencil::Central(h),
            Shape::Central => {
                let one_sided = h.min(farther.abs() / 2.0);
                let central = up.min(down);
                if central >= one_sided {
                    Stencil::Central(central)
                } else {
                    Stencil::OneSided(one_sided.copysign(farther))
                }
            }
            Shape::Forward if up >= h => Stencil::Pair(h),
            Shape::Forward if down >= h => Stencil::Pair(-h),
            Shape::Backward if down >= h => Stencil::Pair(-h),
            Shape::Backward if up >= h => Stencil::Pair(h),
            Shape::Forward | Shape::Backward => Stencil::Pair(farther),
        }
    }

    /// Its step.
    pub(super) fn step(self) -> f64 {
        match self {
            Stencil::Pair(t) | Stencil::Central(t) | Stencil::OneSided(t) | Stencil::Tableau { t, .. } => t,
        }
    }

    /// The parameter values to evaluate at, the base left out; the second is 0 for a pair. Of a tableau, the
    /// first two.
    pub(super) fn parameters(self) -> [f64; 2] {
        match self {
            Stencil::Pair(t) => [t, 0.0],
            Stencil::Central(t) => [t, -t],
            Stencil::OneSided(t) => [t, 2.0 * t],
            Stencil::Tableau { t, sides: 2, .. } => [t, -t],
            Stencil::Tableau { t, .. } => [t, 2.0 * t],
        }
    }

    /// How the outcomes combine when the points really lie at `t` (rounding moves them a little).
    pub(super) fn rule(self, t: [f64; 2]) -> Rule {
        match self {
            Stencil::Pair(_) => Rule::Pair { per_step: 1.0 / t[0] },
            Stencil::Central(_) => Rule::Central { per_step: 1.0 / (t[0] - t[1]) },
            Stencil::OneSided(_) => {
                // Lagrange interpolation through 0, t0, t1, differentiated at 0.
                let [a, b] = t;
                Rule::OneSided { near: b / (a * (b - a)), far: -a / (b * (b - a)) }
            }
            Stencil::Tableau { levels, sides, .. } => Rule::Tableau { levels, sides },
        }
    }
}

/// How outcomes combine to one derivative. Differences are taken before they are scaled, since those
/// of close numbers are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// (y₀ − base) · per_step
    Pair { per_step: f64 },
    /// (y₀ − y₁) · per_step
    Central { per_step: f64 },
    /// (y₀ − base) · near + (y₁ − base) · far
    OneSided { near: f64, far: f64 },
    /// An extrapolation table, see [`super::tableau`].
    Tableau { levels: usize, sides: usize },
}

impl Rule {
    pub(super) fn points(self) -> usize {
        match self {
            Rule::Tableau { levels, sides } => levels * sides,
            Rule::Pair { .. } => 1,
            Rule::Central { .. } | Rule::OneSided { .. } => 2,
        }
    }

    /// Whether its weights are numbers: those of the smallest steps are beyond all.
    pub(super) fn is_finite(self) -> bool {
        match self {
            Rule::Pair { per_step } | Rule::Central { per_step } => per_step.is_finite(),
            Rule::OneSided { near, far } => near.is_finite() && far.is_finite(),
            Rule::Tableau { .. } => true,
        }
    }

    pub(super) fn uses_base(self) -> bool {
        !matches!(self, Rule::Central { .. } | Rule::Tableau { sides: 2, .. })
    }

    /// The sum of the magnitudes of its weights, the base's included: the noise of the derivative is at most this
    /// times that of the values.
    pub(super) fn amplification(self) -> f64 {
        match self {
            Rule::Pair { per_step } | Rule::Central { per_step } => 2.0 * per_step.abs(),
            Rule::OneSided { near, far } => near.abs() + far.abs() + (near + far).abs(),
            Rule::Tableau { .. } => f64::INFINITY,
        }
    }

    /// The order of its error in the step.
    pub(super) fn order(self) -> i32 {
        match self {
            Rule::Pair { .. } => 1,
            Rule::Central { .. } | Rule::OneSided { .. } | Rule::Tableau { .. } => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_choose_the_stencil() {
        let central = |up, down| Stencil::within(Shape::Central, 1.0, up, down);
        assert_eq!(central(9.0, 9.0), Stencil::Central(1.0));
        assert_eq!(central(9.0, 0.0), Stencil::OneSided(1.0));
        assert_eq!(central(0.0, 9.0), Stencil::OneSided(-1.0));
        assert_eq!(central(0.9, 1.0), Stencil::Central(0.9));
        assert_eq!(central(1.0, 0.2), Stencil::OneSided(0.5));
        let forward = |up, down| Stencil::within(Shape::Forward, 1.0, up, down);
        assert_eq!(forward(1.0, 0.0), Stencil::Pair(1.0));
        assert_eq!(forward(0.5, 1.0), Stencil::Pair(-1.0));
        assert_eq!(forward(0.5, 0.7), Stencil::Pair(-0.7));
    }

    #[test]
    fn one_sided_weights_are_exact_for_parabolas() {
        let f = |t: f64| 3.0 + 5.0 * t + 7.0 * t * t;
        for t in [[0.5, 1.0], [-0.25, -0.5], [0.3, 0.7]] {
            let Rule::OneSided { near, far } = Stencil::OneSided(t[0]).rule(t) else { unreachable!() };
            let slope = (f(t[0]) - f(0.0)) * near + (f(t[1]) - f(0.0)) * far;
            assert!((slope - 5.0).abs() < 1e-13, "{slope}");
        }
    }
}
