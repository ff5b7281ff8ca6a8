//! What the fuzz targets of `fuzz/` call: any bytes to each parser of what comes from elsewhere, and what must hold of what it takes.
//! Compiled for tests and for fuzzing only.

#[cfg(test)]
#[path = "../../../fuzz/drivers/replay.rs"]
mod replay;

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident: $path:path;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(data: &[u8]) {
                $path(data);
            }
        )*

        #[cfg(test)]
        mod tests {
            $(
                #[test]
                fn $name() {
                    super::replay::replay(stringify!($name), super::$name);
                }
            )*
        }
    };
}

targets! {
    /// The question of Envoy over gRPC.
    check: crate::authorize::fuzzing::check;
    /// A credential in a target or a header.
    credentials: crate::key::fuzzing::credentials;
    /// A client certificate, the authorities of clients, and what they revoked.
    client: crate::key::fuzzing::certificate;
    /// `guard.toml`.
    config: crate::config::fuzzing::drive;
    /// The field block of a request over HTTP/2.
    fields: crate::proxy::fuzzing::request;
    /// The description of an issuer of tokens, and its key set.
    issuer: crate::token::fuzzing::issuer;
    /// The audit log.
    log: crate::log::fuzzing::drive;
    /// The answer of a server behind, as it is metered.
    meter: crate::meter::fuzzing::drive;
    /// A request as it is judged and written anew.
    policy: crate::policy::fuzzing::drive;
    /// The question of a proxy.
    question: crate::authorize::fuzzing::drive;
    /// Replies of Redis.
    redis: crate::limit::fuzzing::drive;
    /// A JSON Web Token.
    token: crate::token::fuzzing::token;
}
