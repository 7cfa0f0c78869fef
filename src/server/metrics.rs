//! What is counted, for Prometheus.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::gate::Gate;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    model: String,
    endpoint: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    model: String,
    endpoint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Asked, Histogram>,
    evaluations: Family<OfModel, Counter>,
    failures: Family<OfModel, Counter>,
    running: Gauge,
    waiting: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        // From half a millisecond to four minutes and a half.
        let seconds: Family<Asked, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 20)));
        let mut metrics = Metrics {
            registry: Registry::with_prefix("secant"),
            requests: Family::default(),
            seconds,
            evaluations: Family::default(),
            failures: Family::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("request_seconds", "Time from request to answer", metrics.seconds.clone());
        registry.register("evaluations", "Evaluations of models", metrics.evaluations.clone());
        registry.register("failures", "Requests that a model failed to answer", metrics.failures.clone());
        registry.register("running", "Requests being computed", metrics.running.clone());
        registry.register("waiting", "Requests waiting for their turn", metrics.waiting.clone());
        metrics
    }

    /// Counts an answer.
    pub(super) fn answered(&self, model: &str, endpoint: &str, status: u16, elapsed: Duration) {
        let (model, endpoint) = (model.to_owned(), endpoint.to_owned());
        self.seconds
            .get_or_create(&Asked { model: model.clone(), endpoint: endpoint.clone() })
            .observe(elapsed.as_secs_f64());
        if status >= 500 && status != 503 {
            self.failures.get_or_create(&OfModel { model: model.clone() }).inc();
        }
        self.requests.get_or_create(&Answered { model, endpoint, status }).inc();
    }

    /// Counts evaluations.
    pub(super) fn evaluated(&self, model: &str, evaluations: usize) {
        self.evaluations.get_or_create(&OfModel { model: model.to_owned() }).inc_by(evaluations as u64);
    }

    /// All of it, as Prometheus reads it.
    pub(super) fn text(&self, gate: &Gate) -> String {
        self.running.set(gate.running() as i64);
        self.waiting.set(gate.waiting() as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text takes every write");
        text
    }
}
