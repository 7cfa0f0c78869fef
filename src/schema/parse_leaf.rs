//! The keywords of one numeric leaf: `dtype`, `shape`, bounds, `scale`, `differentiable`.
//!
//! Not where leaves are (`parse`).

use serde_json::Value;

use crate::tree::{DType, Kind};

use super::leaf::{Bound, Dim, Leaf, Limits};
use super::node::Node;
use super::parse::Parser;
use super::resolve::View;

impl<'a> Parser<'a, '_> {
    /// The leaf that nested lists of numbers are: `layers` are their schemas, outermost first, the
    /// number's last, and `lists` the limits of each list.
    pub(super) fn leaf(&mut self, layers: &[View<'a>], lists: &[Limits]) -> Node {
        let dtype = self.dtype(layers);
        let shape = self.shape(&layers[0], lists);
        let differentiable = layers.iter().find_map(|layer| layer.get("differentiable"));
        let differentiable = differentiable == Some(&&Value::Bool(true));
        if differentiable && !dtype.is_continuous() {
            let message =
                format!("marks an array of {dtype}: only floating-point and complex leaves can be differentiable");
            self.error("differentiable", message);
        }
        let text = layers[0].get("description").and_then(|text| text.as_str());
        let mut leaf = Leaf {
            dtype,
            shape,
            differentiable,
            minimum: None,
            maximum: None,
            scale: self.number(layers, "scale"),
            description: text.map(str::to_owned),
        };
        if leaf.scale.is_some_and(|scale| scale <= 0.0) {
            self.error("scale", "is not positive");
        }
        self.bounds(&mut leaf, layers);
        Node::Leaf(leaf)
    }

    fn dtype(&mut self, layers: &[View<'a>]) -> DType {
        let kind = layers.last().and_then(|layer| layer.get("type")).and_then(|kind| kind.as_str());
        let natural = match kind {
            Some("integer") => DType::Int64,
            Some("boolean") => DType::Bool,
            _ => DType::Float64,
        };
        let mut named = layers.iter().filter_map(|layer| layer.get("dtype"));
        let Some(&name) = named.next() else { return natural };
        if let Some(other) = named.find(|other| **other != name) {
            self.error("dtype", format!("is both {name} and {other}"));
        }
        let dtype = match name.as_str().map(str::parse::<DType>) {
            Some(Ok(dtype)) => dtype,
            Some(Err(unknown)) => {
                self.error("dtype", unknown);
                return natural;
            }
            None => {
                self.error("dtype", format!("{name} is not the name of a dtype"));
                return natural;
            }
        };
        let fits = match kind {
            Some("integer") => dtype.kind() == Kind::Integer,
            Some("boolean") => dtype == DType::Bool,
            Some("number") => dtype != DType::Bool,
            _ => true,
        };
        if !fits {
            self.error("dtype", format!("{dtype} contradicts type {}", kind.unwrap_or_default()));
        }
        dtype
    }

    /// The dimensions: what the nested lists say and what `shape` says, which must agree.
    fn shape(&mut self, outer: &View<'a>, lists: &[Limits]) -> Option<Vec<Dim>> {
        let is_list = outer.get("type").is_some_and(|kind| *kind == "array");
        let listed = || lists.iter().map(|limits| dimension(&Value::Null, *limits)).collect::<Option<Vec<_>>>();
        let Some(&shape) = outer.get("shape") else {
            if is_list && lists.is_empty() && (outer.contains_key("minItems") || outer.contains_key("maxItems")) {
                self.error("shape", "is needed beside minItems and maxItems when there are no 'items'");
            }
            // A list of who knows what rank, or else the nested lists as they are.
            return if is_list && lists.is_empty() { None } else { listed() };
        };
        let entries = match shape {
            Value::Null if lists.is_empty() => return None,
            Value::Null => return listed(),
            Value::Array(entries) => entries,
            _ => {
                self.error("shape", format!("{shape} is no list of lengths, names and nulls, nor null for any rank"));
                return None;
            }
        };
        if is_list && entries.is_empty() {
            self.error("shape", "[] is a scalar, which contradicts type array");
        }
        if !lists.is_empty() && lists.len() != entries.len() {
            self.error("shape", format!("has {} dimensions, but 'items' nest {} deep", entries.len(), lists.len()));
            return None;
        }
        let limits = |index: usize| lists.get(index).copied().unwrap_or_default();
        let dims: Vec<_> = entries.iter().enumerate().map(|(index, entry)| dimension(entry, limits(index))).collect();
        for (entry, _) in entries.iter().zip(&dims).filter(|(_, dim)| dim.is_none()) {
            self.error("shape", format!("{entry} is no length that 'items' allow, no name, nor null"));
        }
        dims.into_iter().collect()
    }

    fn number(&mut self, layers: &[View<'a>], keyword: &str) -> Option<f64> {
        let &value = layers.iter().find_map(|layer| layer.get(keyword))?;
        if value.as_f64().is_none() {
            self.error(keyword, format!("{value} is no number"));
        }
        value.as_f64()
    }

    fn bounds(&mut self, leaf: &mut Leaf, layers: &[View<'a>]) {
        const KEYWORDS: [&str; 4] = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"];
        let [minimum, above, maximum, below] = KEYWORDS.map(|keyword| self.number(layers, keyword));
        if let Some(keyword) = KEYWORDS.iter().find(|keyword| layers.iter().any(|layer| layer.contains_key(**keyword)))
            && matches!(leaf.dtype.kind(), Kind::Bool | Kind::Complex)
        {
            return self.error(keyword, format!("{} values have no order", leaf.dtype));
        }
        let bound = |closed: Option<f64>, open: Option<f64>, open_is_tighter: fn(f64, f64) -> bool| match (closed, open)
        {
            (Some(closed), Some(open)) if !open_is_tighter(open, closed) => Some((closed, false)),
            (_, Some(open)) => Some((open, true)),
            (closed, None) => closed.map(|limit| (limit, false)),
        };
        let declared = |(limit, exclusive)| Bound { limit, exclusive };
        leaf.minimum = bound(minimum, above, |open, closed| open >= closed).map(declared);
        leaf.maximum = bound(maximum, below, |open, closed| open <= closed).map(declared);
        let (lower, upper) = (leaf.lower().unwrap_or(f64::NEG_INFINITY), leaf.upper().unwrap_or(f64::INFINITY));
        if lower > upper || lower == f64::INFINITY || upper == f64::NEG_INFINITY {
            let keyword = match (leaf.minimum, leaf.maximum) {
                (Some(bound), _) => KEYWORDS[usize::from(bound.exclusive)],
                (None, bound) => KEYWORDS[2 + usize::from(bound.is_some_and(|bound| bound.exclusive))],
            };
            self.error(keyword, format!("no {} lies within [{lower}, {upper}]", leaf.dtype));
        }
    }
}

/// The dimension of one entry of `shape` within what the list's limits allow.
fn dimension(entry: &Value, limits: Limits) -> Option<Dim> {
    match entry {
        Value::Null if limits.max == Some(limits.min) => Some(Dim::Fixed(limits.min)),
        Value::Null => Some(Dim::Any(limits)),
        Value::String(name) if !name.is_empty() => Some(Dim::Named(name.clone(), limits)),
        entry => {
            let length = entry.as_u64().and_then(|length| usize::try_from(length).ok())?;
            limits.allow(length).then_some(Dim::Fixed(length))
        }
    }
}
