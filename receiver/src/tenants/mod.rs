//! Tenants: each has its own Pod, destination, owners and ways of making videos, and sees nothing of
//! the others.
//!
//! What is different for a tenant from the settings file stands in the ledger ([`settings`]). A
//! [`Context`] is what the stages need to work for one: made when it is first needed, and made anew
//! when its settings have changed. Recordings that belong to nobody in particular are the default
//! tenant's, which is the settings file as it is.

mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use recording::settings::SettingsError;
use tokio::sync::Mutex;

pub(crate) use self::settings::{check_param, meta_key, value, with};
use crate::config::Config;
use crate::ledger::{self, Ledger, LedgerError, Setting};
use crate::owners::{Finders, OwnersError};
use crate::pod::{self, Destination, PodError, VideoLinks};

/// Why nothing can be done for a tenant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TenantError {
    /// A recording names one that is not there.
    #[error(
        "there is no tenant {0}; add it (bbb2pod-receiver tenant add {0}), or give the recording to another (recording add-to-tenant)"
    )]
    Unknown(String),
    /// Its settings together with those of the file make no sense.
    #[error("settings of tenant {tenant}: {source}")]
    Settings {
        /// The tenant.
        tenant: String,
        /// What is wrong.
        source: SettingsError,
    },
    /// Its destination cannot be used as it is set.
    #[error("settings of tenant {tenant}: {source}")]
    Destination {
        /// The tenant.
        tenant: String,
        /// What is wrong.
        source: PodError,
    },
    /// Its owners cannot be looked for as it is set.
    #[error("settings of tenant {tenant}: owners: {source}")]
    Owners {
        /// The tenant.
        tenant: String,
        /// What is wrong.
        source: OwnersError,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is needed to work for one tenant.
pub(crate) struct Context {
    /// Its name; the default tenant has none.
    pub(crate) name: Option<String>,
    /// The settings as they are for it.
    pub(crate) config: Config,
    /// Where its videos go.
    pub(crate) destination: Box<dyn Destination>,
    /// Who knows whose its recordings are, when that is asked.
    pub(crate) finders: Option<Finders>,
    /// Meta keys of meetings that count for nothing.
    pub(crate) overridden: Vec<&'static str>,
}

impl Context {
    /// Puts together what is needed for a tenant with these settings.
    ///
    /// # Errors
    /// They do not fit; nothing is asked of Pod yet.
    pub(crate) fn open(
        name: &str,
        base: &Config,
        links: &VideoLinks,
        settings: &[Setting],
    ) -> Result<Context, TenantError> {
        let tenant = || name.to_owned();
        let config = with(base, settings).map_err(|source| TenantError::Settings {
            tenant: tenant(),
            source,
        })?;
        let destination = pod::destination(&config.destination, links).map_err(|source| {
            TenantError::Destination {
                tenant: tenant(),
                source,
            }
        })?;
        let finders = config
            .owners
            .as_ref()
            .map(|owners| Finders::new(owners, &config.destination))
            .transpose()
            .map_err(|source| TenantError::Owners {
                tenant: tenant(),
                source,
            })?;
        let over = settings.iter().filter(|setting| setting.over_meeting);
        Ok(Context {
            name: Some(tenant()),
            config,
            destination,
            finders,
            overridden: over
                .filter_map(|setting| meta_key(&setting.param))
                .collect(),
        })
    }

    /// Where the ledger keeps what was registered for it.
    pub(crate) fn place(&self) -> String {
        ledger::place(self.destination.name(), self.name.as_deref())
    }
}

/// All tenants, as they are needed.
pub(crate) struct Tenants {
    default: Arc<Context>,
    links: VideoLinks,
    others: Mutex<HashMap<String, Known>>,
}

struct Known {
    settings: Vec<Setting>,
    context: Arc<Context>,
}

impl Tenants {
    /// The default tenant, and whoever comes.
    pub(crate) fn new(
        config: Config,
        destination: Box<dyn Destination>,
        finders: Option<Finders>,
        links: VideoLinks,
    ) -> Tenants {
        let default = Context {
            name: None,
            config,
            destination,
            finders,
            overridden: Vec::new(),
        };
        Tenants {
            default: Arc::new(default),
            links,
            others: Mutex::default(),
        }
    }

    /// The default tenant.
    pub(crate) fn default_tenant(&self) -> &Arc<Context> {
        &self.default
    }

    /// How many questions all of them have asked Pod, and those who know owners.
    pub(crate) async fn asked(&self) -> (u64, u64) {
        let others = self.others.lock().await;
        let others = others.values().map(|known| &known.context);
        let (mut pod, mut owners) = (0, 0);
        for context in std::iter::once(&self.default).chain(others) {
            pod += context.destination.asked();
            owners += context.finders.as_ref().map_or(0, Finders::asked);
        }
        (pod, owners)
    }

    /// What is needed for a tenant, by its settings as they are now.
    ///
    /// # Errors
    /// There is no such tenant, or its settings do not fit.
    pub(crate) async fn named(
        &self,
        ledger: &Ledger,
        tenant: Option<&str>,
    ) -> Result<Arc<Context>, TenantError> {
        let Some(name) = tenant else {
            return Ok(self.default.clone());
        };
        let settings = ledger.tenant_settings(name).await?;
        let settings = settings.ok_or_else(|| TenantError::Unknown(name.to_owned()))?;
        let mut others = self.others.lock().await;
        if let Some(known) = others.get(name).filter(|known| known.settings == settings) {
            return Ok(known.context.clone());
        }
        let context = Context::open(name, &self.default.config, &self.links, &settings)?;
        let context = Arc::new(context);
        let known = Known {
            settings,
            context: context.clone(),
        };
        others.insert(name.to_owned(), known);
        Ok(context)
    }
}

#[cfg(test)]
mod tests;
