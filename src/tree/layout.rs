//! Ravel: chosen leaves of a tree as one vector of real coordinates, and back.
//!
//! A complex element takes two coordinates, (re, im). Numerics see only these vectors.

use std::collections::HashMap;
use std::fmt;

use super::{Array, DType, Path, Tree};

/// One leaf's place in the vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The leaf.
    pub path: Path,
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions.
    pub shape: Box<[usize]>,
    /// Its first coordinate.
    pub offset: usize,
    /// Its number of coordinates.
    pub len: usize,
}

/// The order in which leaves are laid out in a vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    spans: Vec<Span>,
    /// Where among the spans each leaf is.
    by_path: HashMap<Path, usize>,
    len: usize,
}

/// A path that leads to no array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent(pub Path);

/// A leaf that is not what the layout says.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The leaf.
    pub path: Path,
    /// What the layout has.
    pub expected: (DType, Box<[usize]>),
    /// What the tree has: `None` when no array is there.
    pub found: Option<(DType, Box<[usize]>)>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {}{:?} before and is now ", self.path, self.expected.0, self.expected.1)?;
        match &self.found {
            Some((dtype, shape)) => write!(f, "{dtype}{shape:?}"),
            None => f.write_str("absent"),
        }
    }
}

impl Layout {
    /// The layout of the leaves at `paths`, in that order.
    pub fn of<'p>(tree: &Tree, paths: impl IntoIterator<Item = &'p Path>) -> Result<Layout, Absent> {
        let mut layout = Layout::default();
        for path in paths {
            let array = tree.leaf(path).ok_or_else(|| Absent(path.clone()))?;
            layout.push(path.clone(), array.dtype(), array.shape());
        }
        Ok(layout)
    }

    /// Adds one more leaf at the end.
    pub fn push(&mut self, path: Path, dtype: DType, shape: &[usize]) {
        let len = shape.iter().product::<usize>() * dtype.coordinates();
        self.by_path.entry(path.clone()).or_insert(self.spans.len());
        self.spans.push(Span { path, dtype, shape: shape.into(), offset: self.len, len });
        self.len += len;
    }

    /// The leaves, in order.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The leaf at `path`.
    pub fn span(&self, path: &Path) -> Option<&Span> {
        self.position(path).map(|index| &self.spans[index])
    }

    /// Which of the leaves is at `path`.
    pub fn position(&self, path: &Path) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// Coordinates in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no coordinates.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The paths of the leaves, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.spans.iter().map(|span| &span.path)
    }

    /// Copies the leaves of `tree` into a vector of [`Layout::len`] coordinates.
    pub fn ravel(&self, tree: &Tree, out: &mut [f64]) -> Result<(), Box<Mismatch>> {
        for span in &self.spans {
            match tree.leaf(&span.path) {
                Some(array) if array.dtype() == span.dtype && *array.shape() == *span.shape => {
                    array.read(&mut out[span.offset..span.offset + span.len]);
                }
                found => {
                    return Err(Box::new(Mismatch {
                        path: span.path.clone(),
                        expected: (span.dtype, span.shape.clone()),
                        found: found.map(|array| (array.dtype(), array.shape().into())),
                    }));
                }
            }
        }
        Ok(())
    }

    /// The vector's leaves as arrays, in order, each rounded to its dtype.
    pub fn unravel(&self, values: &[f64]) -> Vec<(Path, Array)> {
        self.spans
            .iter()
            .map(|span| {
                let values = &values[span.offset..span.offset + span.len];
                (span.path.clone(), Array::from_coordinates(span.dtype, &span.shape, values))
            })
            .collect()
    }

    /// The same as float64, or complex128 where the leaf is complex.
    pub fn unravel_wide(&self, values: &[f64]) -> Vec<(Path, Array)> {
        self.spans
            .iter()
            .map(|span| {
                let dtype = if span.dtype.is_complex() { DType::Complex128 } else { DType::Float64 };
                let values = &values[span.offset..span.offset + span.len];
                (span.path.clone(), Array::from_coordinates(dtype, &span.shape, values))
            })
            .collect()
    }

    /// Which leaf a coordinate belongs to, as its index among the spans.
    pub fn locate(&self, coordinate: usize) -> usize {
        // Empty leaves share their offset with their successor: the last span that starts at or
        // before the coordinate is the one that holds it.
        self.spans.partition_point(|span| span.offset <= coordinate) - 1
    }

    /// A coordinate as people write it: `mesh.points[4,1]`, `z[0].im`.
    pub fn name(&self, coordinate: usize) -> String {
        let span = &self.spans[self.locate(coordinate)];
        let local = coordinate - span.offset;
        let per_element = span.dtype.coordinates();
        let mut rest = local / per_element;
        let mut index = vec![0; span.shape.len()];
        for (slot, &dim) in index.iter_mut().zip(span.shape.iter()).rev() {
            *slot = rest % dim;
            rest /= dim;
        }
        let mut name = span.path.to_string();
        if !index.is_empty() {
            let index: Vec<_> = index.iter().map(usize::to_string).collect();
            name += &format!("[{}]", index.join(","));
        }
        if per_element == 2 {
            name += if local.is_multiple_of(2) { ".re" } else { ".im" };
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex;
    use proptest::prelude::*;

    fn tree() -> Tree {
        Tree::fields([
            ("a", Tree::from(2.5)),
            ("empty", Tree::from(Array::zeros(DType::Float64, &[0, 3]))),
            ("b", Tree::from(Array::new(&[2, 2], vec![1f32, 2.0, 3.0, 4.0]))),
            ("z", Tree::from(Array::new(&[1], vec![Complex::new(5f64, -6.0)]))),
        ])
    }

    fn paths(names: &[&str]) -> Vec<Path> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn coordinates_have_names() {
        let tree = tree();
        let layout = Layout::of(&tree, &paths(&["a", "empty", "b", "z"])).unwrap();
        let mut x = vec![0.0; layout.len()];
        layout.ravel(&tree, &mut x).unwrap();
        assert_eq!(x, [2.5, 1.0, 2.0, 3.0, 4.0, 5.0, -6.0]);
        let names: Vec<_> = (0..layout.len()).map(|i| layout.name(i)).collect();
        assert_eq!(names, ["a", "b[0,0]", "b[0,1]", "b[1,0]", "b[1,1]", "z[0].re", "z[0].im"]);
    }

    #[test]
    fn a_changed_shape_is_noticed() {
        let tree = tree();
        let layout = Layout::of(&tree, &paths(&["b"])).unwrap();
        let other = Tree::fields([("b", Tree::from(Array::zeros(DType::Float32, &[4])))]);
        let error = layout.ravel(&other, &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "b was float32[2, 2] before and is now float32[4]");
    }

    proptest! {
        #[test]
        fn unravel_undoes_ravel(
            doubles in prop::collection::vec(any::<f64>(), 0..20),
            floats in prop::collection::vec(any::<f32>(), 0..20),
        ) {
            let tree = Tree::fields([
                ("d", Tree::from(Array::from(doubles))),
                ("f", Tree::from(Array::new(&[floats.len()], floats))),
            ]);
            let layout = Layout::of(&tree, &paths(&["f", "d"])).unwrap();
            let mut x = vec![0.0; layout.len()];
            layout.ravel(&tree, &mut x).unwrap();
            for (path, array) in layout.unravel(&x) {
                let original = tree.leaf(&path).unwrap();
                // Bits, so that NaN compares; a NaN's payload may change between float32 and float64.
                let same = original.to_vec().iter().zip(array.to_vec()).all(|(a, b)| {
                    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
                });
                prop_assert!(same && original.shape() == array.shape());
            }
        }
    }
}
