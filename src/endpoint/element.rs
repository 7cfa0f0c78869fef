//! Single elements of inputs: by name, `mesh.points[4,1]` or `z[0].im`, or drawn at random.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::{SliceRandom, index};

use super::faults::{Faults, field};
use super::request::listed;
use crate::schema::{Side, Signature};
use crate::tree::{Layout, Path, Segment, Span};

/// The coordinates that names mean, in the order of the names, each once. Without a layout, since the inputs are no
/// good, only whether there can be such inputs is said.
pub(super) fn named(
    names: &[String],
    signature: &Signature,
    layout: Option<&Layout>,
    faults: &mut Faults,
) -> Vec<usize> {
    let declared = signature.differentiable(Side::Input);
    let mut found = Vec::new();
    if declared.is_empty() {
        // Which the request has been told.
        return found;
    }
    for (i, name) in names.iter().enumerate() {
        let at = field("element").join(Segment::Index(i));
        let known = |path: &Path| declared.iter().any(|(pattern, _)| pattern.matches(path));
        let Some((path, rest)) = split(name, known) else {
            let expected = listed(declared.iter().map(|(pattern, _)| pattern));
            faults.add(&at, "literal_error", format!("Input should be an element of {expected}, found '{name}'"));
            continue;
        };
        let Some(layout) = layout else { continue };
        let coordinate = match layout.span(&path) {
            Some(span) => coordinate(span, rest),
            None => Err(format!("the inputs have no {path}, or it is not among jac_inputs")),
        };
        match coordinate {
            Ok(coordinate) if found.contains(&coordinate) => {}
            Ok(coordinate) => found.push(coordinate),
            Err(reason) => faults.add(&at, "value_error", format!("Value error, {reason}")),
        }
    }
    found
}

/// `count` of the layout's coordinates, or all there are: of every leaf about as many. Ascending.
pub(super) fn drawn(layout: &Layout, count: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut spans: Vec<&Span> = layout.spans().iter().filter(|span| span.len > 0).collect();
    // Where there are more leaves than are wanted, none is preferred.
    spans.shuffle(&mut random);
    let mut wanted = vec![0; spans.len()];
    let mut left = count.min(layout.len());
    while left > 0 {
        for (wanted, span) in wanted.iter_mut().zip(&spans) {
            if left > 0 && *wanted < span.len {
                *wanted += 1;
                left -= 1;
            }
        }
    }
    let mut found = Vec::with_capacity(count);
    for (wanted, span) in wanted.into_iter().zip(spans) {
        found.extend(index::sample(&mut random, span.len, wanted).into_iter().map(|i| span.offset + i));
    }
    found.sort_unstable();
    found
}

/// A name's path and what follows it, if `known` knows the path.
fn split(name: &str, known: impl Fn(&Path) -> bool) -> Option<(Path, &str)> {
    let whole = name.strip_suffix(".re").or_else(|| name.strip_suffix(".im")).unwrap_or(name);
    let bracket = whole.rfind('[').filter(|_| whole.ends_with(']'));
    [Some(name.len()), Some(whole.len()), bracket].into_iter().flatten().find_map(|end| {
        let path = name[..end].parse::<Path>().ok().filter(&known)?;
        Some((path, &name[end..]))
    })
}

/// The coordinate of a leaf's element, `[4,1]`, `[0].im`, or nothing for a number.
fn coordinate(span: &Span, rest: &str) -> Result<usize, String> {
    let path = &span.path;
    let (index, part) = match rest.strip_suffix(".re") {
        Some(index) => (index, Some(0)),
        None => rest.strip_suffix(".im").map_or((rest, None), |index| (index, Some(1))),
    };
    let example = || {
        let mut alone = Layout::default();
        alone.push(path.clone(), span.dtype, &span.shape);
        alone.name(0)
    };
    let part = match (part, span.dtype.is_complex()) {
        (Some(part), true) => part,
        (None, false) => 0,
        (Some(_), false) => return Err(format!("{path} is real and has no parts")),
        (None, true) if span.len > 0 => {
            return Err(format!("{path} is complex: name a part of an element, such as {}", example()));
        }
        (None, true) => 0,
    };
    let shape = &span.shape;
    let within = index.strip_prefix('[').and_then(|index| index.strip_suffix(']'));
    let numbers: Option<Vec<usize>> = match within {
        Some(list) => list.split(',').map(|number| number.trim().parse().ok()).collect(),
        None => Some(Vec::new()),
    };
    let numbers = numbers.ok_or_else(|| format!("'{index}' is no index; one of {path} looks like {}", example()))?;
    if numbers.is_empty() && !shape.is_empty() && span.len > 0 {
        return Err(format!(
            "{path} has {} elements: name one, such as {}",
            shape.iter().product::<usize>(),
            example()
        ));
    }
    if numbers.len() != shape.len() || numbers.iter().zip(shape).any(|(number, dim)| number >= dim) {
        return Err(format!("there is no element {index}: {path} has the shape {shape:?}"));
    }
    let flat = numbers.iter().zip(shape).fold(0, |flat, (number, dim)| flat * dim + number);
    Ok(span.offset + flat * span.dtype.coordinates() + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::DType;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.push("s".parse().unwrap(), DType::Float64, &[]);
        layout.push("layers.[0]".parse().unwrap(), DType::Float32, &[2, 3]);
        layout.push("z".parse().unwrap(), DType::Complex64, &[2]);
        layout
    }

    #[test]
    fn every_coordinate_is_found_by_its_name() {
        let layout = layout();
        for coordinate in 0..layout.len() {
            let name = layout.name(coordinate);
            let (path, rest) = split(&name, |path| layout.span(path).is_some()).unwrap();
            assert_eq!(super::coordinate(layout.span(&path).unwrap(), rest), Ok(coordinate), "{name}");
        }
    }

    #[test]
    fn elements_that_are_not_there_are_told() {
        let layout = layout();
        let said = |name: &str| {
            let (path, rest) = split(name, |path| layout.span(path).is_some()).unwrap();
            coordinate(layout.span(&path).unwrap(), rest).unwrap_err()
        };
        assert_eq!(said("layers.[0]"), "layers.[0] has 6 elements: name one, such as layers.[0][0,0]");
        assert_eq!(said("layers.[0][2,0]"), "there is no element [2,0]: layers.[0] has the shape [2, 3]");
        assert_eq!(said("layers.[0][1]"), "there is no element [1]: layers.[0] has the shape [2, 3]");
        assert_eq!(said("layers.[0][-1,a]"), "'[-1,a]' is no index; one of layers.[0] looks like layers.[0][0,0]");
        assert_eq!(said("z[0]"), "z is complex: name a part of an element, such as z[0].re");
        assert_eq!(said("s.re"), "s is real and has no parts");
    }

    #[test]
    fn drawn_elements_are_of_all_leaves() {
        let layout = layout();
        let drawn = drawn(&layout, 4, 7);
        assert_eq!((drawn.len(), &drawn), (4, &super::drawn(&layout, 4, 7)));
        let leaves: Vec<usize> = drawn.iter().map(|&coordinate| layout.locate(coordinate)).collect();
        assert!((0..3).all(|leaf| leaves.contains(&leaf)), "{leaves:?}");
        assert_eq!(super::drawn(&layout, 100, 7), (0..layout.len()).collect::<Vec<_>>());
    }
}
