//! The ways a message takes: by mail, or posted to an address.

use std::path::Path;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Protection, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use recording::causes::chain;
use recording::settings;
use serde_json::json;

use super::concern::Concern;
use super::config::{MailConfig, NotifyConfig, Tls, WebhookConfig};
use super::words::{Message, counts};

/// How long a server may take for one message.
const PATIENCE: Duration = Duration::from_secs(30);

/// Things that are named one by one in a message for machines.
const NAMED: usize = 100;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// A file that the settings name cannot be used.
    #[error("{key}: {why}")]
    Settings {
        /// The key below `notify`.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The server cannot be reached, or does not take it.
    #[error("{server}: {why}")]
    Server {
        /// Which.
        server: String,
        /// What it said.
        why: String,
    },
}

/// What a message is about, for machines.
pub(crate) struct About<'a> {
    /// What is told by it.
    pub(crate) news: &'a [&'a Concern],
    /// Everything that stands.
    pub(crate) standing: &'a [Concern],
}

/// A way that messages take.
pub(crate) trait Channel: Send + Sync {
    /// The word for it in the ledger, in logs and metrics.
    fn name(&self) -> &'static str;

    /// Sends one message; it was taken when this returns.
    fn send<'a>(
        &'a self,
        message: &'a Message,
        about: &'a About<'a>,
    ) -> BoxFuture<'a, Result<(), ChannelError>>;
}

/// The channels that are set up.
pub(crate) fn channels(config: &NotifyConfig, receiver: &str) -> Vec<Box<dyn Channel>> {
    let mut found: Vec<Box<dyn Channel>> = Vec::new();
    if let Some(mail) = &config.mail {
        found.push(Box::new(Mail(mail.clone())));
    }
    if let Some(webhook) = &config.webhook {
        found.push(Box::new(Webhook {
            config: webhook.clone(),
            receiver: receiver.to_owned(),
        }));
    }
    found
}

struct Mail(MailConfig);

impl Mail {
    /// Files are read for each message: what is changed in them counts at once.
    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, ChannelError> {
        let config = &self.0;
        let wrong = |key| move |why: String| ChannelError::Settings { key, why };
        let mut parameters = TlsParameters::builder(config.server.clone());
        if let Some(path) = &config.ca_file {
            let pem = read(path).map_err(wrong("mail.ca_file"))?;
            let authority = Certificate::from_pem(&pem)
                .map_err(|e| wrong("mail.ca_file")(format!("{}: {e}", path.display())))?;
            parameters = parameters.add_root_certificate(authority);
        }
        let parameters = parameters
            .build()
            .map_err(|e| wrong("mail.tls")(e.to_string()));
        let (protection, port) = match config.tls {
            Tls::Starttls => (Protection::Required(parameters?), 587),
            Tls::Always => (Protection::Wrapper(parameters?), 465),
            Tls::None => (Protection::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.server)
            .port(config.port.unwrap_or(port))
            .tls(protection)
            .timeout(Some(PATIENCE));
        if let (Some(user), Some(file)) = (&config.user, &config.password_file) {
            let password = settings::secret(file).map_err(wrong("mail.password_file"))?;
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, ChannelError> {
        let wrong = |key, why: String| ChannelError::Settings { key, why };
        let from: Mailbox = self
            .0
            .from
            .parse()
            .map_err(|e| wrong("mail.from", format!("{e}")))?;
        let domain = from.email.domain().to_owned();
        let mut letter = lettre::Message::builder()
            .from(from)
            .subject(&message.subject)
            .message_id(Some(format!("<{}@{domain}>", message.id)));
        for to in &self.0.to {
            let to: Mailbox = to.parse().map_err(|e| wrong("mail.to", format!("{e}")))?;
            letter = letter.to(to);
        }
        // No answer of an absent colleague, please (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        letter = letter.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        let text = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone());
        letter
            .singlepart(text)
            .map_err(|e| wrong("mail", e.to_string()))
    }
}

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn send<'a>(
        &'a self,
        message: &'a Message,
        _about: &'a About<'a>,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let (transport, letter) = (self.transport()?, self.letter(message)?);
            let failed = |why: String| ChannelError::Server {
                server: self.0.server.clone(),
                why,
            };
            match tokio::time::timeout(PATIENCE * 2, transport.send(letter)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(failed(chain(&error))),
                Err(_) => Err(failed("does not answer".to_owned())),
            }
        })
    }
}

struct Webhook {
    config: WebhookConfig,
    receiver: String,
}

impl Webhook {
    fn client(&self) -> Result<reqwest::Client, ChannelError> {
        let wrong = |key, why: String| ChannelError::Settings { key, why };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("bbb2pod/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE);
        if let Some(path) = &self.config.ca_file {
            let pem = read(path).map_err(|why| wrong("webhook.ca_file", why))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|e| wrong("webhook.ca_file", format!("{}: {e}", path.display())))?;
            builder = authorities
                .into_iter()
                .fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        builder.build().map_err(|e| wrong("webhook", chain(&e)))
    }

    fn body(&self, message: &Message, about: &About<'_>) -> serde_json::Value {
        let by_kind = |concerns: Vec<(super::Kind, u64)>| -> serde_json::Map<_, _> {
            let counts = concerns.into_iter();
            counts
                .map(|(kind, count)| (kind.as_str().to_owned(), count.into()))
                .collect()
        };
        let named = about.news.iter().take(NAMED);
        let news: Vec<_> = named
            .map(|concern| {
                json!({
                    "kind": concern.kind.as_str(), "of": concern.of, "why": concern.why,
                    "count": concern.count, "commands": concern.kind.commands(),
                })
            })
            .collect();
        // Chat services show `text`.
        json!({
            "id": message.id,
            "receiver": self.receiver,
            "at": Timestamp::now(),
            "subject": message.subject,
            "text": format!("{}\n\n{}", message.subject, message.text),
            "news": news,
            "news_counts": by_kind(counts(about.news.iter().copied())),
            "standing": by_kind(counts(about.standing)),
        })
    }
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn send<'a>(
        &'a self,
        message: &'a Message,
        about: &'a About<'a>,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let mut request = self
                .client()?
                .post(&self.config.url)
                .json(&self.body(message, about));
            if let Some(file) = &self.config.token_file {
                let key = "webhook.token_file";
                let token =
                    settings::secret(file).map_err(|why| ChannelError::Settings { key, why })?;
                request = request.bearer_auth(token);
            }
            let failed = |why: String| ChannelError::Server {
                // The path of such an address is often its secret.
                server: origin(&self.config.url),
                why,
            };
            let answer = request.send().await;
            let answer = answer.map_err(|e| failed(chain(&e.without_url())))?;
            match answer.status() {
                status if status.is_success() => Ok(()),
                status => Err(failed(format!("answers {status}"))),
            }
        })
    }
}

fn origin(url: &str) -> String {
    reqwest::Url::parse(url).map_or_else(
        |_| "the address".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}
