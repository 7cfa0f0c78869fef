//! Extrapolation to the step zero: differences with steps h, 2h, 4h, … and from each pair of columns a better one.
//!
//! Ridders, *Accurate computation of F′(x) and F′(x)F″(x)*, Advances in Engineering Software 4(2), 1982: of all
//! entries of the table the one is kept that differs least from its two neighbours of lower order.

use super::compare::{DEVIATIONS, SAFETY, Step};
use super::noise::Noise;

/// Extrapolates every output. `columns` holds the differences, the smallest step's first, `base` the values about which
/// they are. Central differences have errors in even powers of the step only.
pub(super) fn extrapolate(
    columns: &[f64],
    steps: &[Step],
    two_sided: bool,
    base: &[f64],
    noise: &Noise,
    value: &mut [f64],
    bound: &mut [f64],
) {
    let m = value.len();
    let levels = steps.len();
    let ratio = if two_sided { 4.0f64 } else { 2.0 };
    let mut entries = [0.0; MOST_LEVELS];
    for row in 0..m {
        for level in 0..levels {
            entries[level] = columns[level * m + row];
        }
        let (mut best, mut least) = (entries[0], f64::INFINITY);
        // entries[k] becomes the value extrapolated from steps k to k + order.
        let mut noises = [0.0; MOST_LEVELS];
        for ((entry, difference), step) in noises.iter_mut().zip(entries).zip(steps) {
            let size = base[row].abs() + 2.0 * step.length * difference.abs();
            *entry = DEVIATIONS * noise.at(row, size) * step.amplification;
        }
        for order in 1..levels {
            let power = ratio.powi(order as i32);
            for k in 0..levels - order {
                let (fine, coarse) = (entries[k], entries[k + 1]);
                let better = fine + (fine - coarse) / (power - 1.0);
                let amplified = (power * noises[k] + noises[k + 1]) / (power - 1.0);
                let apart = (better - fine).abs().max((better - coarse).abs());
                let error = SAFETY * apart + amplified + better.abs() * f64::EPSILON;
                if error < least {
                    (best, least) = (better, error);
                }
                entries[k] = better;
                noises[k] = amplified;
            }
        }
        if least < bound[row] {
            value[row] = best;
            bound[row] = least;
        }
    }
}

/// Columns a table can have.
pub(super) const MOST_LEVELS: usize = 16;
