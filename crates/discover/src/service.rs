//! A service and its keys.

use crate::api::ServiceApi;
use crate::kind::ServiceKind;
use crate::secret::Secret;
use crate::services::censys::CensysApi;
use crate::services::censys_legacy::CensysLegacyApi;
use crate::services::shodan::ShodanApi;

/// A service and its keys.
pub struct Service {
    pub(crate) kind: ServiceKind,
    pub(crate) api: Box<dyn ServiceApi>,
}

impl Service {
    /// Shodan's REST API.
    #[must_use]
    pub fn shodan(key: Secret) -> Self {
        Self {
            kind: ServiceKind::Shodan,
            api: Box::new(ShodanApi { key }),
        }
    }

    /// The Censys Platform's API v3. Without an organisation the account's own credits are spent.
    #[must_use]
    pub fn censys(token: Secret, organization: Option<String>) -> Self {
        Self {
            kind: ServiceKind::Censys,
            api: Box::new(CensysApi { token, organization }),
        }
    }

    /// Censys Search v2, which preceded the Platform.
    #[must_use]
    pub fn censys_legacy(id: Secret, secret: Secret) -> Self {
        Self {
            kind: ServiceKind::CensysLegacy,
            api: Box::new(CensysLegacyApi { id, secret }),
        }
    }

    /// Which service it is.
    #[must_use]
    pub fn kind(&self) -> ServiceKind {
        self.kind
    }
}
