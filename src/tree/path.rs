//! Paths into a tree (`mesh.points`, `layers.[0]`, `fields.{any key}`) and patterns of them
//! (`layers.[]`, `fields.{}`). Their text form is parsed here and nowhere else.
//!
//! Inside braces `{`, `}` and `\` are escaped with `\`; everything else there is literal, dots included.

use std::fmt;
use std::str::FromStr;

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A field of a struct: `name`.
    Field(String),
    /// An element of a list or tuple: `[3]`.
    Index(usize),
    /// An entry of a dictionary: `{key}`.
    Key(String),
}

/// Where a value sits in a tree. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Segment>);

/// One step of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PatternSegment {
    /// Exactly this step.
    Exactly(Segment),
    /// Any element of a list: `[]`.
    AnyIndex,
    /// Any entry of a dictionary: `{}`.
    AnyKey,
}

/// A path in which list indices and dictionary keys may be left open. A path is a pattern of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pattern(Vec<PatternSegment>);

/// Why a text is not a path or pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a path: {reason} (paths look like a.b, list.[0], dict.{{key}})")]
pub struct PathError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Path {
    /// The empty path.
    pub fn root() -> Path {
        Path::default()
    }

    /// Its steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes one step down.
    pub fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// Goes one step up.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// This path and one more step.
    pub fn join(&self, segment: Segment) -> Path {
        let mut path = self.clone();
        path.push(segment);
        path
    }
}

impl Pattern {
    /// Its steps.
    pub fn segments(&self) -> &[PatternSegment] {
        &self.0
    }

    /// Goes one step down.
    pub fn push(&mut self, segment: PatternSegment) {
        self.0.push(segment);
    }

    /// Goes one step up.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// Whether `path` is one of the paths meant.
    pub fn matches(&self, path: &Path) -> bool {
        self.0.len() == path.0.len()
            && self.0.iter().zip(&path.0).all(|(pattern, segment)| match (pattern, segment) {
                (PatternSegment::Exactly(expected), segment) => expected == segment,
                (PatternSegment::AnyIndex, Segment::Index(_)) | (PatternSegment::AnyKey, Segment::Key(_)) => true,
                _ => false,
            })
    }

    /// The one path meant, if nothing is left open.
    pub fn as_path(&self) -> Option<Path> {
        self.0
            .iter()
            .map(|segment| match segment {
                PatternSegment::Exactly(segment) => Some(segment.clone()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Path)
    }
}

impl From<Path> for Pattern {
    fn from(path: Path) -> Pattern {
        Pattern(path.0.into_iter().map(PatternSegment::Exactly).collect())
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    f.write_str("{")?;
    for c in key.chars() {
        if matches!(c, '{' | '}' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("}")
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Field(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Key(key) => write_key(f, key),
        }
    }
}

impl fmt::Display for PatternSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternSegment::Exactly(segment) => segment.fmt(f),
            PatternSegment::AnyIndex => f.write_str("[]"),
            PatternSegment::AnyKey => f.write_str("{}"),
        }
    }
}

fn write_dotted<T: fmt::Display>(f: &mut fmt::Formatter<'_>, segments: &[T]) -> fmt::Result {
    for (i, segment) in segments.iter().enumerate() {
        if i > 0 {
            f.write_str(".")?;
        }
        segment.fmt(f)?;
    }
    Ok(())
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_dotted(f, &self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_dotted(f, &self.0)
    }
}

impl FromStr for Pattern {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Pattern, PathError> {
        let fail = |reason: String| PathError { text: text.to_owned(), reason };
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, tail) = if let Some(inner) = rest.strip_prefix('{') {
                let (key, tail) = unescape_key(inner).map_err(&fail)?;
                let segment = match key {
                    None => PatternSegment::AnyKey,
                    Some(key) => PatternSegment::Exactly(Segment::Key(key)),
                };
                (segment, tail)
            } else if let Some(inner) = rest.strip_prefix('[') {
                let end = inner.find(']').ok_or_else(|| fail("a '[' is not closed".into()))?;
                let index = &inner[..end];
                let segment = if index.is_empty() {
                    PatternSegment::AnyIndex
                } else if index.bytes().all(|b| b.is_ascii_digit()) {
                    let index = index.parse().map_err(|_| fail(format!("index {index} is too large")))?;
                    PatternSegment::Exactly(Segment::Index(index))
                } else {
                    return Err(fail(format!("'[{index}]' is not an index")));
                };
                (segment, &inner[end + 1..])
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                let name = &rest[..end];
                if name.is_empty() {
                    return Err(fail("a name is empty".into()));
                }
                if let Some(c) = name.chars().find(|c| "{}[]\\".contains(*c)) {
                    return Err(fail(format!("'{c}' in the name '{name}'")));
                }
                (PatternSegment::Exactly(Segment::Field(name.to_owned())), &rest[end..])
            };
            segments.push(segment);
            if tail.is_empty() {
                return Ok(Pattern(segments));
            }
            rest = tail.strip_prefix('.').ok_or_else(|| fail(format!("a dot is missing before '{tail}'")))?;
        }
    }
}

/// The key up to the closing brace (`None` for `{}`), and what follows the brace.
fn unescape_key(text: &str) -> Result<(Option<String>, &str), String> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '}' if at == 0 => return Ok((None, &text[1..])),
            '}' => return Ok((Some(key), &text[at + 1..])),
            '{' => return Err("an unescaped '{' inside a key".into()),
            '\\' => key.push(chars.next().ok_or("a '\\' at the end")?.1),
            c => key.push(c),
        }
    }
    Err("a '{' is not closed".into())
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Path, PathError> {
        text.parse::<Pattern>()?.as_path().ok_or_else(|| PathError {
            text: text.to_owned(),
            reason: "'[]' and '{}' stand for any element, but one is needed".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_may_hold_anything() {
        let path: Path = r"fields.{a.b \{\}\\ é}.[3].x".parse().unwrap();
        assert_eq!(
            path.segments(),
            [
                Segment::Field("fields".into()),
                Segment::Key(r"a.b {}\ é".into()),
                Segment::Index(3),
                Segment::Field("x".into())
            ]
        );
        assert_eq!(path.to_string(), r"fields.{a.b \{\}\\ é}.[3].x");
    }

    #[test]
    fn bad_paths_say_why() {
        for (text, reason) in [
            ("", "empty"),
            ("a..b", "empty"),
            ("a.[x]", "not an index"),
            ("a.[-1]", "not an index"),
            ("a.{k", "not closed"),
            ("a.{k}b", "dot is missing"),
            ("a[0]", "'[' in the name"),
            ("a.[]", "any element"),
            ("a.[99999999999999999999]", "too large"),
        ] {
            let error = text.parse::<Path>().unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn patterns_match_their_paths() {
        let pattern: Pattern = "a.{}.[].x".parse().unwrap();
        assert!(pattern.matches(&"a.{k}.[7].x".parse().unwrap()));
        assert!(!pattern.matches(&"a.b.[7].x".parse().unwrap()));
        assert!(!pattern.matches(&"a.{k}.[7]".parse().unwrap()));
    }

    fn segment() -> impl Strategy<Value = Segment> {
        prop_oneof![
            "[a-zA-Z_][a-zA-Z0-9_]{0,6}".prop_map(Segment::Field),
            any::<usize>().prop_map(Segment::Index),
            "\\PC{1,8}".prop_map(Segment::Key),
        ]
    }

    proptest! {
        #[test]
        fn a_path_survives_its_text(segments in prop::collection::vec(segment(), 1..6)) {
            let path = Path(segments);
            prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
        }

        #[test]
        fn any_text_parses_or_is_refused(text in "[a.\\[\\]{}\\\\0-9é]{0,16}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
            }
        }
    }
}
