//! A question of a proxy that is already there: may it pass a request on? See [`crate::authorize`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::client::{Client, answer_whole, check_head};
use super::exchange::Exchange;
use crate::authorize::{Asker, PATH};
use crate::config::Proxy;
use crate::credential::redact;
use crate::key::Key;
use crate::limit::estimate::Counted;
use crate::limit::{Away, Limit, Limits, header_lines};
use crate::log::Outcome;
use crate::policy::{self, Asked, Passed, Refusal, Seen, judge_verbatim};
use crate::watch::Sanction;

/// Limits that only count where the answers pass through the gateway.
const UNCOUNTED: [Limit; 3] = [Limit::TokensPerMinute, Limit::TokensPerDay, Limit::Concurrent];
/// Envoy's word of a body that it did not show whole.
const PARTIAL: &str = "x-envoy-auth-partial-body";

impl Exchange<'_> {
    /// Answers a proxy's question.
    pub(super) async fn decide(&mut self, client: &mut impl Client, head: &RequestHead, asker: &Asker) {
        PATH.clone_into(&mut self.entry.path);
        let decided = self.decision(client, head, asker).await;
        let (status, text) = match &decided {
            Ok(()) => {
                self.entry.outcome = Outcome::Authorized;
                if let Some((id, _)) = &self.entry.client.key {
                    self.more.push_str(&format!("x-vigie-key: {id}\r\n"));
                }
                (200, "")
            }
            Err(refusal) => {
                self.refused(refusal);
                (refusal.status(), refusal.body())
            }
        };
        // nginx takes any status but these for an error of the server that it asks; it finds the status in the header.
        let shown = match (asker.proxy, status) {
            (Proxy::Nginx, 200 | 401) => status,
            (Proxy::Nginx, _) => 403,
            (_, _) => status,
        };
        if asker.proxy == Proxy::Nginx {
            self.more.push_str(&format!("x-vigie-status: {status}\r\n"));
        }
        let text = if self.entry.method == "HEAD" { "" } else { text };
        self.entry.status = Some(status);
        self.entry.duration_ms = self.elapsed_ms();
        self.log().await;
        answer_whole(client, shown, text, &self.more).await;
    }

    async fn decision(&mut self, client: &mut impl Client, head: &RequestHead, asker: &Asker) -> Result<(), Refusal> {
        asker.proves(self.entry.client.address.ip(), head)?;
        let (asked, address) = asker.question(head)?;
        let key = self.identify(&asked, address).await?;
        let body = client.body(&self.shared.gate.bounds).await?;
        self.judge(&key, &asked, &body, asker).await
    }

    /// Whose request the proxy asks about, as far as its head tells whether it may pass.
    pub(super) async fn identify(&mut self, asked: &RequestHead, address: Option<SocketAddr>) -> Result<Arc<Key>, Refusal> {
        self.entry.method.clone_from(&asked.method);
        self.entry.path = redact(vigie_http::path::without_query(&asked.target)).into_owned();
        if let Some(address) = address {
            self.entry.client.address = address;
        }
        let gate = &*self.shared.gate;
        let watch = gate.watch.as_ref();
        let client_address = self.entry.client.address.ip();
        if address.is_some() && watch.is_some_and(|watch| watch.for_address(client_address) == Sanction::Block) {
            return Err(Refusal::BlockedAddress);
        }
        // The certificate is the proxy's. A key in the target would be passed on by the proxy, and is none.
        self.certificate = None;
        let key = self.authenticate(asked, Ok(None)).await?;
        self.entry.client.key = Some((key.id.clone(), key.name.clone()));
        match watch.map_or(Sanction::None, |watch| watch.for_key(&key.id)) {
            Sanction::None => {}
            Sanction::Block => return Err(Refusal::Blocked),
            Sanction::Slow(wait) => tokio::time::sleep(wait).await,
        }
        check_head(asked)?;
        gate.allowed.check(&asked.headers)?;
        if address.is_none() && !key.grant.networks.is_empty() {
            let why = "anything from an address that the proxy does not say";
            return Err(Refusal::NotGranted(why.to_owned()));
        }
        policy::present(&key.grant, client_address, chrono::Utc::now())?;
        if headers::all(&asked.headers, PARTIAL).any(|partial| partial != "false") {
            return Err(Refusal::TooLarge);
        }
        Ok(key)
    }

    /// Judges the request with its body, or without it if the proxy shows none.
    pub(super) async fn judge(&mut self, key: &Key, asked: &RequestHead, body: &[u8], asker: &Asker) -> Result<(), Refusal> {
        let gate = &*self.shared.gate;
        if !body.is_empty() && !asker.shows_bodies {
            let why = "the proxy shows a body, and [authorize] has no body = true";
            return Err(Refusal::Ambiguous(why.to_owned()));
        }
        self.entry.request_bytes = body.len();
        let servers = gate.pool.snapshot();
        let request = Asked {
            method: &asked.method,
            target: &asked.target,
            content_type: headers::first(&asked.headers, "content-type"),
            body,
        };
        let seen = if asker.shows_bodies { Seen::Whole } else { Seen::Nothing };
        let mut first = None;
        // The proxy chooses the server, so each has to take it as it is.
        for table in servers.tables() {
            let passed = judge_verbatim(table, &key.grant, &request, seen)?;
            first.get_or_insert(passed);
        }
        let passed = first.ok_or_else(|| Refusal::UnknownRoute("no server is behind".to_owned()))?;
        self.entry.route = Some((passed.effect.to_string(), passed.route.to_owned()));
        self.entry.models.clone_from(&passed.models);
        self.count(key, &passed).await
    }

    /// Counts the request against the limits of its key.
    async fn count(&mut self, key: &Key, passed: &Passed<'_>) -> Result<(), Refusal> {
        let limits = &key.grant.limits;
        let uncounted = UNCOUNTED.into_iter().find(|limit| limits.get(*limit).is_some());
        if let Some(limit) = uncounted.filter(|_| !passed.effect.is_harmless()) {
            let why = "cannot be counted, because the answer does not pass through the gateway";
            return Err(Refusal::NotGranted(format!("its limit {} {why}", limit.word())));
        }
        let limiter = &self.shared.gate.limiter;
        let (permit, standing) = match &self.shared.link {
            None => {
                let (admitted, standing) = limiter.admit(&key.id, limits, false, limiter.now());
                (admitted.map_err(|over| Refusal::OverLimit { over, standing })?, standing)
            }
            Some(link) => {
                let (remote, standing) = link.admit(&key.id, limits, false).await.map_err(|Away| Refusal::Busy {
                    why: "Redis does not answer, so the limits of the key are not known",
                    wait: Duration::from_secs(1),
                })?;
                // It is over with its decision: dropped, it gives its place back.
                drop(remote.map_err(|over| Refusal::OverLimit { over, standing })?);
                // What this gateway lets through it counts as well, for a Redis that loses its data.
                let (admitted, _) = limiter.admit(&key.id, &Limits::default(), false, limiter.now());
                (admitted.map_err(|over| Refusal::OverLimit { over, standing })?, standing)
            }
        };
        self.more = header_lines(&standing);
        let at = chrono::Utc::now();
        permit.settle(0, at);
        self.entry.counted = Some((Counted::default(), at));
        Ok(())
    }
}
