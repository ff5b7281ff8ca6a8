//! About how many bytes of memory values take, with their texts and lists: for whoever bounds what is held.

use crate::address::Hosts;
use crate::{
    AdvisoryVerdict, Capability, Claim, Deception, EndpointKey, Exposure, Finding, Identity, Known, Model, Network, Part, PathPrefix,
    Place, SettingPlace, Subject, TextPrint,
};

impl Identity {
    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let evidence = self.evidence.iter();
        let evidence = evidence.map(|one| size_of_val(one) + texts([&one.product, &one.rule, &one.request, &one.seen]));
        size_of::<Self>()
            + [&self.product, &self.version, &self.instance].map(known_text).iter().sum::<usize>()
            + evidence.sum::<usize>()
            + listed(&self.also, |also| text(also))
    }
}

impl Exposure {
    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + self.posture_from.as_deref().map_or(0, text)
            + known(&self.models, |models| listed(models, Model::texts))
            + known(&self.running, |running| listed(running, |model| text(&model.name)))
            + known(&self.capabilities, |capabilities| listed(capabilities, |one| text(one.as_str())))
            + known(&self.tools, |tools| {
                listed(tools, |tool| text(&tool.name) + size_of_val(&*tool.risks))
            })
            + listed(&self.leaks, |leak| text(&leak.request))
            + details([detail(&self.posture), detail(&self.reach), detail(&self.activity)])
    }
}

impl Network {
    /// About how many bytes it takes beside its own size.
    #[must_use]
    pub fn texts_weight(&self) -> usize {
        let texts = [&self.country, &self.class, &self.city, &self.organisation, &self.tier];
        texts.map(known_text).iter().sum::<usize>() + details([detail(&self.asn)])
    }
}

impl Deception {
    /// About how many bytes it takes beside its own size.
    #[must_use]
    pub fn texts_weight(&self) -> usize {
        listed(&self.tells, |tell| texts([&tell.id, &tell.seen])) + details([detail(&self.score)])
    }
}

impl Finding {
    /// About how many bytes it takes, with the claim that it may share with others.
    #[must_use]
    pub fn weight(&self) -> usize {
        let claim = &*self.claim;
        size_of::<Self>()
            + size_of::<Claim>()
            + self.subject.texts()
            + texts([&claim.id, &claim.title, &claim.detail, &claim.remedy])
            + self.accepted.as_deref().map_or(0, text)
            + size_of_val(&*claim.standards)
            + listed(&claim.advisories, |id| text(id))
    }
}

impl Subject {
    fn texts(&self) -> usize {
        let path = |prefix: &Option<PathPrefix>| prefix.as_ref().map_or(0, |prefix| text(prefix.as_str()));
        let place = match &self.place {
            Place::Any | Place::Hosts(Hosts::Addresses(_)) => 0,
            Place::Hosts(Hosts::Name(name)) | Place::Text(name) => text(name),
            Place::At { prefix, .. } => path(prefix),
            Place::Endpoint(key) => size_of::<EndpointKey>() + key.name.as_deref().map_or(0, text) + path(&key.prefix),
        };
        place
            + match &self.part {
                None => 0,
                Some(Part::Model(name) | Part::Package(name) | Part::Process(name) | Part::File(name) | Part::Signal(name)) => text(name),
                Some(Part::Setting(setting)) => {
                    size_of::<SettingPlace>()
                        + match &**setting {
                            SettingPlace::Env(name) | SettingPlace::Flag(name) => text(name),
                            SettingPlace::File { file, key } => texts([file, key]),
                        }
                }
            }
    }
}

impl AdvisoryVerdict {
    /// About how many bytes it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + texts([&self.id, &self.why])
            + self.fixed.as_deref().map_or(0, text)
            + listed(&self.conditions, |condition| text(condition))
    }
}

impl Model {
    fn texts(&self) -> usize {
        let texts = [
            &self.digest,
            &self.family,
            &self.parameters,
            &self.quantisation,
            &self.format,
            &self.remote_host,
        ];
        let capabilities = |list: &Vec<Capability>| listed(list, |one| text(one.as_str()));
        let print = |print: &TextPrint| text(&print.sha256) + print.text.as_deref().map_or(0, text);
        text(&self.name)
            + texts.map(known_text).iter().sum::<usize>()
            + known(&self.capabilities, capabilities)
            + capabilities(&self.capabilities_untold)
            + known(&self.template, print)
            + known(&self.system_prompt, print)
            + details([
                detail(&self.size_bytes),
                detail(&self.context_length),
                detail(&self.remote),
                detail(&self.loaded),
                detail(&self.modified),
                detail(&self.uncensored_by_name),
                detail(&self.uncensored_by_prompt),
            ])
    }
}

/// What an allocator gives for a text: it rounds up.
fn text(text: &str) -> usize {
    text.len().next_multiple_of(16)
}

fn texts<const COUNT: usize>(of: [&String; COUNT]) -> usize {
    of.iter().map(|one| text(one)).sum()
}

fn details<const COUNT: usize>(of: [Option<&str>; COUNT]) -> usize {
    of.into_iter().flatten().map(text).sum()
}

fn detail<T>(value: &Known<T>) -> Option<&str> {
    match value {
        Known::Known(_) => None,
        Known::Unknown(unknown) => unknown.detail.as_deref(),
    }
}

fn known<T>(value: &Known<T>, weight: impl FnOnce(&T) -> usize) -> usize {
    value.known().map(weight).unwrap_or_default() + details([detail(value)])
}

fn known_text(value: &Known<String>) -> usize {
    known(value, |value| text(value))
}

/// A list with the room that it has.
fn listed<T>(list: &Vec<T>, weight: impl Fn(&T) -> usize) -> usize {
    list.capacity() * size_of::<T>() + list.iter().map(weight).sum::<usize>()
}
