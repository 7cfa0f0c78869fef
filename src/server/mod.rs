//! A client over HTTP: models served to Tesseract clients, to UM-Bridge clients, and to people with a
//! browser. The only room with tokio.
//!
//! Nothing is computed here: a request becomes a question to `endpoint`, asked on a thread that may block,
//! and its answer becomes a response.

mod accept;
mod ask;
mod binref;
mod compute;
mod gate;
mod guard;
mod listen;
mod metrics;
mod openapi;
mod operation;
mod page;
mod reply;
mod routes;
mod settings;
mod umbridge;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::Model;
use gate::Gate;
use metrics::Metrics;

/// How models are served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen at.
    pub host: IpAddr,
    /// The port; 0 picks a free one.
    pub port: u16,
    /// The port of a server for UM-Bridge clients alone, which can reach no other path than the root.
    pub umbridge_port: Option<u16>,
    /// What clients must show to be answered.
    pub token: Option<String>,
    /// Pages of these origins may ask.
    pub cors: Vec<String>,
    /// The folder that `binref` arrays are read from and written to.
    pub binref: Option<PathBuf>,
    /// Whether there is an endpoint that runs test cases.
    pub debug: bool,
    /// Requests computed at once.
    pub concurrency: usize,
    /// Requests that may wait for their turn.
    pub queue: usize,
    /// The largest request, in bytes.
    pub body_limit: usize,
    /// The longest a request may take, its waiting included.
    pub time_limit: Option<Duration>,
    /// How long requests under way may take when the server is asked to stop.
    pub patience: Duration,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Tesseract clients and people.
    pub main: SocketAddr,
    /// UM-Bridge clients, if they have a port of their own.
    pub umbridge: Option<SocketAddr>,
}

/// Why models cannot be served: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// A model being served.
struct Served {
    model: Model,
    /// Its base URL's path.
    name: String,
    /// Its OpenAPI document.
    openapi: Bytes,
    /// Its page.
    docs: Bytes,
}

/// What all requests share.
struct Shared {
    models: Vec<Arc<Served>>,
    options: Options,
    binref: Option<binref::Folder>,
    gate: Gate,
    /// What the bodies of all requests may take together.
    memory: Arc<Semaphore>,
    metrics: Metrics,
}

/// Asks a server to stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// A request that has not been made.
    pub fn new() -> Stop {
        Stop(watch::Sender::new(false))
    }

    /// Makes it: nothing new is taken in, and what is under way is finished.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// What nothing else is called: 128 random bits.
fn fresh_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Serves the models until it is asked to stop; then what is under way is finished, within the patience.
/// `ready` is told where, once anyone may ask.
pub fn serve(
    models: Vec<Model>,
    options: Options,
    stop: &Stop,
    ready: impl FnOnce(Addresses),
) -> Result<(), ServeError> {
    let shared = Arc::new(share(models, options)?);
    // One thread reads and writes: a request that passes between several waits for each to wake. Others compute.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| ServeError::Other(format!("no threads for the server: {error}")))?;
    let served = runtime.block_on(run(shared, stop, ready));
    // What did not finish in time is not waited for.
    runtime.shutdown_background();
    served
}

fn share(models: Vec<Model>, options: Options) -> Result<Shared, ServeError> {
    let mut served: Vec<Arc<Served>> = Vec::with_capacity(models.len());
    for model in models {
        let name = model.description().name.clone();
        if let Some(fault) = routes::name_fault(&name) {
            return Err(ServeError::Other(format!("a model cannot be served under the name '{name}': {fault}")));
        }
        if served.iter().any(|other| other.name == name) {
            return Err(ServeError::Other(format!("two models are called '{name}': give one another name")));
        }
        let openapi = openapi::document(&model, &options).to_string().into();
        let docs = page::docs(&model, &options).into();
        served.push(Arc::new(Served { model, name, openapi, docs }));
    }
    let binref = options.binref.as_deref().map(binref::Folder::open).transpose().map_err(ServeError::Other)?;
    let gate = Gate::new(options.concurrency, options.queue);
    let memory = compute::memory(options.body_limit);
    Ok(Shared { models: served, binref, gate, memory, metrics: Metrics::new(), options })
}

async fn run(shared: Arc<Shared>, stop: &Stop, ready: impl FnOnce(Addresses)) -> Result<(), ServeError> {
    let options = &shared.options;
    let (main, address) = bind(SocketAddr::new(options.host, options.port)).await?;
    let umbridge = match options.umbridge_port {
        Some(port) => Some(bind(SocketAddr::new(options.host, port)).await?),
        None => None,
    };
    let stopped = stop.0.subscribe();
    ready(Addresses { main: address, umbridge: umbridge.as_ref().map(|(_, address)| *address) });
    let patience = options.patience;
    let others = async {
        if let Some((listener, _)) = umbridge {
            listen::serve(listener, routes::umbridge(&shared), stopped.clone(), patience).await;
        }
    };
    tokio::join!(listen::serve(main, routes::all(&shared), stopped.clone(), patience), others);
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fail = |error| ServeError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}
