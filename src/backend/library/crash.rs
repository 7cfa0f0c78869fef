//! The last words of a program that a library takes with it: whose crash it was, and what would have contained it. Not a
//! rescue: after a segmentation fault nothing in the process can be relied on.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

thread_local! {
    /// The library whose code this thread runs.
    static INSIDE: Cell<Option<&'static String>> = const { Cell::new(None) };
}

/// The library whose code ran last. It may have threads of its own, or have written where it should not.
static LAST: AtomicPtr<String> = AtomicPtr::new(ptr::null_mut());

/// What a library is called; for good, as libraries are loaded.
pub(super) fn name(library: String) -> &'static String {
    Box::leak(Box::new(library))
}

/// From now on this thread runs code of this library, until what comes back is dropped.
#[must_use]
pub(super) fn inside(library: &'static String) -> Inside {
    LAST.store(ptr::from_ref(library).cast_mut(), Ordering::Relaxed);
    Inside { outside: INSIDE.replace(Some(library)) }
}

pub(super) struct Inside {
    outside: Option<&'static String>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.outside);
    }
}

/// From now on a library that crashes in this process, or ends it, is named before the process ends: with this exit code,
/// or as it would have ended where the crash may not be the library's.
#[cfg(feature = "cli")]
pub(crate) fn announce_crashes(exit_code: u8) {
    handler::install(exit_code.into());
}

#[cfg(feature = "cli")]
mod handler {
    use std::ffi::{c_int, c_void};
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    use super::{INSIDE, LAST};
    use crate::backend::child::signal_name;

    const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

    /// The code of a signal that a process sent; `libc` has it for Linux alone.
    const SENT: c_int = if cfg!(target_os = "macos") { 0x10001 } else { 0 };

    /// What happened at these signals before, Rust's own look for a stack that overflowed among it; and the exit code
    /// of a library's crash.
    static SETTLED: OnceLock<([libc::sigaction; SIGNALS.len()], c_int)> = OnceLock::new();

    pub(super) fn install(exit_code: c_int) {
        let before = SIGNALS.map(|signal| {
            // SAFETY: a struct of integers, for which zero is a value.
            let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: no new action is given; the old one is written where there is room for it.
            unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut before) };
            before
        });
        if SETTLED.set((before, exit_code)).is_err() {
            return;
        }
        for signal in SIGNALS {
            // SAFETY: as above.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = tell as *const () as usize;
            // On the stack that Rust keeps for it, since the thread's own may be what is exhausted.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: the action is complete, and `tell` calls nothing that a signal handler may not.
            unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        }
        // SAFETY: a function that may be called when the process ends. Where it cannot be kept we end without it.
        unsafe { libc::atexit(end) };
    }

    /// Where a library calls `exit`, or a Fortran subroutine stops, the process must not look as if all had gone well.
    extern "C" fn end() {
        let (Some((_, exit_code)), Some(library)) = (SETTLED.get(), INSIDE.get()) else { return };
        say(&[library, " ended this process, as STOP and exit() do", ADVICE]);
        // SAFETY: nothing of ours is left to be done.
        unsafe { libc::_exit(*exit_code) }
    }

    extern "C" fn tell(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        // Set before this can be called.
        let Some((before, exit_code)) = SETTLED.get() else { return };
        let name = signal_name(signal).map_or("a signal", |(name, _)| name);
        if let Some(library) = INSIDE.get() {
            say(&[library, " crashed (", name, ") and took this process with it", ADVICE]);
            // SAFETY: it runs nothing on its way, since nothing can be relied on.
            unsafe { libc::_exit(*exit_code) }
        }
        // SAFETY: null, or a name that lives for good.
        if let Some(library) = unsafe { LAST.load(Ordering::Relaxed).as_ref() } {
            say(&["this process crashed (", name, "); ", library, " ran in it last", ADVICE]);
        }
        hand_on(signal, info, before);
    }

    const ADVICE: &str = "\n       isolation = \"process\" in its manifest gives it processes of its own: that is then an error like \
                          others\n";

    fn say(words: &[&str]) {
        for words in [&["error: "], words].into_iter().flatten() {
            // SAFETY: the bytes are there; `write` may be called in a handler. Nothing could be done if it failed.
            unsafe { libc::write(libc::STDERR_FILENO, words.as_ptr().cast(), words.len()) };
        }
    }

    /// Does what would have happened without us.
    fn hand_on(signal: c_int, info: *mut libc::siginfo_t, before: &[libc::sigaction]) {
        if let Some((_, before)) = SIGNALS.iter().zip(before).find(|(number, _)| **number == signal) {
            // SAFETY: an action that was in force before.
            unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
        }
        // SAFETY: the system gives every handler with SA_SIGINFO one.
        let code = unsafe { (*info).si_code };
        if code <= 0 || code == SENT {
            // Somebody sent it. What the machine found happens again as soon as this returns.
            // SAFETY: may be called in a handler; it takes effect when this returns.
            unsafe { libc::raise(signal) };
        }
    }
}
