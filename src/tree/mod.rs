//! Values: what goes into a model and comes out of it, as a tree whose leaves are arrays.
//!
//! Not here: JSON (that is `codec`), schemas (`schema`), and anything that evaluates. This room
//! imports nothing of the crate.

mod array;
mod dtype;
mod layout;
mod path;

pub use array::{Array, Element};
pub(crate) use array::{element_count, read_coordinates, write_coordinate};
pub use dtype::{DType, Kind};
pub use layout::{Layout, Span};
pub use path::{Path, PathError, Pattern, PatternSegment, Segment};

use std::sync::Arc;

use indexmap::IndexMap;

/// The fields of a struct or the entries of a dictionary, in order.
pub type Map<A> = IndexMap<String, Tree<A>>;

/// A value of a model: nested structs, dictionaries and lists whose leaves are arrays (or, in an
/// abstract evaluation, just their dtypes and shapes).
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<A = Array> {
    /// A numeric leaf; a scalar is an array of shape `[]`.
    Leaf(A),
    /// Named fields fixed by the schema: paths `a.b`.
    Struct(Map<A>),
    /// Free keys: paths `a.{key}`.
    Dict(Map<A>),
    /// A list or tuple: paths `a.[0]`.
    List(Vec<Tree<A>>),
    /// Anything that is not numeric (a string, a flag, null, ...) as JSON text, passed through untouched.
    Text(Arc<str>),
}

/// What is known of an array before it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Abstract {
    /// Its element type.
    pub dtype: DType,
    /// Its dimensions.
    pub shape: Box<[usize]>,
}

impl<A> Tree<A> {
    /// The subtree at `path`, if there is one.
    pub fn get(&self, path: &Path) -> Option<&Tree<A>> {
        path.segments().iter().try_fold(self, |tree, segment| match (tree, segment) {
            (Tree::Struct(map), Segment::Field(name)) => map.get(name),
            (Tree::Dict(map), Segment::Key(key)) => map.get(key),
            (Tree::List(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    /// The subtree at `path`, to be changed.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Tree<A>> {
        path.segments().iter().try_fold(self, |tree, segment| match (tree, segment) {
            (Tree::Struct(map), Segment::Field(name)) => map.get_mut(name),
            (Tree::Dict(map), Segment::Key(key)) => map.get_mut(key),
            (Tree::List(items), Segment::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The leaf at `path`, if there is one.
    pub fn leaf(&self, path: &Path) -> Option<&A> {
        match self.get(path)? {
            Tree::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// The leaf at `path`, to be changed.
    pub fn leaf_mut(&mut self, path: &Path) -> Option<&mut A> {
        match self.get_mut(path)? {
            Tree::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// Puts a subtree at `path`, making the structs, dictionaries and lists on the way. False if
    /// something of another form is in the way, or a list would get a hole.
    pub fn insert(&mut self, path: &Path, subtree: Tree<A>) -> bool {
        let mut tree = self;
        for segment in path.segments() {
            // A container made on the way takes the form of the first step into it.
            if matches!(&*tree, Tree::Struct(map) if map.is_empty()) {
                match segment {
                    Segment::Field(_) => {}
                    Segment::Key(_) => *tree = Tree::Dict(Map::new()),
                    Segment::Index(_) => *tree = Tree::List(Vec::new()),
                }
            }
            let unmade = || Tree::Struct(Map::new());
            tree = match (tree, segment) {
                (Tree::Struct(map), Segment::Field(key)) | (Tree::Dict(map), Segment::Key(key)) => {
                    map.entry(key.clone()).or_insert_with(unmade)
                }
                (Tree::List(items), Segment::Index(index)) if *index <= items.len() => {
                    if *index == items.len() {
                        items.push(unmade());
                    }
                    &mut items[*index]
                }
                _ => return false,
            };
        }
        *tree = subtree;
        true
    }

    /// Every leaf with its path, in order.
    pub fn leaves(&self) -> Vec<(Path, &A)> {
        let mut found = Vec::new();
        self.visit(&mut Path::root(), &mut |path, node| {
            if let Tree::Leaf(leaf) = node {
                found.push((path.clone(), leaf));
            }
        });
        found
    }

    /// Every non-numeric value with its path, in order, as JSON text.
    pub fn texts(&self) -> Vec<(Path, &str)> {
        let mut found = Vec::new();
        self.visit(&mut Path::root(), &mut |path, node| {
            if let Tree::Text(text) = node {
                found.push((path.clone(), &**text));
            }
        });
        found
    }

    fn visit<'t>(&'t self, path: &mut Path, act: &mut impl FnMut(&Path, &'t Tree<A>)) {
        act(path, self);
        match self {
            Tree::Leaf(_) | Tree::Text(_) => {}
            Tree::Struct(map) => {
                for (name, child) in map {
                    path.push(Segment::Field(name.clone()));
                    child.visit(path, act);
                    path.pop();
                }
            }
            Tree::Dict(map) => {
                for (key, child) in map {
                    path.push(Segment::Key(key.clone()));
                    child.visit(path, act);
                    path.pop();
                }
            }
            Tree::List(items) => {
                for (index, child) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    child.visit(path, act);
                    path.pop();
                }
            }
        }
    }

    /// The same tree with each leaf replaced.
    pub fn map<B>(&self, f: &mut impl FnMut(&A) -> B) -> Tree<B> {
        match self {
            Tree::Leaf(leaf) => Tree::Leaf(f(leaf)),
            Tree::Struct(map) => Tree::Struct(map.iter().map(|(k, v)| (k.clone(), v.map(f))).collect()),
            Tree::Dict(map) => Tree::Dict(map.iter().map(|(k, v)| (k.clone(), v.map(f))).collect()),
            Tree::List(items) => Tree::List(items.iter().map(|v| v.map(f)).collect()),
            Tree::Text(text) => Tree::Text(text.clone()),
        }
    }
}

impl<A> Tree<A> {
    /// A struct of the given fields.
    pub fn fields<S: Into<String>>(fields: impl IntoIterator<Item = (S, Tree<A>)>) -> Tree<A> {
        Tree::Struct(fields.into_iter().map(|(name, child)| (name.into(), child)).collect())
    }
}

impl From<Array> for Tree {
    fn from(array: Array) -> Tree {
        Tree::Leaf(array)
    }
}

impl From<f64> for Tree {
    fn from(value: f64) -> Tree {
        Tree::Leaf(Array::scalar(value))
    }
}
