//! From a file to a table that can be called: ELF header, `dlopen`, the one symbol, versions.
//!
//! A library is never closed: threads, thread-local destructors and `atexit` handlers of its own may
//! outlive any use we know of.

use std::ffi::CStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use object::elf::{DT_NEEDED, EM_386, EM_AARCH64, EM_RISCV, EM_X86_64, ET_DYN, FileHeader64, Machine};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, LittleEndian};

use super::abi::{self, Table};

/// Why a library is no model.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LoadError {
    /// The library.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Loads `path` and returns its table and the address of that, which is the same however the library is
/// reached. The table is checked: version, size, and the four functions every model has.
pub(super) fn load(path: &Path) -> Result<(Table, usize), LoadError> {
    let fail = |reason: String| LoadError { path: path.to_owned(), reason };
    check_format(path).map_err(fail)?;
    // Without a slash the loader would search its own paths.
    let absolute = std::path::absolute(path).map_err(|error| fail(error.to_string()))?;
    // SAFETY: loading runs the library's initialisers. Whoever puts a library among the plugins trusts
    // it; `isolation = "process"` is for the others, and then this process is a worker.
    let library = unsafe { libloading::Library::new(&absolute) };
    let library = library.map_err(|error| fail(format!("the loader says: {}{}", chain(&error), missing(path))))?;
    let pointer = {
        // SAFETY: the header declares the symbol with this type. That the library keeps to it is what
        // exporting that name promises.
        let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const Table>(abi::SYMBOL.as_bytes()) };
        let entry = entry.map_err(|_| {
            fail(format!(
                "it does not export {}(): a model returns its table there (see secant.h); \
                 in C++ it needs extern \"C\"",
                abi::SYMBOL
            ))
        })?;
        // SAFETY: as above.
        unsafe { entry() }
    };
    std::mem::forget(library);
    let table = read_table(pointer).map_err(fail)?;
    Ok((table, pointer.addr()))
}

/// How every version of the table begins.
#[repr(C)]
struct Start {
    size: u32,
    major: u16,
    minor: u16,
}

/// Copies the part of the table that its size says is there.
fn read_table(pointer: *const Table) -> Result<Table, String> {
    const HEADER: usize = std::mem::offset_of!(Table, describe);
    const REQUIRED: usize = std::mem::offset_of!(Table, apply_batch);
    if pointer.is_null() {
        return Err(format!("{}() returned NULL: the model refuses to load", abi::SYMBOL));
    }
    // SAFETY: not null, and every version of the table begins with its size and its version.
    let Start { size, major, minor } = unsafe { pointer.cast::<Start>().read() };
    let size = size as usize;
    if major != abi::MAJOR {
        return Err(format!(
            "it speaks version {major}.{minor} of the C ABI, this secant version {}.{}: \
             compile it against the header of this secant",
            abi::MAJOR,
            abi::MINOR
        ));
    }
    if size < REQUIRED {
        return Err(format!(
            "its table has {size} bytes, at least {REQUIRED} are needed: is `size` set to sizeof(secant_table)?"
        ));
    }
    let mut table = Table {
        size: 0,
        major,
        minor,
        threading: 0,
        reserved: 0,
        describe: None,
        create: None,
        destroy: None,
        apply: None,
        apply_batch: None,
        jacobian: None,
        jvp: None,
        vjp: None,
        abstract_eval: None,
    };
    let known = size.min(std::mem::size_of::<Table>());
    debug_assert!(known >= HEADER);
    // SAFETY: the plugin vouches for `size` bytes at `pointer`, and `known` is no more than that nor than
    // our own table. Every field is an integer or a nullable function pointer, so any prefix of
    // the plugin's table followed by zeros is a valid `Table`.
    unsafe { std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut table).cast::<u8>(), known) };
    let missing: Vec<_> = [
        ("describe", table.describe.is_none()),
        ("create", table.create.is_none()),
        ("destroy", table.destroy.is_none()),
        ("apply", table.apply.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, absent)| absent.then_some(name))
    .collect();
    if !missing.is_empty() {
        return Err(format!("its table has NULL for {}, which every model needs", missing.join(", ")));
    }
    if !(abi::ONE_PER_PROCESS..=abi::ANY_THREAD).contains(&table.threading) {
        return Err(format!(
            "its table declares threading = {}, which is none of SECANT_ONE_PER_PROCESS, SECANT_ONE_THREAD_PER_INSTANCE, SECANT_ANY_THREAD",
            table.threading
        ));
    }
    Ok(table)
}

/// The text a plugin's `describe` returns.
pub(super) fn describe(table: &Table) -> Result<String, String> {
    let Some(describe) = table.describe else { return Ok("{}".to_owned()) };
    // SAFETY: the table comes from `read_table`; describe takes nothing.
    let text = unsafe { describe() };
    if text.is_null() {
        return Ok("{}".to_owned());
    }
    // SAFETY: the header promises a NUL-terminated text that lives as long as the library, which is
    // never closed.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(str::to_owned).map_err(|_| "describe() returned text that is not UTF-8".to_owned())
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        if !text.contains(&cause.to_string()) {
            text += &format!(": {cause}");
        }
        source = cause.source();
    }
    text
}

/// This machine, as ELF numbers it; none where we do not know the number.
const MACHINE: Option<Machine> = if cfg!(target_arch = "x86_64") {
    Some(EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(EM_AARCH64)
} else if cfg!(target_arch = "riscv64") {
    Some(EM_RISCV)
} else {
    None
};

fn machine_name(machine: Machine) -> String {
    match machine {
        EM_X86_64 => "x86-64".to_owned(),
        EM_AARCH64 => "aarch64".to_owned(),
        EM_RISCV => "RISC-V".to_owned(),
        EM_386 => "32-bit x86".to_owned(),
        other => format!("another machine ({other:?})"),
    }
}

/// Refuses what the loader would choke on, in words that say what it is. Only ELF is looked into; on
/// other systems the loader's own message has to do.
pub(super) fn check_format(path: &Path) -> Result<(), String> {
    let mut data = Vec::new();
    let header = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut data));
    header.map_err(|error| format!("cannot be read: {error}"))?;
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if !data.starts_with(b"\x7fELF") {
        return Err("is not a shared library (no ELF header): was it built for another system?".to_owned());
    }
    if data.get(4) == Some(&1) {
        return Err("is a 32-bit library, this secant is a 64-bit program: build it with -m64".to_owned());
    }
    let header =
        FileHeader64::<LittleEndian>::parse(&*data).map_err(|error| format!("has a broken ELF header: {error}"))?;
    let machine = header.e_machine.get(LittleEndian);
    if let Some(ours) = MACHINE
        && machine != ours
    {
        return Err(format!("was built for {}, this machine is {}", machine_name(machine), machine_name(ours)));
    }
    if header.e_type.get(LittleEndian) != ET_DYN {
        return Err("is an object file or program, not a shared library: link it with -shared".to_owned());
    }
    Ok(())
}

/// The libraries it needs, for a loader's message that names only the first one missing.
pub(super) fn missing(path: &Path) -> String {
    match needed(path) {
        Some(names) if !names.is_empty() => format!(" (it needs {})", names.join(", ")),
        _ => String::new(),
    }
}

/// The names of the libraries that an ELF file needs.
pub(super) fn needed(path: &Path) -> Option<Vec<String>> {
    let data = std::fs::read(path).ok()?;
    let header = FileHeader64::<Endianness>::parse(&*data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, &*data).ok()?;
    let (dynamic, index) = sections.dynamic(endian, &*data).ok()??;
    let strings = sections.strings(endian, &*data, index).ok()?;
    let names = dynamic.iter().filter(|entry| entry.d_tag(endian) == DT_NEEDED);
    names.map(|entry| Some(String::from_utf8_lossy(entry.string(endian, strings).ok()?).into_owned())).collect()
}
