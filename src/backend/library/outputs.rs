//! Buffers the host hands out for outputs, kept and handed out again from call to call.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};

use super::abi;
use crate::schema::{Dim, Leaf, Node, Signature};
use crate::tree::{Abstract, Array, DType, Map, Path, Tree, element_count};

/// The outputs of one call frame.
pub(super) struct Outputs {
    slots: Vec<Slot>,
    /// Slots by the text of their path. Those of leaves at fixed paths come first, in schema order.
    by_path: HashMap<Box<[u8]>, usize>,
    fixed: usize,
    texts: Vec<(Path, String)>,
    /// The current call: a slot of another one was not written.
    call: u64,
    /// Whether only shapes are asked for: then the buffers stay empty.
    shapes_only: bool,
    /// Why the first request of this call that was refused was so.
    defect: Option<String>,
}

struct Slot {
    path: Path,
    dtype: DType,
    code: u32,
    shape: Box<[i64]>,
    /// Whether `words` has room for `shape`.
    fitted: bool,
    words: Vec<u64>,
    call: u64,
}

impl Outputs {
    /// No outputs yet. With `shapes_only` no memory is ever made for them.
    pub(super) fn new(signature: &Signature, shapes_only: bool) -> Outputs {
        let mut outputs = Outputs {
            slots: Vec::new(),
            by_path: HashMap::new(),
            fixed: 0,
            texts: Vec::new(),
            call: 0,
            shapes_only,
            defect: None,
        };
        for (pattern, leaf) in signature.outputs.leaves() {
            if let Some(path) = pattern.as_path() {
                outputs.add(path, leaf);
            }
        }
        outputs.fixed = outputs.slots.len();
        outputs
    }

    fn add(&mut self, path: Path, leaf: &Leaf) -> usize {
        self.by_path.insert(path.to_string().into_bytes().into(), self.slots.len());
        let (dtype, code) = (leaf.dtype, abi::code(leaf.dtype));
        self.slots.push(Slot { path, dtype, code, shape: Box::default(), fitted: false, words: Vec::new(), call: 0 });
        self.slots.len() - 1
    }

    /// Forgets what was written before.
    pub(super) fn begin(&mut self) {
        self.call += 1;
        self.texts.clear();
        self.defect = None;
    }

    /// Whether a buffer was refused in this call.
    #[inline]
    pub(super) fn is_defective(&self) -> bool {
        self.defect.is_some()
    }

    /// Why a buffer was refused in this call.
    pub(super) fn defect(&mut self) -> Option<String> {
        self.defect.take()
    }

    /// The buffer of a slot, made to fit; null with a reason kept if it cannot be had.
    ///
    /// # Safety
    /// `shape` points to `ndim` lengths, or `ndim` is 0.
    pub(super) unsafe fn at(
        &mut self,
        signature: &Signature,
        index: usize,
        code: u32,
        ndim: u32,
        shape: *const i64,
    ) -> *mut c_void {
        if index >= self.fixed {
            let count = self.fixed;
            return self.refuse(format!("output_at asks for output {index}, but there are {count}"));
        }
        // SAFETY: handed on.
        unsafe { self.slot(signature, index, code, ndim, shape) }
    }

    /// As [`Outputs::at`], by path.
    ///
    /// # Safety
    /// As [`Outputs::at`]; `path` is a NUL-terminated text.
    pub(super) unsafe fn named(
        &mut self,
        signature: &Signature,
        path: *const c_char,
        code: u32,
        ndim: u32,
        shape: *const i64,
    ) -> *mut c_void {
        if path.is_null() {
            return self.refuse("output asks for a NULL path".to_owned());
        }
        // SAFETY: the caller vouches for the text.
        let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
        let index = match self.by_path.get(bytes) {
            Some(&index) => index,
            None => {
                let text = String::from_utf8_lossy(bytes);
                let path = match text.parse::<Path>() {
                    Ok(path) => path,
                    Err(error) => return self.refuse(error.to_string()),
                };
                // A path may be spelt in more than one way.
                match (self.index(&path), signature.outputs.leaf(&path)) {
                    (Some(index), _) => index,
                    (None, Some(leaf)) => self.add(path, leaf),
                    (None, None) => return self.refuse(format!("the output schema has no array at '{path}'")),
                }
            }
        };
        // SAFETY: handed on.
        unsafe { self.slot(signature, index, code, ndim, shape) }
    }

    unsafe fn slot(
        &mut self,
        signature: &Signature,
        index: usize,
        code: u32,
        ndim: u32,
        shape: *const i64,
    ) -> *mut c_void {
        let shape: &[i64] = if ndim == 0 {
            &[]
        } else if shape.is_null() {
            return self.refuse("a shape is NULL".to_owned());
        } else {
            // SAFETY: not null, and the caller vouches for `ndim` lengths.
            unsafe { std::slice::from_raw_parts(shape, ndim as usize) }
        };
        let slot = &mut self.slots[index];
        // Compared one by one: shapes are too short for a call of memcmp.
        let same = slot.fitted && slot.shape.len() == shape.len() && slot.shape.iter().zip(shape).all(|(a, b)| a == b);
        if (slot.code != code || !same)
            && let Err(reason) = slot.fit(signature, code, shape, self.shapes_only)
        {
            let reason = format!("output {}: {reason}", slot.path);
            return self.refuse(reason);
        }
        let slot = &mut self.slots[index];
        slot.call = self.call;
        slot.words.as_mut_ptr().cast()
    }

    fn refuse(&mut self, reason: String) -> *mut c_void {
        self.defect.get_or_insert(reason);
        std::ptr::null_mut()
    }

    /// Takes a non-numeric output; a reason if it cannot be.
    pub(super) fn text(&mut self, path: &CStr, json: &CStr) -> Result<(), String> {
        let path: Path = path.to_string_lossy().parse().map_err(|error| format!("{error}"))?;
        let json = json.to_str().map_err(|_| format!("output {path}: its JSON is not UTF-8"))?;
        serde_json::from_str::<serde::de::IgnoredAny>(json)
            .map_err(|error| format!("output {path}: {error} in {json:?}"))?;
        self.texts.push((path, json.to_owned()));
        Ok(())
    }

    pub(super) fn note(&mut self, reason: String) {
        self.defect.get_or_insert(reason);
    }

    /// The slot of a leaf, if it has ever been written.
    pub(super) fn index(&self, path: &Path) -> Option<usize> {
        self.by_path.get(path.to_string().as_bytes()).copied()
    }

    /// What was written to a slot in this call: dtype, shape and buffer.
    pub(super) fn written(&self, index: usize) -> Option<(DType, &[i64], &[u64])> {
        let slot = &self.slots[index];
        (slot.call == self.call).then_some((slot.dtype, &slot.shape, &slot.words))
    }

    /// All that was written in this call, as a tree.
    pub(super) fn tree(&self, signature: &Signature) -> Result<Tree, String> {
        self.collect(signature, |slot| {
            let shape: Vec<_> = slot.shape.iter().map(|&d| d as usize).collect();
            let count = shape.iter().product::<usize>() * slot.dtype.size();
            let bytes = &bytemuck::cast_slice::<u64, u8>(&slot.words)[..count];
            Array::from_bytes(slot.dtype, &shape, bytes)
        })
    }

    /// The shapes of all that was declared in this call.
    pub(super) fn shapes(&self, signature: &Signature) -> Result<Tree<Abstract>, String> {
        self.collect(signature, |slot| {
            let shape = slot.shape.iter().map(|&d| d as usize).collect();
            Some(Abstract { dtype: slot.dtype, shape })
        })
    }

    fn collect<A>(&self, signature: &Signature, leaf: impl Fn(&Slot) -> Option<A>) -> Result<Tree<A>, String> {
        let mut tree = Tree::Struct(Map::new());
        for slot in self.slots.iter().filter(|slot| slot.call == self.call) {
            let leaf = leaf(slot).ok_or_else(|| format!("output {} is larger than memory", slot.path))?;
            if !tree.insert(&slot.path, Tree::Leaf(leaf)) {
                return Err(format!("output {} came before the list elements it follows", slot.path));
            }
        }
        for (path, text) in &self.texts {
            if !tree.insert(path, Tree::Text(text.as_str().into())) {
                return Err(format!("output {path} has no place among the others"));
            }
        }
        add_empty(&signature.outputs, &mut tree);
        Ok(tree)
    }
}

/// Adds the dictionaries and lists that must be there and of which no element was written: they have none.
fn add_empty<A>(node: &Node, tree: &mut Tree<A>) {
    if let (Node::Dict(_), Tree::Struct(map)) = (node, &*tree)
        && map.is_empty()
    {
        *tree = Tree::Dict(Map::new());
    }
    let (Node::Struct { fields, .. }, Tree::Struct(map)) = (node, tree) else { return };
    for (name, field) in fields {
        match (map.get_mut(name), &field.node) {
            (Some(below), node) => add_empty(node, below),
            (None, Node::Dict(_)) if field.required => {
                map.insert(name.clone(), Tree::Dict(Map::new()));
            }
            (None, Node::List { .. }) if field.required => {
                map.insert(name.clone(), Tree::List(Vec::new()));
            }
            (None, _) => {}
        }
    }
}

impl Slot {
    /// Takes another shape, if the schema allows it.
    fn fit(&mut self, signature: &Signature, code: u32, shape: &[i64], shapes_only: bool) -> Result<(), String> {
        if code != self.code {
            let name = abi::dtype(code).map_or_else(|| format!("dtype number {code}"), |dtype| dtype.to_string());
            return Err(format!("the model gives {name}, the schema says {}", self.dtype));
        }
        let Some(leaf) = signature.outputs.leaf(&self.path) else { return Err("is not in the schema".to_owned()) };
        let sizes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let sizes = sizes.ok_or_else(|| format!("the shape {shape:?} has a negative length"))?;
        if let Some(dims) = &leaf.shape {
            let fits = dims.len() == sizes.len()
                && dims.iter().zip(&sizes).all(|(dim, &size)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size));
            if !fits {
                return Err(format!("the model gives shape {shape:?}, the schema says {}", leaf.shape_text()));
            }
        }
        if !shapes_only {
            let too_large = || format!("the model asks for an array of shape {shape:?}, more than memory holds");
            let bytes = element_count(&sizes).and_then(|n| n.checked_mul(self.dtype.size())).ok_or_else(too_large)?;
            let words = bytes.div_ceil(8);
            self.fitted = false;
            self.words.clear();
            self.words.try_reserve_exact(words).map_err(|_| too_large())?;
            self.words.resize(words, 0);
        }
        self.shape = shape.into();
        self.fitted = true;
        Ok(())
    }
}
