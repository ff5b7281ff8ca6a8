//! The conclusion of a session.

use vigie_model::{Deception, Exposure, Identity};

/// What a session found out about an endpoint.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// Product, version and instance.
    pub identity: Identity,
    /// What the endpoint exposes. `reach` is left unknown here: it depends on the host's other addresses.
    pub exposure: Exposure,
    /// Signs that the endpoint is not what it claims to be.
    pub deception: Deception,
    /// Whether any HTTP reply came.
    pub spoke_http: bool,
}
