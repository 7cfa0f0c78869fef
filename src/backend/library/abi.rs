//! `include/secant.h` in Rust: the types both ends of the C ABI share. No behaviour.
//!
//! Field for field as in the header, which documents them.

use std::ffi::{c_char, c_void};

use crate::tree::DType;

pub(crate) const MAJOR: u16 = 1;
pub(crate) const MINOR: u16 = 0;
pub(crate) const SYMBOL: &str = "secant_plugin";

pub(crate) type Status = i32;
pub(crate) const OK: Status = 0;
pub(crate) const REFUSED: Status = 1;
pub(crate) const FAILED: Status = 2;
pub(crate) const DEAD: Status = 3;

pub(crate) const ONE_PER_PROCESS: u32 = 1;
pub(crate) const ONE_THREAD_PER_INSTANCE: u32 = 2;
pub(crate) const ANY_THREAD: u32 = 3;

#[repr(C)]
pub struct Array {
    pub(crate) path: *const c_char,
    pub(crate) dtype: u32,
    pub(crate) ndim: u32,
    pub(crate) shape: *const i64,
    pub(crate) data: *const c_void,
}

pub(crate) type OutputFn = unsafe extern "C" fn(*mut Call, *const c_char, u32, u32, *const i64) -> *mut c_void;
pub(crate) type OutputAtFn = unsafe extern "C" fn(*mut Call, u32, u32, u32, *const i64) -> *mut c_void;
pub(crate) type OutputJsonFn = unsafe extern "C" fn(*mut Call, *const c_char, *const c_char);
pub(crate) type MessageFn = unsafe extern "C" fn(*mut Call, *const c_char);
pub(crate) type CancelledFn = unsafe extern "C" fn(*const Call) -> i32;

#[repr(C)]
pub struct Call {
    pub(crate) size: u32,
    pub(crate) n_inputs: u32,
    pub(crate) inputs: *const Array,
    pub(crate) layout: u64,
    pub(crate) json: *const c_char,
    pub(crate) host: *mut c_void,
    pub(crate) output: OutputFn,
    pub(crate) output_at: OutputAtFn,
    pub(crate) output_json: OutputJsonFn,
    pub(crate) message: MessageFn,
    pub(crate) cancelled: CancelledFn,
}

pub(crate) type BlockFn = unsafe extern "C" fn(*mut Call, u32, u32, u32, u32, *const i64) -> *mut c_void;

#[repr(C)]
pub struct Derivative {
    pub(crate) size: u32,
    pub(crate) n_wrt: u32,
    pub(crate) wrt: *const u32,
    pub(crate) n_of: u32,
    pub(crate) of: *const *const c_char,
    pub(crate) vectors: *const Array,
    pub(crate) block: BlockFn,
}

#[repr(C)]
pub struct Host {
    pub(crate) size: u32,
    pub(crate) host: *mut c_void,
    pub(crate) config: *const c_char,
    pub(crate) message: unsafe extern "C" fn(*const Host, *const c_char),
    pub(crate) log: unsafe extern "C" fn(*const Host, u32, *const c_char),
}

pub(crate) type DescribeFn = unsafe extern "C" fn() -> *const c_char;
pub(crate) type CreateFn = unsafe extern "C" fn(*const Host, *mut *mut c_void) -> Status;
pub(crate) type DestroyFn = unsafe extern "C" fn(*mut c_void);
pub(crate) type ApplyFn = unsafe extern "C" fn(*mut c_void, *mut Call) -> Status;
pub(crate) type ApplyBatchFn = unsafe extern "C" fn(*mut c_void, u32, *const *mut Call, *mut Status) -> Status;
pub(crate) type DerivativeFn = unsafe extern "C" fn(*mut c_void, *mut Call, *const Derivative) -> Status;

/// The table a plugin exports. What lies beyond its `size` is absent, hence all those options.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Table {
    pub(crate) size: u32,
    pub(crate) major: u16,
    pub(crate) minor: u16,
    pub(crate) threading: u32,
    pub(crate) reserved: u32,
    pub(crate) describe: Option<DescribeFn>,
    pub(crate) create: Option<CreateFn>,
    pub(crate) destroy: Option<DestroyFn>,
    pub(crate) apply: Option<ApplyFn>,
    pub(crate) apply_batch: Option<ApplyBatchFn>,
    pub(crate) jacobian: Option<DerivativeFn>,
    pub(crate) jvp: Option<DerivativeFn>,
    pub(crate) vjp: Option<DerivativeFn>,
    pub(crate) abstract_eval: Option<ApplyFn>,
}

/// The code of a dtype in the header.
pub(crate) fn code(dtype: DType) -> u32 {
    match dtype {
        DType::Float16 => 1,
        DType::Float32 => 2,
        DType::Float64 => 3,
        DType::Int8 => 4,
        DType::Int16 => 5,
        DType::Int32 => 6,
        DType::Int64 => 7,
        DType::Uint8 => 8,
        DType::Uint16 => 9,
        DType::Uint32 => 10,
        DType::Uint64 => 11,
        DType::Bool => 12,
        DType::Complex64 => 13,
        DType::Complex128 => 14,
    }
}

/// The dtype of a code.
pub(crate) fn dtype(code: u32) -> Option<DType> {
    DType::ALL.into_iter().find(|dtype| self::code(*dtype) == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn layouts_are_those_of_the_header() {
        // Counted by hand from secant.h for 64-bit pointers.
        assert_eq!((size_of::<Array>(), offset_of!(Array, data)), (32, 24));
        assert_eq!((size_of::<Call>(), offset_of!(Call, json), offset_of!(Call, cancelled)), (80, 24, 72));
        assert_eq!((size_of::<Derivative>(), offset_of!(Derivative, block)), (48, 40));
        assert_eq!((size_of::<Host>(), offset_of!(Host, log)), (40, 32));
        assert_eq!((size_of::<Table>(), offset_of!(Table, describe), offset_of!(Table, abstract_eval)), (88, 16, 80));
    }

    #[test]
    fn the_header_names_the_same_codes() {
        let header = include_str!("../../../include/secant.h");
        let defined = |name: &str| -> u32 {
            let line = header.lines().find(|l| l.starts_with(&format!("#define SECANT_{name} "))).unwrap();
            line.split_whitespace().nth(2).unwrap().parse().unwrap()
        };
        for each in DType::ALL {
            assert_eq!(defined(&each.name().to_uppercase()), code(each));
            assert_eq!(dtype(code(each)), Some(each));
        }
        let statuses = [("OK", OK), ("REFUSED", REFUSED), ("FAILED", FAILED), ("DEAD", DEAD)];
        assert!(statuses.iter().all(|(name, status)| defined(name) == *status as u32));
        let threading = [
            ("ONE_PER_PROCESS", ONE_PER_PROCESS),
            ("ONE_THREAD_PER_INSTANCE", ONE_THREAD_PER_INSTANCE),
            ("ANY_THREAD", ANY_THREAD),
        ];
        assert!(threading.iter().all(|(name, value)| defined(name) == *value));
        assert_eq!((defined("ABI_MAJOR"), defined("ABI_MINOR")), (MAJOR.into(), MINOR.into()));
    }
}
