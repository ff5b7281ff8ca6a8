//! One certificate is asked for.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::client::Client;
use super::http01::Tokens;
use super::store;
use crate::config::{Acme, Config};
use crate::proxy::{Certificate, Life, Running, connector};

/// How long the authority may take to look at the names, and to make the certificate.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks for a certificate and keeps it.
pub(super) async fn obtain(running: &Running, acme: &Acme) -> Result<Certificate, String> {
    let dir = running.dir();
    let authority = acme.ca.as_ref().map(|path| Config::beside(dir, path));
    let tls = connector(authority.as_deref())?;
    let account = account(running, acme, Client(tls)).await?;
    let names: Vec<Identifier> = acme.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(text)?;
    let tokens = match acme.http {
        None => None,
        Some(address) => Some(Tokens::serve(address)?),
    };
    // What is shown to the authority is taken away again however this ends.
    let mut shown = Shown {
        life: Arc::clone(&running.parts.life),
        names: Vec::new(),
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(text)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(format!("the authority says {status:?} of {}", authorization.identifier())),
        }
        let kind = if tokens.is_some() {
            ChallengeType::Http01
        } else {
            ChallengeType::TlsAlpn01
        };
        let name = authorization.identifier().to_string();
        let mut challenge = authorization
            .challenge(kind.clone())
            .ok_or_else(|| format!("the authority does not offer {kind:?} for {name}"))?;
        match &tokens {
            Some(tokens) => tokens.show(&challenge.token, challenge.key_authorization().as_str()),
            None => shown.show(&name, &challenge)?,
        }
        challenge.set_ready().await.map_err(text)?;
    }
    let policy = RetryPolicy::new().timeout(PATIENCE);
    if order.poll_ready(&policy).await.map_err(text)? != OrderStatus::Ready {
        let mut why = "the authority could not see that the names lead here".to_owned();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let name = authorization.identifier().to_string();
            if let Ok(state) = authorization.refresh().await {
                for problem in state.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
                    why.push_str(&format!("; {name}: {problem}"));
                }
            }
        }
        return Err(why);
    }
    let key = KeyPair::generate().map_err(text)?;
    let mut wanted = CertificateParams::new(acme.domains.clone()).map_err(text)?;
    wanted.distinguished_name = DistinguishedName::new();
    let request = wanted.serialize_request(&key).map_err(text)?;
    order.finalize_csr(request.der()).await.map_err(text)?;
    let chain = order.poll_certificate(&policy).await.map_err(text)?;
    let key = key.serialize_pem();
    let certificate =
        Certificate::parse(chain.as_bytes(), key.as_bytes()).map_err(|wrong| format!("the authority's certificate: {wrong}"))?;
    store::keep_certificate(dir, &chain, &key)?;
    Ok(certificate)
}

/// The account: the one that was kept, or a new one.
async fn account(running: &Running, acme: &Acme, client: Client) -> Result<Account, String> {
    let dir = running.dir();
    let builder = Account::builder_with_http(Box::new(client));
    if let Some(credentials) = store::account(dir, &acme.directory)? {
        return builder.from_credentials(credentials).await.map_err(text);
    }
    let contact: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contact,
        terms_of_service_agreed: acme.accept_terms,
        only_return_existing: false,
    };
    let (account, credentials) = builder.create(&wanted, acme.directory.clone(), None).await.map_err(text)?;
    store::keep_account(dir, &acme.directory, credentials)?;
    Ok(account)
}

/// What is shown in handshakes.
struct Shown {
    life: Arc<Life>,
    names: Vec<String>,
}

impl Shown {
    /// Shows a certificate that only who asked for this one can make (RFC 8737, section 3).
    fn show(&mut self, name: &str, challenge: &ChallengeHandle<'_>) -> Result<(), String> {
        let key = KeyPair::generate().map_err(text)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(text)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(
            challenge.key_authorization().digest().as_ref(),
        )];
        let made = params.self_signed(&key).map_err(text)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let private = rustls::crypto::ring::sign::any_supported_type(&private).map_err(text)?;
        // It has an extension that nobody else need understand, so that it is not looked at as one for clients is.
        let shown = CertifiedKey::new(vec![made.der().clone()], private);
        self.life.certificates.challenge(name, Some(Arc::new(shown)));
        self.names.push(name.to_owned());
        Ok(())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| self.life.certificates.challenge(name, None));
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
