//! Which elements of large arrays are looked at: some of each, in proportion to its size.

use std::collections::BTreeSet;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::tree::Layout;

/// About `most` coordinates of a layout, ascending: of every leaf at least one, else in proportion to its size; all
/// where there are no more.
pub(super) fn elements(layout: &Layout, most: usize, seed: u64) -> Vec<usize> {
    if layout.len() <= most {
        return (0..layout.len()).collect();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = Vec::new();
    for span in layout.spans().iter().filter(|span| span.len > 0) {
        let share = (most as u128 * span.len as u128 / layout.len() as u128) as usize;
        let count = share.clamp(1, span.len);
        // Floyd's sampling without replacement (Bentley and Floyd, Communications of the ACM 30(9), 1987).
        let mut chosen = BTreeSet::new();
        for last in span.len - count..span.len {
            let element = random.random_range(0..=last);
            if !chosen.insert(element) {
                chosen.insert(last);
            }
        }
        drawn.extend(chosen.into_iter().map(|element| span.offset + element));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{DType, Path};

    #[test]
    fn every_leaf_is_looked_at_in_proportion() {
        let mut layout = Layout::default();
        for (name, len) in [("a", 9000), ("b", 1), ("c", 1000), ("d", 0)] {
            layout.push(name.parse::<Path>().unwrap_or_else(|_| Path::root()), DType::Float64, &[len]);
        }
        let drawn = elements(&layout, 100, 7);
        let within = |from: usize, to: usize| drawn.iter().filter(|k| (from..to).contains(*k)).count();
        assert_eq!((within(0, 9000), within(9000, 9001), within(9001, 10001)), (89, 1, 9));
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(elements(&layout, 100, 7), drawn);
        assert_ne!(elements(&layout, 100, 8), drawn);
        assert_eq!(elements(&layout, 10001, 7).len(), 10001);
    }
}
