//! What secant's own fields of a request say: `fd`, how the derivative is to be taken, and `report`. Clients
//! of the Tesseract protocol send neither.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::endpoint::Settings;
use crate::exec::Workers;
use crate::manifest::{AlgorithmName, Eps, OnFailure};
use crate::schema::Violation;
use crate::tree::{Path, Segment};

/// `fd`, as it comes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fd {
    algorithm: Option<AlgorithmName>,
    eps: Option<Eps>,
    samples: Option<std::num::NonZeroUsize>,
    seed: Option<u64>,
    workers: Option<std::num::NonZeroUsize>,
    on_failure: Option<OnFailure>,
    #[serde(default)]
    dense: bool,
}

/// Takes both fields out of a request. Whether a report is wanted comes second. No more workers are taken than the
/// model has by default, or this machine has processors: a worker may be a process.
pub(super) fn take(body: &mut Map<String, Value>, workers: Option<usize>) -> Result<(Settings, bool), Vec<Violation>> {
    let mut faults = Vec::new();
    let mut fault = |name: &str, code, message: String| {
        let path = Path::root().join(Segment::Field(name.to_owned()));
        faults.push(Violation { path, code, message });
    };
    let fd = body.shift_remove("fd").map(serde_json::from_value::<Fd>).transpose().unwrap_or_else(|error| {
        fault("fd", "value_error", format!("Value error, {error}"));
        None
    });
    let report = match body.shift_remove("report") {
        None => false,
        Some(Value::Bool(report)) => report,
        Some(_) => {
            fault("report", "bool_type", "Input should be a valid boolean".to_owned());
            false
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let fd = fd.unwrap_or_default();
    let most = Workers::asked(workers, Duration::ZERO).most;
    let settings = Settings {
        algorithm: fd.algorithm,
        eps: fd.eps,
        samples: fd.samples.map(usize::from),
        seed: fd.seed,
        workers: fd.workers.map(|workers| usize::from(workers).min(most)),
        on_failure: fd.on_failure,
        dense: fd.dense,
        bounds: report,
        most: None,
    };
    Ok((settings, report))
}
