//! What a request's grant says of the models that are behind at the moment.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use vigie_model::Effect;

use super::gate::Gate;
use super::look;
use super::upstreams::Upstreams;
use crate::key::{Grant, Hash};
use crate::policy::{self, Asked, Notes, Refusal};
use crate::pool::{Judged, Judgement, Pool, Snapshot};

/// The reply of a server to a harmless request for a list.
async fn ask(upstreams: &Upstreams, server: usize, path: String) -> Option<Vec<u8>> {
    let (status, body) = look::ask(upstreams.get(server)?, &path).await?;
    (200..300).contains(&status).then_some(body)
}

/// A server's list without the models that the key may not use; what it tells of them is kept in mind. `None`: nothing has to go.
pub(super) fn filter(pool: &Pool, server: usize, grant: &Grant, judgement: &Judgement<'_>, list: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let passed = &judgement.passed;
    let known = pool.servers().get(server).filter(|_| !grant.allows_cloud());
    let known = known.map(|server| server.known.pass(&passed.target, list)).unwrap_or_default();
    policy::filter_known(list, passed.lists, grant, judgement.names(), &|name| known.remote.contains(name))
}

impl Gate {
    /// Judges a request by a grant, with what is known of the models behind. Returns the grant as it is now, too.
    pub(super) async fn judge<'t, 'g>(
        &self,
        servers: &'t Snapshot,
        grant: &'g Grant,
        asked: &Asked<'_>,
        upstreams: &Upstreams,
        notes: &mut Notes<'t>,
    ) -> Result<(Cow<'g, Grant>, Judged<'t>), Refusal> {
        let grant = self.pinned(grant, upstreams).await?;
        let judged = servers.judge(&grant, asked, notes)?;
        self.refuse_remote(&grant, &judged, upstreams).await?;
        Ok((grant, judged))
    }

    /// The grant with its pinned models as they are behind now: a name has a digest if it has the same one on every server.
    async fn pinned<'g>(&self, grant: &'g Grant, upstreams: &Upstreams) -> Result<Cow<'g, Grant>, Refusal> {
        if !grant.has_pins() {
            return Ok(Cow::Borrowed(grant));
        }
        let all = 0..self.pool.servers().len();
        let mut digests: HashMap<String, Option<Hash>> = HashMap::new();
        let mut names = None;
        // A server that does not answer gets no request either.
        for number in self.pool.answering(all.collect()).iter() {
            let Some(server) = self.pool.servers().get(number) else { continue };
            let known = server.known.digests(|path| ask(upstreams, number, path)).await;
            let known = known.map_err(|why| Refusal::NotGranted(format!("a pinned model: {why}")))?;
            for (name, digest) in &known.digests {
                let met = digests.entry(name.clone()).or_insert(Some(*digest));
                if *met != Some(*digest) {
                    *met = None;
                }
            }
            names = names.or_else(|| self.pool.table(number).map(|table| table.names()));
        }
        let told = digests.iter().filter_map(|(name, digest)| Some((name.as_str(), (*digest)?)));
        Ok(grant.with_digests(told, names.unwrap_or_default()))
    }

    /// Refuses a local name of a model that runs on the account of the server's owner, for a key that may not use such models.
    async fn refuse_remote(&self, grant: &Grant, judged: &Judged<'_>, upstreams: &Upstreams) -> Result<(), Refusal> {
        let passed = judged.first();
        if grant.allows_cloud() || !passed.infers {
            return Ok(());
        }
        let may_ask = self.tells_models_apart.load(Ordering::Relaxed);
        for number in judged.servers().iter() {
            let Some(server) = self.pool.servers().get(number) else { continue };
            let known = match may_ask {
                true => server.known.remote(|path| ask(upstreams, number, path)).await,
                false => server.known.now(),
            };
            if let Some(model) = passed.models.iter().find(|model| known.remote.contains(*model)) {
                let why = format!("the model {model:?}, which runs on the account of the server's owner");
                return Err(Refusal::NotGranted(why));
            }
        }
        Ok(())
    }

    /// After a request: what was stored, loaded or done with the account may have changed the models.
    pub(super) fn models_after(&self, effect: Effect) {
        if matches!(effect, Effect::Load | Effect::Write | Effect::Account) {
            self.pool.servers().iter().for_each(|server| server.known.forget());
        }
    }
}
