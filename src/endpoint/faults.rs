//! Where in a request something is wrong.

pub(super) use crate::schema::Faults;
use crate::tree::{Path, Segment};

pub(super) fn field(name: &str) -> Path {
    Path::root().join(Segment::Field(name.to_owned()))
}
