//! Models behind a URL: a Tesseract, another secant, or an UM-Bridge server. Their schemas are read from them, and
//! the derivatives they have are theirs.
//!
//! `http` carries requests, `tesseract` and `umbridge` word them, `openapi` reads what a Tesseract says of itself.

mod http;
mod openapi;
mod tesseract;
mod umbridge;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::manifest::{Remote, RemoteProtocol};
use crate::model::{Description, Instance, Model, ModelError, ModelErrorKind};
use crate::schema::Signature;
use http::Client;

/// What a server says of itself when asked.
pub(crate) struct Introduced {
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) input: Value,
    pub(crate) output: Value,
    client: Client,
    offer: Offer,
}

enum Offer {
    /// With its OpenAPI document.
    Tesseract(Value),
    Umbridge(umbridge::Offer),
}

impl Introduced {
    /// Asks the server what it is; each answer may take as long as `limit`.
    pub(crate) fn ask(remote: &Remote, folder: &Path, config: &Value, limit: Duration) -> Result<Introduced, String> {
        let client = Client::new(remote, folder)?;
        let words = |error: ModelError| error.message;
        match remote.protocol {
            Some(RemoteProtocol::Tesseract) => {
                let document = tesseract::document(&client, limit).map_err(words)?;
                Introduced::tesseract(client, document, remote, config)
            }
            Some(RemoteProtocol::Umbridge) => {
                let models = umbridge::models(&client, limit).map_err(words)?;
                Introduced::umbridge(client, &models, remote, config, limit)
            }
            None => match tesseract::document(&client, limit) {
                Ok(document) => Introduced::tesseract(client, document, remote, config),
                // Nobody answered, so that another question would not be answered either.
                Err(no_tesseract)
                    if matches!(no_tesseract.kind, ModelErrorKind::Crashed | ModelErrorKind::TimedOut) =>
                {
                    Err(no_tesseract.message)
                }
                Err(no_tesseract) => match umbridge::models(&client, limit) {
                    Ok(models) => Introduced::umbridge(client, &models, remote, config, limit),
                    Err(no_umbridge) => Err(format!(
                        "{} is neither a Tesseract nor an UM-Bridge server: is remote.url right?\n  {no_tesseract}\n  {no_umbridge}",
                        client.url()
                    )),
                },
            },
        }
    }

    fn tesseract(client: Client, document: Value, remote: &Remote, config: &Value) -> Result<Introduced, String> {
        let url = client.url();
        if remote.model.is_some() {
            return Err(format!("{url} is a Tesseract, which has one model: take remote.model out"));
        }
        if config.as_object().is_some_and(|config| !config.is_empty()) {
            return Err(format!("{url} is a Tesseract, which takes no config: take [config] out"));
        }
        Ok(Introduced {
            version: openapi::info(&document, "version"),
            description: openapi::info(&document, "description"),
            input: openapi::schema(&document, openapi::INPUT),
            output: openapi::schema(&document, openapi::OUTPUT),
            client,
            offer: Offer::Tesseract(document),
        })
    }

    fn umbridge(
        client: Client,
        models: &[String],
        remote: &Remote,
        config: &Value,
        limit: Duration,
    ) -> Result<Introduced, String> {
        let url = client.url();
        let name = match (&remote.model, models) {
            (Some(name), models) if models.contains(name) => name,
            (None, [name]) => name,
            (Some(name), _) => return Err(format!("{url} has no model '{name}', it has {}", models.join(", "))),
            (None, _) => {
                return Err(format!("{url} has several models: name one of {} in remote.model", models.join(", ")));
            }
        };
        let offer = umbridge::Offer::ask(&client, name, config, limit).map_err(|error| error.message)?;
        let (input, output) = offer.schemas();
        Ok(Introduced { version: None, description: None, input, output, client, offer: Offer::Umbridge(offer) })
    }

    /// What kind of model it is, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self.offer {
            Offer::Tesseract(_) => "remote (tesseract)",
            Offer::Umbridge(_) => "remote (umbridge)",
        }
    }

    /// The model. Each answer may take as long as `timeout`.
    pub(crate) fn into_model(
        self,
        description: Description,
        signature: Signature,
        timeout: Option<Duration>,
    ) -> Result<Served, String> {
        let signature = Arc::new(signature);
        let server = match self.offer {
            Offer::Tesseract(document) => {
                let server = tesseract::Tesseract::new(self.client, &document, signature.clone(), timeout);
                Server::Tesseract(Arc::new(server))
            }
            Offer::Umbridge(offer) => {
                Server::Umbridge(Arc::new(umbridge::Umbridge::new(self.client, offer, signature.clone(), timeout)?))
            }
        };
        Ok(Served { description, signature, server })
    }
}

/// A server's model.
pub(crate) struct Served {
    description: Description,
    signature: Arc<Signature>,
    server: Server,
}

enum Server {
    Tesseract(Arc<tesseract::Tesseract>),
    Umbridge(Arc<umbridge::Umbridge>),
}

impl Model for Served {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        Ok(match &self.server {
            Server::Tesseract(server) => Box::new(tesseract::Caller::new(server.clone())),
            Server::Umbridge(server) => Box::new(umbridge::Caller::new(server.clone())),
        })
    }
}
