//! Builds observations from the rows of several tables.

use std::collections::HashMap;

use vigie_model::{
    Certificate, Deception, Endpoint, EndpointKey, Evidence, Exposure, Identity, Known, Leak, Model, Observation, RunningModel, Tell, Tool,
};

use crate::columns::{
    DECEPTION, EvidenceColumns, IDENTITY, Item, LEAK, LeakColumns, Missing, ModelColumns, ObservationColumns, ObservationRow,
    RunningColumns, RunningList, StateColumns, TellColumns, ToolColumns, blank_evidence, blank_leak, blank_model, blank_running,
    blank_tell, blank_tool,
};
use crate::rows::Rows;

/// The contents of states and lists of running models, read from their tables.
#[derive(Default)]
pub(crate) struct Contents {
    states: HashMap<i64, State>,
    running: HashMap<i64, Vec<(i32, RunningModel)>>,
}

struct State {
    tls: Known<bool>,
    certificate: Option<Certificate>,
    identity: Identity,
    exposure: Exposure,
    deception: Deception,
    items: Items,
}

/// Items with their positions: a table returns its rows in any order.
#[derive(Default)]
struct Items {
    models: Vec<(i32, Model)>,
    tools: Vec<(i32, Tool)>,
    evidence: Vec<(i32, Evidence)>,
    leaks: Vec<(i32, Leak)>,
    tells: Vec<(i32, Tell)>,
}

fn in_order<T>(mut rows: Vec<(i32, T)>) -> Vec<T> {
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, value)| value).collect()
}

/// Reads an item of a list; `None`: a required column is NULL or unreadable.
fn item<T>(rows: &Rows, row: usize, blank: T, read: impl Fn(&Rows, usize, &mut Item<T>) -> Result<(), Missing>) -> Option<Item<T>> {
    let mut item = Item::blank(blank);
    read(rows, row, &mut item).ok()?;
    Some(item)
}

impl Contents {
    /// Reads rows of the table of states. Must be called first: rows of other tables that belong to no known state are skipped.
    pub(crate) fn read_states(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            let mut state = ObservationRow::blank();
            if StateColumns::read(rows, row, &mut state).is_err() {
                continue;
            }
            let ObservationRow { ids, observation, .. } = state;
            self.states.entry(ids.state).or_insert(State {
                tls: observation.endpoint.tls,
                certificate: observation.endpoint.certificate,
                identity: observation.identity,
                exposure: observation.exposure,
                deception: observation.deception,
                items: Items::default(),
            });
        }
    }

    /// Adds an item to the list of its state.
    fn add<T>(&mut self, item: Option<Item<T>>, list: fn(&mut Items) -> &mut Vec<(i32, T)>) {
        let Some(item) = item else { return };
        if let Some(state) = self.states.get_mut(&item.state) {
            list(&mut state.items).push((item.position, item.item));
        }
    }

    pub(crate) fn read_models(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            self.add(item(rows, row, blank_model(), ModelColumns::read), |items| &mut items.models);
        }
    }

    pub(crate) fn read_tools(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            self.add(item(rows, row, blank_tool(), ToolColumns::read), |items| &mut items.tools);
        }
    }

    pub(crate) fn read_evidence(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            match rows.text("kind", row) {
                Some(IDENTITY) => self.add(item(rows, row, blank_evidence(), EvidenceColumns::read), |items| {
                    &mut items.evidence
                }),
                Some(LEAK) => self.add(item(rows, row, blank_leak(), LeakColumns::read), |items| &mut items.leaks),
                Some(DECEPTION) => self.add(item(rows, row, blank_tell(), TellColumns::read), |items| &mut items.tells),
                // A later version added this kind.
                _ => {}
            }
        }
    }

    pub(crate) fn read_running(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            if let Some(item) = item(rows, row, blank_running(), RunningColumns::read) {
                self.running.entry(item.state).or_default().push((item.position, item.item));
            }
        }
    }

    /// Sorts the lists, once everything is read.
    pub(crate) fn settle(&mut self) {
        for state in self.states.values_mut() {
            let items = std::mem::take(&mut state.items);
            if let Known::Known(models) = &mut state.exposure.models {
                *models = in_order(items.models);
            }
            if let Known::Known(tools) = &mut state.exposure.tools {
                *tools = in_order(items.tools);
            }
            state.identity.evidence = in_order(items.evidence).into();
            state.exposure.leaks = in_order(items.leaks);
            state.deception.tells = in_order(items.tells);
        }
        for running in self.running.values_mut() {
            running.sort_by_key(|(position, _)| *position);
        }
    }

    /// The parts of an observation that are in its state; the models in memory and the network are not.
    pub(crate) fn of_state(&self, id: i64, key: &EndpointKey) -> Option<(Endpoint, Identity, Exposure, Deception)> {
        let state = self.states.get(&id)?;
        let endpoint = Endpoint {
            address: key.address,
            port: key.port,
            transport: key.transport,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            tls: state.tls.clone(),
            certificate: state.certificate.clone(),
        };
        Some((endpoint, state.identity.clone(), state.exposure.clone(), state.deception.clone()))
    }

    /// An observation from a row of its table and the contents that it points to; `Err` names what the lake lacks.
    pub(crate) fn observation(&self, rows: &Rows, row: usize) -> Result<Observation, &'static str> {
        let unreadable = |Missing(column): Missing| unreadable(column);
        let mut read = ObservationRow::blank();
        ObservationColumns::read(rows, row, &mut read).map_err(unreadable)?;
        let state = self.states.get(&read.ids.state).ok_or("the state of an observation")?;
        let list = RunningList::read(rows, row).map_err(unreadable)?;
        let running = match list.running {
            Known::Known(0) => Known::Known(Vec::new()),
            Known::Known(_) => {
                let id = list.running_state.ok_or("the id of a list of running models")?;
                let list = self.running.get(&id).ok_or("the models in memory")?;
                Known::Known(list.iter().map(|(_, model)| model.clone()).collect())
            }
            Known::Unknown(unknown) => Known::Unknown(unknown),
        };
        let part = read.observation;
        Ok(Observation {
            schema: part.schema,
            seen: part.seen,
            recorded: part.recorded,
            source: part.source,
            scope: part.scope,
            endpoint: Endpoint {
                tls: state.tls.clone(),
                certificate: state.certificate.clone(),
                ..part.endpoint
            },
            listener: part.listener,
            identity: state.identity.clone().into(),
            exposure: Exposure {
                running,
                running_at_least: part.exposure.running_at_least,
                ..state.exposure.clone()
            }
            .into(),
            network: part.network,
            deception: state.deception.clone(),
            advisories: [].into(),
            findings: Vec::new().into(),
        })
    }
}

/// What the lake lacks, for [`Error::Broken`](crate::Error::Broken), if a required column has no readable value.
fn unreadable(column: &'static str) -> &'static str {
    match column {
        "state" => "a state's id",
        "seen" => "the time of an observation",
        "recorded" => "the time of a record",
        "source_kind" => "a kind of source that this version knows",
        _ => "an endpoint that this version can read",
    }
}
