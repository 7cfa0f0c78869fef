//! The table, and the functions in it: each catches what would unwind, and turns faults into statuses.

use std::any::{Any, TypeId};
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::mem::{offset_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::call::{Call, Question, text};
use super::derivatives::{Blocks, Gradients, Products, Vectors};
use super::inputs::Inputs;
use super::outputs::{Outputs, Shapes};
use super::{AbstractEval, Fault, Host, Jacobian, Jvp, Plugin, Vjp, c_text};
use crate::backend::library::abi::{self, ApplyFn, DerivativeFn};

/// What [`export_plugin!`](crate::export_plugin) exports: the table of `secant.h`.
#[repr(transparent)]
pub struct Table(abi::Table);

/// A function of `P` that answers the question `WHICH`, or none.
pub struct Offer<P, F, const WHICH: char>(Option<F>, PhantomData<fn(P)>);

/// What a plugin offers beyond `apply`: where `P` implements a trait, the constant below; else the one of the
/// same name in [`NotOffered`].
pub struct Offers<P>(PhantomData<fn(P)>);

impl<P: Jacobian> Offers<P> {
    #[allow(missing_docs)]
    pub const JACOBIAN: Offer<P, DerivativeFn, 'J'> = Offer(Some(jacobian::<P>), PhantomData);
}

impl<P: Jvp> Offers<P> {
    #[allow(missing_docs)]
    pub const JVP: Offer<P, DerivativeFn, 'F'> = Offer(Some(jvp::<P>), PhantomData);
}

impl<P: Vjp> Offers<P> {
    #[allow(missing_docs)]
    pub const VJP: Offer<P, DerivativeFn, 'R'> = Offer(Some(vjp::<P>), PhantomData);
}

impl<P: AbstractEval> Offers<P> {
    #[allow(missing_docs)]
    pub const ABSTRACT_EVAL: Offer<P, ApplyFn, 'A'> = Offer(Some(abstract_eval::<P>), PhantomData);
}

#[allow(missing_docs)]
pub trait NotOffered {
    type Plugin;
    const JACOBIAN: Offer<Self::Plugin, DerivativeFn, 'J'> = Offer(None, PhantomData);
    const JVP: Offer<Self::Plugin, DerivativeFn, 'F'> = Offer(None, PhantomData);
    const VJP: Offer<Self::Plugin, DerivativeFn, 'R'> = Offer(None, PhantomData);
    const ABSTRACT_EVAL: Offer<Self::Plugin, ApplyFn, 'A'> = Offer(None, PhantomData);
}

impl<P> NotOffered for Offers<P> {
    type Plugin = P;
}

impl Table {
    #[doc(hidden)]
    pub const fn new<P: Plugin>(
        jacobian: Offer<P, DerivativeFn, 'J'>,
        jvp: Offer<P, DerivativeFn, 'F'>,
        vjp: Offer<P, DerivativeFn, 'R'>,
        abstract_eval: Offer<P, ApplyFn, 'A'>,
    ) -> Table {
        Table(abi::Table {
            size: size_of::<abi::Table>() as u32,
            major: abi::MAJOR,
            minor: abi::MINOR,
            threading: if P::ONE_PER_PROCESS { abi::ONE_PER_PROCESS } else { abi::ONE_THREAD_PER_INSTANCE },
            reserved: 0,
            describe: Some(describe::<P>),
            create: Some(create::<P>),
            destroy: Some(destroy::<P>),
            apply: Some(apply::<P>),
            apply_batch: None,
            jacobian: jacobian.0,
            jvp: jvp.0,
            vjp: vjp.0,
            abstract_eval: abstract_eval.0,
        })
    }

    /// What the model says of itself, as the host reads it.
    pub fn describe(&self) -> &'static str {
        let Some(describe) = self.0.describe else { return "{}" };
        // SAFETY: `new` put our own `describe` there, which takes nothing.
        let described = unsafe { describe() };
        // SAFETY: it returns a NUL-terminated text that is never freed.
        unsafe { text(described) }
    }

    /// The names of the optional functions that the model offers.
    pub fn natives(&self) -> Vec<&'static str> {
        let offered = [
            ("jacobian", self.0.jacobian.is_some()),
            ("jvp", self.0.jvp.is_some()),
            ("vjp", self.0.vjp.is_some()),
            ("abstract_eval", self.0.abstract_eval.is_some()),
        ];
        offered.into_iter().filter_map(|(name, is_offered)| is_offered.then_some(name)).collect()
    }

    #[cfg(test)]
    pub(super) fn raw(&self) -> abi::Table {
        self.0
    }
}

/// The text of each plugin's description, made once and kept for as long as the library is loaded.
static DESCRIBED: Mutex<Vec<(TypeId, &CStr)>> = Mutex::new(Vec::new());

unsafe extern "C" fn describe<P: Plugin>() -> *const c_char {
    let mut described = DESCRIBED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, text)) = described.iter().find(|(id, _)| *id == TypeId::of::<P>()) {
        return text.as_ptr();
    }
    let text = catch_unwind(|| P::describe().into_json());
    // There is no way to fail here but to return what is no JSON; a panic's text is on stderr.
    let text = text.unwrap_or_else(panicked);
    let text: &CStr = Box::leak(c_text(text).into_boxed_c_str());
    described.push((TypeId::of::<P>(), text));
    text.as_ptr()
}

unsafe extern "C" fn create<P: Plugin>(host: *const abi::Host, instance: *mut *mut c_void) -> abi::Status {
    const HOST: usize = offset_of!(abi::Host, log) + size_of::<usize>();
    // SAFETY: the host passes its own, and every version of it begins with its size.
    if unsafe { (*host).size as usize } < HOST {
        return abi::FAILED;
    }
    let created = catch_unwind(|| {
        // SAFETY: it has all the fields we know.
        let config = unsafe { (*host).config };
        // SAFETY: the header promises a NUL-terminated text.
        let config = if config.is_null() { "{}" } else { unsafe { text(config) } };
        let config = serde_json::from_str(config)?;
        P::create(&Host { raw: host, config, life: PhantomData })
    });
    match created.unwrap_or_else(|payload| Err(Fault::Dead(panicked(payload)))) {
        Ok(plugin) => {
            // SAFETY: the host passes a place for it.
            unsafe { instance.write(Box::into_raw(Box::new(plugin)).cast()) };
            abi::OK
        }
        Err(fault) => {
            // SAFETY: as above.
            let tell = unsafe { (*host).message };
            let message = c_text(fault.to_string());
            // SAFETY: the host's own function, with the host itself; the text ends in NUL and is copied.
            unsafe { tell(host, message.as_ptr()) };
            status(&fault)
        }
    }
}

unsafe extern "C" fn destroy<P: Plugin>(instance: *mut c_void) {
    // SAFETY: `create` made it of a `P`, and nobody uses it after this.
    let plugin = unsafe { Box::from_raw(instance.cast::<P>()) };
    // There is nobody to tell; a panic's text is on stderr.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(plugin))) {
        std::mem::forget(payload);
    }
}

unsafe extern "C" fn apply<P: Plugin>(instance: *mut c_void, call: *mut abi::Call) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>| {
        // SAFETY: the only one of this call, which is no `abstract_eval`.
        let mut outputs = unsafe { Outputs::new(call) };
        plugin.apply(&Inputs::new(call), &mut outputs)
    };
    // SAFETY: handed on.
    unsafe { answer(instance, call, question) }
}

unsafe extern "C" fn abstract_eval<P: AbstractEval>(instance: *mut c_void, call: *mut abi::Call) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>| plugin.abstract_eval(&Inputs::new(call), &mut Shapes::new(call));
    // SAFETY: handed on.
    unsafe { answer(instance, call, question) }
}

unsafe extern "C" fn jacobian<P: Jacobian>(
    instance: *mut c_void,
    call: *mut abi::Call,
    asked: *const abi::Derivative,
) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>, question: Question<'_>| {
        // SAFETY: the only one of this question.
        let mut blocks = unsafe { Blocks::new(question) };
        plugin.jacobian(&Inputs::new(call), &mut blocks)
    };
    // SAFETY: handed on.
    unsafe { answer_derivative(instance, call, asked, question) }
}

unsafe extern "C" fn jvp<P: Jvp>(
    instance: *mut c_void,
    call: *mut abi::Call,
    asked: *const abi::Derivative,
) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>, question: Question<'_>| {
        // SAFETY: this is a jvp.
        let tangents = Vectors::new(unsafe { question.tangents() });
        // SAFETY: the only one of this question.
        let mut products = unsafe { Products::new(question) };
        plugin.jvp(&Inputs::new(call), &tangents, &mut products)
    };
    // SAFETY: handed on.
    unsafe { answer_derivative(instance, call, asked, question) }
}

unsafe extern "C" fn vjp<P: Vjp>(
    instance: *mut c_void,
    call: *mut abi::Call,
    asked: *const abi::Derivative,
) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>, question: Question<'_>| {
        // SAFETY: this is a vjp.
        let cotangents = Vectors::new(unsafe { question.cotangents() });
        // SAFETY: the only one of this question.
        let mut gradients = unsafe { Gradients::new(question) };
        plugin.vjp(&Inputs::new(call), &cotangents, &mut gradients)
    };
    // SAFETY: handed on.
    unsafe { answer_derivative(instance, call, asked, question) }
}

/// As [`answer`], with what is asked for.
///
/// # Safety
/// As [`answer`]; `asked` belongs to the call.
unsafe fn answer_derivative<P: Plugin>(
    instance: *mut c_void,
    call: *mut abi::Call,
    asked: *const abi::Derivative,
    question: impl FnOnce(&mut P, Call<'_>, Question<'_>) -> Result<(), Fault>,
) -> abi::Status {
    let question = |plugin: &mut P, call: Call<'_>| {
        // SAFETY: the caller vouches for it.
        let asked = unsafe { Question::new(call, asked) };
        let asked =
            asked.ok_or_else(|| Fault::dead("the host asks for a derivative in an older way than this model knows"))?;
        question(plugin, call, asked)
    };
    // SAFETY: handed on.
    unsafe { answer(instance, call, question) }
}

/// Has the plugin answer, and says what became of it.
///
/// # Safety
/// `create::<P>` made the instance, and `call` is good until this returns; nobody else uses either meanwhile.
unsafe fn answer<P: Plugin>(
    instance: *mut c_void,
    call: *mut abi::Call,
    question: impl FnOnce(&mut P, Call<'_>) -> Result<(), Fault>,
) -> abi::Status {
    // SAFETY: the caller vouches for the call.
    let Some(call) = (unsafe { Call::new(call) }) else { return abi::DEAD };
    // SAFETY: the caller vouches for the instance.
    let plugin = unsafe { &mut *instance.cast::<P>() };
    // What a panic leaves half changed is not looked at again: the instance is dead.
    let answered = catch_unwind(AssertUnwindSafe(|| question(plugin, call)));
    let Err(fault) = answered.unwrap_or_else(|payload| Err(Fault::Dead(panicked(payload)))) else { return abi::OK };
    if fault != Fault::known_to_the_host() {
        call.message(&fault.to_string());
    }
    status(&fault)
}

fn status(fault: &Fault) -> abi::Status {
    match fault {
        Fault::Refused(_) => abi::REFUSED,
        Fault::Failed(_) => abi::FAILED,
        Fault::Dead(_) => abi::DEAD,
    }
}

/// What a panic said.
fn panicked(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast::<String>().map(|text| *text).or_else(|payload| match payload.downcast::<&str>() {
        Ok(text) => Ok((*text).to_owned()),
        Err(payload) => Err(payload),
    });
    let text = text.unwrap_or_else(|payload| {
        // To drop what we do not know could panic again.
        std::mem::forget(payload);
        "without a text".to_owned()
    });
    format!("the model panicked: {text}")
}
