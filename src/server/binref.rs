//! Arrays in files of one folder, named in JSON by `path:offset:size`: read into requests, written for
//! replies. Nothing outside the folder is ever reached, whatever a path says and whatever links lie in it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path as FilePath;

use axum::http::StatusCode;
use base64_simd::STANDARD;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use serde_json::{Map, Value, json};

use super::fresh_id;
use super::reply::{self, Reply};
use crate::codec;
use crate::endpoint::{Answer, Block, Piece};
use crate::schema::Violation;
use crate::tree::{DType, Path, Segment, element_count};

/// Past this many bytes another file is begun.
const LARGEST_FILE: u64 = 100 << 20;

/// What a `run_id` may be, as a regular expression.
pub(super) const RUN_ID: &str = "^[A-Za-z0-9_-]{1,128}$";

/// The folder.
pub(super) struct Folder(Dir);

/// The folder's subfolder that a request's arrays go to.
pub(super) struct Run(String);

impl Run {
    /// The one that the query `run_id=...` names, or one of its own.
    pub(super) fn named(query: Option<&str>) -> Result<Run, Box<Reply>> {
        let given = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("run_id="));
        let Some(given) = given else { return Ok(Run(fresh_id())) };
        let fits = (1..=128).contains(&given.len())
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if fits {
            return Ok(Run(given.to_owned()));
        }
        let message = "Value error, a run_id has letters, digits, - and _ only, at most 128 of them";
        let entry = json!({"type": "value_error", "loc": ["query", "run_id"], "msg": message});
        Err(Box::new(reply::detail(StatusCode::UNPROCESSABLE_ENTITY, vec![entry])))
    }
}

impl Folder {
    /// Opens the folder, and makes it if it is not there.
    pub(super) fn open(path: &FilePath) -> Result<Folder, String> {
        let opened = std::fs::create_dir_all(path).and_then(|()| Dir::open_ambient_dir(path, ambient_authority()));
        opened.map(Folder).map_err(|error| format!("the folder for binref, {}: {error}", path.display()))
    }

    /// Puts the bytes of every array that a request names by file in its place, `most` of them together. What is wrong
    /// comes back.
    pub(super) fn inline(&self, body: &mut Value, most: usize) -> Vec<Violation> {
        let mut inlining = Inlining { folder: self, most, left: most as u64, faults: Vec::new() };
        inlining.below(body, &mut Path::root());
        inlining.faults
    }

    fn read(&self, path: &str, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        // Looked at before it is opened: to open a pipe waits for who writes to it.
        if !self.0.metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut file = self.0.open(path)?;
        // Told by the file, not by the request, so that a mistaken size costs no memory.
        let length = file.metadata()?.len();
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err(io::Error::other(format!("it has {length} bytes, not {size} from {offset}")));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes an answer whose arrays go to files.
    pub(super) fn write(&self, out: &mut Vec<u8>, answer: &Answer, run: &Run, lz4: bool) -> io::Result<()> {
        let mut files = Files { folder: &self.0, run: format!("run_{}", run.0), lz4, open: None };
        let mut outcome = Ok(());
        answer.write_with(out, &mut |out, piece| {
            if outcome.is_ok() {
                outcome = files.put(out, &piece);
            }
        });
        outcome
    }
}

/// A request whose files are being read.
struct Inlining<'f> {
    folder: &'f Folder,
    /// How many bytes there may be, and how many more.
    most: usize,
    left: u64,
    faults: Vec<Violation>,
}

impl Inlining<'_> {
    fn below(&mut self, value: &mut Value, path: &mut Path) {
        match value {
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(Segment::Index(index));
                    self.below(item, path);
                    path.pop();
                }
            }
            Value::Object(object) if is_binref(object) => {
                if let Err(reason) = self.array(object) {
                    let message = format!("Failed to decode array buffer (binref encoding): {reason}");
                    self.faults.push(Violation { path: path.clone(), code: "array_decode_error", message });
                }
            }
            Value::Object(object) => {
                for (key, item) in object {
                    path.push(Segment::Key(key.clone()));
                    self.below(item, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn array(&mut self, object: &mut Map<String, Value>) -> Result<(), String> {
        let dtype = codec::read_dtype(object.get("dtype")).map_err(|error| error.to_string())?;
        let shape = codec::read_shape(object.get("shape")).map_err(|error| error.to_string())?;
        let Some(Value::Object(data)) = object.get_mut("data") else { return Err("it has no data".to_owned()) };
        let Some(buffer) = data.get("buffer").and_then(Value::as_str) else {
            return Err("its buffer is no text".to_owned());
        };
        let compressed = data.get("compression").is_some_and(|compression| !compression.is_null());
        let (path, offset, size) = parse(buffer)?;
        let size = match (size, compressed) {
            (Some(size), _) => size,
            (None, true) => return Err("with a compression it is path:offset:size".to_owned()),
            (None, false) => element_count(&shape)
                .and_then(|count| count.checked_mul(dtype.size()))
                .and_then(|size| u64::try_from(size).ok())
                .ok_or("its shape is larger than memory")?,
        };
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            format!("the files of one request have more than {} bytes together (--body-limit)", self.most)
        })?;
        let bytes = self.folder.read(path, offset, size).map_err(|error| format!("{path}: {error}"))?;
        data.insert("buffer".to_owned(), Value::from(STANDARD.encode_to_string(&bytes)));
        data.insert("encoding".to_owned(), Value::from("base64"));
        Ok(())
    }
}

fn is_binref(object: &Map<String, Value>) -> bool {
    object.get("data").and_then(|data| data.get("encoding")).is_some_and(|encoding| encoding == "binref")
}

/// `<path>[:<offset>[:<size>]]`
fn parse(buffer: &str) -> Result<(&str, u64, Option<u64>), String> {
    let mut parts = buffer.split(':');
    let path = parts.next().filter(|path| !path.is_empty()).ok_or("it names no file")?;
    let mut number = || parts.next().map(str::parse::<u64>).transpose();
    match (number(), number()) {
        (Ok(offset), Ok(size)) if parts.next().is_none() => Ok((path, offset.unwrap_or(0), size)),
        _ => Err(format!("'{buffer}' is not path:offset:size")),
    }
}

/// The files of one reply.
struct Files<'f> {
    folder: &'f Dir,
    run: String,
    lz4: bool,
    /// The file being written, its name, and its length so far.
    open: Option<(File, String, u64)>,
}

impl Files<'_> {
    fn put(&mut self, out: &mut Vec<u8>, piece: &Piece<'_>) -> io::Result<()> {
        match piece {
            Piece::Array(array) => self.append(out, array.dtype(), array.shape(), array.bytes()),
            Piece::Block(Block::Real(view)) => {
                let values: Vec<f64> = view.iter().copied().collect();
                self.append(out, DType::Float64, view.shape(), bytemuck::cast_slice(&values))
            }
            Piece::Block(Block::Complex(array)) => {
                let values: Vec<_> = array.iter().copied().collect();
                self.append(out, DType::Complex128, array.shape(), bytemuck::cast_slice(&values))
            }
        }
    }

    fn append(&mut self, out: &mut Vec<u8>, dtype: DType, shape: &[usize], bytes: &[u8]) -> io::Result<()> {
        let compressed = self.lz4.then(|| codec::lz4(bytes));
        let bytes = compressed.as_deref().unwrap_or(bytes);
        if self.open.as_ref().is_none_or(|(_, _, length)| *length > LARGEST_FILE) {
            self.folder.create_dir_all(&self.run)?;
            let name = format!("{}/{}.bin", self.run, fresh_id());
            self.open = Some((self.folder.create(&name)?, name, 0));
        }
        let Some((file, name, length)) = &mut self.open else { unreachable!("just opened") };
        file.write_all(bytes)?;
        let mut buffer = format!("{name}:{length}");
        if self.lz4 {
            buffer += &format!(":{}", bytes.len());
        }
        *length += bytes.len() as u64;
        codec::write_reference(out, dtype, shape, &buffer, self.lz4);
        Ok(())
    }
}
