//! Inputs as JSON text in which the displaced numbers can be replaced, so that a displaced point costs
//! a copy of the text and not a new one.

use std::cell::RefCell;
use std::ops::Range;

use crate::codec::{self, Encoding};
use crate::diff::Displacement;
use crate::model::Base;

/// The text of a base's inputs.
pub(super) enum Template {
    /// Nested lists, with the place of every coordinate's number, both in ascending order.
    Numbers { text: Vec<u8>, places: Vec<Range<usize>> },
    /// Any other encoding: written anew for each point.
    Whole(Encoding),
}

impl Template {
    pub(super) fn new(base: &Base, encoding: Encoding) -> Template {
        // The places are in the order of the tree, coordinates in that of the layout. They agree wherever
        // the layout follows the tree, as all do that the endpoints make.
        let leaves = base.inputs.leaves();
        let order: Vec<_> = leaves.iter().map(|(path, _)| path).filter(|path| base.wrt.span(path).is_some()).collect();
        if encoding != Encoding::Plain || !order.into_iter().eq(base.wrt.paths()) {
            return Template::Whole(encoding);
        }
        let mut text = Vec::new();
        let places = RefCell::new(Vec::with_capacity(base.wrt.len()));
        let mut paths = leaves.iter().map(|(path, _)| path);
        codec::write_nodes(&mut text, &base.inputs, &mut |out, array| {
            let displaced = paths.next().is_some_and(|path| base.wrt.span(path).is_some());
            if !displaced {
                return codec::write_array(out, array, Encoding::Plain);
            }
            let mut shape = array.shape().to_vec();
            if array.dtype().is_complex() {
                shape.push(2);
            }
            codec::write_nested(out, &shape, &mut array.to_vec().iter(), &|out, value| {
                let start = out.len();
                codec::write_float(out, value, false);
                places.borrow_mut().push(start..out.len());
            });
        });
        Template::Numbers { text, places: places.into_inner() }
    }

    /// Writes the inputs of a displaced point.
    pub(super) fn write(&self, out: &mut Vec<u8>, base: &Base, point: &Displacement) {
        match self {
            Template::Whole(encoding) => codec::write_tree(out, &base.displaced(point), *encoding),
            Template::Numbers { text, places } => {
                let mut from = 0;
                for &(coordinate, value) in point {
                    let place = &places[coordinate];
                    out.extend_from_slice(&text[from..place.start]);
                    codec::write_float(out, value, false);
                    from = place.end;
                }
                out.extend_from_slice(&text[from..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Array, Layout, Path, Tree};
    use num_complex::Complex;

    #[test]
    fn a_displaced_number_is_replaced_in_place() {
        let inputs = Tree::fields([
            ("a", Tree::from(Array::new(&[2, 2], vec![1.0, 2.5, -3.0, 4.0]))),
            ("n", Tree::from(Array::new(&[], vec![7i32]))),
            ("z", Tree::from(Array::new(&[1], vec![Complex::new(1f32, 2.0)]))),
        ]);
        let wrt: Vec<Path> = ["a", "z"].iter().map(|path| path.parse().unwrap()).collect();
        let base = Base::new(inputs.clone(), Layout::of(&inputs, &wrt).unwrap(), Layout::default());
        let template = Template::new(&base, Encoding::Plain);
        let mut out = Vec::new();
        template.write(&mut out, &base, &vec![(1, 2.75), (5, 0.1)]);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":[[1.0,2.75],[-3.0,4.0]],"n":7,"z":[[1.0,0.1]]}"#);
        let mut plain = Vec::new();
        codec::write_tree(&mut plain, &inputs, Encoding::Plain);
        let mut out = Vec::new();
        template.write(&mut out, &base, &Displacement::new());
        assert_eq!(out, plain);
    }
}
