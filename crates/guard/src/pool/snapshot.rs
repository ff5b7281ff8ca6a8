//! What the servers behind are at this moment: their route tables and models. A request is judged by them.

use std::sync::Arc;

use vigie_catalog::RouteTable;
use vigie_catalog::table::NameReading;
use vigie_model::Effect;

use super::set::Set;
use crate::key::{Grant, Pattern};
use crate::meter::UsageHabit;
use crate::policy::{self, Asked, Notes, Passed, Refusal};

/// What the servers behind are at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Servers of one product and version share a table.
    pub(super) groups: Vec<Group>,
    /// The models of each server.
    pub(super) models: Vec<Models>,
}

/// Servers that read requests alike.
#[derive(Debug)]
pub(crate) struct Group {
    /// The product's number in the catalogue.
    pub(super) product: u32,
    pub(super) table: Arc<RouteTable>,
    pub(super) habit: UsageHabit,
    pub(super) servers: Set,
}

/// The models of a server.
#[derive(Clone, Debug)]
pub(crate) enum Models {
    /// Whatever it says: it is the only one.
    Any,
    /// Those that the configuration names.
    Named(Arc<[Pattern]>),
    /// Those that it listed last, sorted; none before it was asked.
    Listed(Arc<[String]>),
}

impl Models {
    fn has(&self, canonical: &str, names: NameReading) -> bool {
        match self {
            Self::Any => true,
            Self::Named(patterns) => patterns.iter().any(|pattern| pattern.holds(canonical, names)),
            Self::Listed(models) => models.binary_search_by(|model| model.as_str().cmp(canonical)).is_ok(),
        }
    }
}

/// A request that is passed on, as each group of servers reads it.
#[derive(Debug)]
pub(crate) struct Judged<'t> {
    first: Judgement<'t>,
    others: Vec<Judgement<'t>>,
}

/// A request as one group of servers reads it.
#[derive(Debug)]
pub(crate) struct Judgement<'t> {
    pub(crate) passed: Passed<'t>,
    names: NameReading,
    /// The servers of the group that may get it.
    servers: Set,
}

impl Judgement<'_> {
    pub(crate) fn names(&self) -> NameReading {
        self.names
    }
}

impl Snapshot {
    /// Judges a request. It has to pass for each group of servers that has its route, whichever of them gets it in the end: so the choice
    /// of a server, which depends on load and health, cannot change what is allowed. `notes`: what the log says of it.
    ///
    /// # Errors
    ///
    /// Why it is not passed on.
    pub(crate) fn judge<'s>(&'s self, grant: &Grant, asked: &Asked<'_>, notes: &mut Notes<'s>) -> Result<Judged<'s>, Refusal> {
        let mut first = None;
        let mut others = Vec::new();
        let mut unknown = None;
        for group in &self.groups {
            // The log has the request as the first group reads it.
            let mut own = Notes::default();
            let notes = if first.is_none() { &mut *notes } else { &mut own };
            let passed = match policy::judge_metered(&group.table, grant, asked, group.habit, notes) {
                Ok(passed) => passed,
                Err(refusal @ Refusal::UnknownRoute(_)) => {
                    unknown.get_or_insert(refusal);
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            let names = group.table.names();
            let servers = self.having(group, &passed, names);
            let judgement = Judgement { passed, names, servers };
            match first {
                None => first = Some(judgement),
                Some(_) => others.push(judgement),
            }
        }
        let Some(first) = first else {
            return Err(unknown.unwrap_or_else(|| Refusal::UnknownRoute("no server is behind".to_owned())));
        };
        let judged = Judged { first, others };
        match judged.servers().is_empty() {
            true => Err(Refusal::NoModel(judged.first.passed.models.join(", "))),
            false => Ok(judged),
        }
    }

    /// The route tables of the servers.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &RouteTable> {
        self.groups.iter().map(|group| &*group.table)
    }

    /// The servers of a group that have the models of a request.
    fn having(&self, group: &Group, passed: &Passed<'_>, names: NameReading) -> Set {
        let has = |server: &usize| {
            let models = self.models.get(*server);
            passed
                .models
                .iter()
                .all(|model| models.is_some_and(|models| models.has(model, names)))
        };
        let having: Set = group.servers.iter().filter(has).collect();
        // What a pull or a copy makes, no server has yet: the first one makes it.
        let makes = matches!(passed.effect, Effect::Write | Effect::Account);
        match having.is_empty() && makes {
            true => group.servers.iter().take(1).collect(),
            false => having,
        }
    }
}

impl<'t> Judged<'t> {
    /// The request as the first group of servers reads it: what is logged of it.
    pub(crate) fn first(&self) -> &Passed<'t> {
        &self.first.passed
    }

    fn all(&self) -> impl Iterator<Item = &Judgement<'t>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The servers that may get it.
    pub(crate) fn servers(&self) -> Set {
        self.all().fold(Set::NONE, |set, judgement| set.or(judgement.servers))
    }

    /// The request as a server reads it.
    pub(crate) fn of(&self, server: usize) -> &Judgement<'t> {
        self.all()
            .find(|judgement| judgement.servers.contains(server))
            .unwrap_or(&self.first)
    }

    /// Whether it makes a model run, in any reading: such requests are what a server does only so many of at a time.
    pub(crate) fn runs(&self) -> bool {
        self.all()
            .any(|judgement| judgement.passed.infers || judgement.passed.effect == Effect::Load)
    }

    /// Whether the answer is a list to which several servers add.
    pub(crate) fn is_list_of_several(&self, method: &str) -> bool {
        method == "GET" && !self.servers().is_one() && self.all().all(|judgement| !judgement.passed.lists.is_empty())
    }
}
