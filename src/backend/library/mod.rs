//! Shared libraries that speak the C ABI of `include/secant.h`, and the other end of it for plugins
//! written in Rust ([`guest`]); and functions in libraries that know nothing of it (`symbol`).
//!
//! The only room with `unsafe`. What this fence does *not* stop: a library in this process can crash
//! it or corrupt its memory. `isolation = "process"` puts it behind a worker for that.
#![allow(unsafe_code)]

mod abi;
mod crash;
mod frame;
pub mod guest;
mod instance;
mod load;
mod outputs;
mod reach;
#[cfg(feature = "symbol")]
mod symbol;

#[cfg(feature = "cli")]
pub(crate) use crash::announce_crashes;
pub use load::LoadError;
#[cfg(feature = "symbol")]
pub use symbol::Called;

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Description, Instance, Model, ModelError, ModelErrorKind};
use crate::schema::Signature;
use instance::LibraryInstance;

/// A library that has been loaded and checked.
pub struct Library {
    /// Its path, for people.
    name: &'static String,
    table: abi::Table,
    /// Where the library has its table.
    address: usize,
    /// What its `describe` returned, as JSON text.
    described: String,
}

impl Library {
    /// Loads a library; its instances are made later.
    pub fn load(path: &Path) -> Result<Library, LoadError> {
        let name = crash::name(path.display().to_string());
        let _inside = crash::inside(name);
        let (table, address) = load::load(path)?;
        let described = load::describe(&table).map_err(|reason| LoadError { path: path.to_owned(), reason })?;
        Ok(Library { name, table, address, described })
    }

    /// What the library says of itself: `{"name", "version", "description", "input_schema", "output_schema"}`,
    /// all optional.
    pub fn described(&self) -> &str {
        &self.described
    }

    /// Whether a process can hold only one instance of it.
    pub fn one_per_process(&self) -> bool {
        self.table.threading == abi::ONE_PER_PROCESS
    }

    /// Lets another instance be made of a library that allows one.
    fn release(&self) {
        if self.one_per_process() {
            TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
        }
    }

    /// The model, once its schemas are known. `config` is JSON text.
    pub fn into_model(
        self,
        description: Description,
        signature: Signature,
        config: &serde_json::Value,
    ) -> LibraryModel {
        // JSON escapes NUL, so that this never falls back.
        let config = CString::new(config.to_string()).unwrap_or_default();
        LibraryModel {
            library: Arc::new(self),
            description,
            signature: Arc::new(signature),
            config,
            shared: Mutex::new(None),
        }
    }
}

/// A library as a model.
pub struct LibraryModel {
    library: Arc<Library>,
    description: Description,
    signature: Arc<Signature>,
    config: CString,
    /// The one instance of a library whose calls may overlap.
    shared: Mutex<Option<Arc<Handle>>>,
}

impl Model for LibraryModel {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn max_instances(&self) -> Option<usize> {
        self.library.one_per_process().then_some(1)
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        let handle = if self.library.table.threading == abi::ANY_THREAD {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            match &*shared {
                Some(handle) if !handle.is_dead() => handle.clone(),
                _ => {
                    let handle = Arc::new(Handle::create(&self.library, &self.config)?);
                    shared.insert(handle).clone()
                }
            }
        } else {
            Arc::new(Handle::create(&self.library, &self.config)?)
        };
        Ok(Box::new(LibraryInstance::new(handle, self.signature.clone())))
    }
}

/// An instance as the plugin made it; destroyed with the last reference.
struct Handle {
    library: Arc<Library>,
    instance: *mut c_void,
    /// Layouts numbered so far: the plugin's instance knows them by number, whoever of us calls it.
    layouts: AtomicU64,
    /// Set once it has said that it must not be called again.
    dead: AtomicBool,
}

// SAFETY: the table declares whether calls may move between threads; all three declarations allow it
// as long as calls do not overlap, and a `LibraryInstance` is used by one thread at a time.
unsafe impl Send for Handle {}
// SAFETY: a handle is shared by several instances only where the table says SECANT_ANY_THREAD, which allows
// calls to overlap.
unsafe impl Sync for Handle {}

/// Libraries of which this process holds the one instance there may be.
static TAKEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

impl Handle {
    fn create(library: &Arc<Library>, config: &CStr) -> Result<Handle, ModelError> {
        let exclusive = library.one_per_process();
        if exclusive {
            let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            if !taken.insert(library.address) {
                return Err(ModelError::failed(format!(
                    "{} allows one instance in a process and already has it: set isolation = \"process\" to have more",
                    library.name
                )));
            }
        }
        let mut words = CreateWords::default();
        let host = abi::Host {
            size: size_of::<abi::Host>() as u32,
            host: (&raw mut words).cast(),
            config: config.as_ptr(),
            message: take_create_message,
            log: take_log,
        };
        let mut instance = std::ptr::null_mut();
        let _inside = crash::inside(library.name);
        let Some(create) = library.table.create else { unreachable!("a loaded table has create") };
        // SAFETY: the table was checked; `host` and what it points to outlive the call.
        let status = unsafe { create(&raw const host, &raw mut instance) };
        if status != abi::OK {
            library.release();
            let message = words.message.unwrap_or_else(|| "without saying why".to_owned());
            return Err(ModelError::new(ModelErrorKind::Crashed, format!("the model could not be created: {message}")));
        }
        Ok(Handle { library: library.clone(), instance, layouts: AtomicU64::new(0), dead: AtomicBool::new(false) })
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// A number that no layout has had; never 0.
    fn next_layout(&self) -> u64 {
        self.layouts.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(destroy) = self.library.table.destroy {
            let _inside = crash::inside(self.library.name);
            // SAFETY: `create` made the instance, and this is the last reference to it.
            unsafe { destroy(self.instance) };
        }
        self.library.release();
    }
}

#[derive(Default)]
struct CreateWords {
    message: Option<String>,
}

unsafe extern "C" fn take_create_message(host: *const abi::Host, text: *const c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: the plugin hands back the host it was given, during `create`; the text ends in NUL.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: as above; `host.host` is the `CreateWords` on the stack of `Handle::create`.
    let words = unsafe { (*host).host }.cast::<CreateWords>();
    // SAFETY: as above; nothing else refers to them while `create` runs.
    unsafe { (*words).message = Some(text) };
}

unsafe extern "C" fn take_log(_host: *const abi::Host, level: u32, text: *const c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: the plugin vouches for a NUL-terminated text.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    match level {
        1 => tracing::error!("{text}"),
        2 => tracing::warn!("{text}"),
        3 => tracing::info!("{text}"),
        _ => tracing::debug!("{text}"),
    }
}
