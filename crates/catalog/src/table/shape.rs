//! The compiled routes of one path and one method.

use vigie_model::{Effect, EffectSet};

use crate::pointer::Pointer;
use crate::route::condition::{Reading, ValuePlace};
use crate::table::decision::{Amount, At, Body, Named, Reason, Request, Set};
use crate::table::doubt::Doubts;
use crate::table::expression::{Compiled, Compiler};
use crate::table::plan::{Found, MAX_CONDITIONS, Mark, Plan};
use crate::table::takes::{Ask, Asks, BodyKind, Knob, ListPlace, Place, Reads, Role, TakesRule, TypeReading};
use crate::table::target::Target;
use crate::table::version::Holds;

/// A line of a product's routes.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) effect: Effect,
    pub(crate) text: Box<str>,
    condition: When,
    /// Only some versions have it, and the version is unknown.
    pub(crate) maybe: bool,
}

/// A further condition on a request.
#[derive(Clone, Debug)]
enum When {
    Always,
    /// A condition on the body, by its number in the plan.
    Body(usize, bool),
    Segment(usize, bool, Compiled),
    Query(Box<str>, Compiled),
    /// A condition that cannot be checked: it may be true.
    Perhaps,
}

/// A place outside JSON.
#[derive(Clone, Debug)]
enum Outside {
    Segment(usize, bool),
    Query(Box<str>),
    Form(Box<str>),
}

/// The effects of the requests with one path and one method, and what they name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    lines: Vec<Line>,
    plan: Plan,
    body: Option<BodyKind>,
    /// The number of conditions on the body.
    conditions: usize,
    models: Vec<(Role, Vec<Place>)>,
    knobs: Vec<(Knob, Vec<Place>)>,
    pub(crate) may_ask: Asks,
    pub(crate) lists: Vec<ListPlace>,
    models_outside: Vec<(Role, u8, Outside)>,
    knobs_outside: Vec<(Knob, u8, Outside)>,
    asks_outside: Vec<(Ask, Outside, Compiled)>,
    fields: Vec<Box<str>>,
}

/// A route line before it is compiled.
pub(crate) struct Written<'f> {
    pub(crate) route: &'f crate::route::Route,
    pub(crate) effect: Effect,
    pub(crate) holds: Holds,
}

impl Shape {
    /// Compiles the lines for one path and method with the file's `takes` for them. `path` is spelled as in `takes`.
    pub(crate) fn compile(lines: &[&Written<'_>], takes: &[(&TakesRule, &str)], verb: crate::route::Verb, compiler: &mut Compiler) -> Self {
        let mut shape = Self::default();
        for line in lines {
            let condition = match &line.route.condition {
                None => When::Always,
                Some(condition) => {
                    let test = compiler.test(&condition.test);
                    match &condition.place {
                        ValuePlace::Segment(number, rest) => When::Segment(*number, *rest, test),
                        ValuePlace::Query(key) => When::Query(key.as_str().into(), test),
                        ValuePlace::Body(pointer) if pointer.is_plain() && shape.conditions < MAX_CONDITIONS => {
                            let number = shape.conditions;
                            shape.conditions += 1;
                            let nothing = test.passes_nothing();
                            shape.plan.add(pointer.segments(), Mark::Condition(number, test));
                            When::Body(number, nothing)
                        }
                        ValuePlace::Body(_) => When::Perhaps,
                    }
                }
            };
            shape.lines.push(Line {
                effect: line.effect,
                text: line.route.as_str().into(),
                condition,
                maybe: line.holds == Holds::Maybe,
            });
        }
        // The worst effect first: the first line whose condition is true decides.
        shape.lines.sort_by_key(|line| std::cmp::Reverse(line.effect));
        for (rule, path) in takes {
            shape.body = shape.body.or(Some(rule.body_kind(verb)));
            shape.take(rule, path, compiler);
        }
        shape
    }

    fn take(&mut self, rule: &TakesRule, path: &str, compiler: &mut Compiler) {
        for (role, places) in [
            (Role::Model, &rule.model),
            (Role::Source, &rule.source),
            (Role::Target, &rule.target),
        ] {
            for place in &places.0 {
                let known = entry(&mut self.models, role);
                if known.contains(place) {
                    continue;
                }
                let number = u8::try_from(known.len()).unwrap_or(u8::MAX);
                known.push(place.clone());
                match outside(place, path) {
                    Ok(outside) => self.models_outside.push((role, number, outside)),
                    Err(pointer) => self.plan.add(pointer.segments(), Mark::Model(role, number)),
                }
            }
        }
        for (knob, places) in &rule.knobs.0 {
            for place in places {
                let known = entry(&mut self.knobs, *knob);
                if known.contains(place) {
                    continue;
                }
                let number = u8::try_from(known.len()).unwrap_or(u8::MAX);
                known.push(place.clone());
                match outside(place, path) {
                    Ok(outside) => self.knobs_outside.push((*knob, number, outside)),
                    Err(pointer) => self.plan.add(pointer.segments(), Mark::Knob(*knob, number)),
                }
            }
        }
        for (ask, rules) in &rule.asks.0 {
            self.may_ask.insert(*ask);
            for rule in rules {
                let test = rule.test.as_ref().map_or(Compiled::Something, |test| compiler.test(test));
                match outside(&rule.place, path) {
                    Ok(outside) => self.asks_outside.push((*ask, outside, test)),
                    Err(pointer) => self.plan.add(pointer.segments(), Mark::Ask(*ask, test)),
                }
            }
        }
        for key in &rule.keys {
            if self.body == Some(BodyKind::Form) {
                self.fields.push(key.as_str().into());
            } else if key.starts_with('/') {
                // What is no pointer was reported when the file was checked.
                if let Ok(pointer) = Pointer::parse(key) {
                    self.plan.close_below(pointer.segments());
                }
            } else {
                self.plan.close(key);
            }
        }
        self.lists.extend(rule.list.clone());
    }

    pub(crate) fn body(&self) -> Option<BodyKind> {
        self.body
    }

    pub(crate) fn model_places(&self, role: Role) -> &[Place] {
        self.models
            .iter()
            .find(|(known, _)| *known == role)
            .map_or(&[], |(_, places)| places)
    }

    pub(crate) fn knob_places(&self, knob: Knob) -> &[Place] {
        self.knobs
            .iter()
            .find(|(known, _)| *known == knob)
            .map_or(&[], |(_, places)| places)
    }

    /// Whether one of its lines has this effect.
    pub(crate) fn has(&self, effect: Effect) -> bool {
        self.lines.iter().any(|line| line.effect == effect)
    }

    /// The worst effect that any of its lines has.
    pub(crate) fn worst(&self) -> Option<Effect> {
        self.lines.first().map(|line| line.effect)
    }

    /// The worst line whose condition is true.
    pub(crate) fn line(&self, request: &Request<'_>, target: &Target<'_>, found: &Found<'_>) -> Option<&Line> {
        self.lines.iter().find(|line| Self::holds(line, request, target, found))
    }

    /// Each effect whose line has a true condition.
    pub(crate) fn effects(&self, request: &Request<'_>, target: &Target<'_>, found: &Found<'_>) -> EffectSet {
        let lines = self.lines.iter().filter(|line| Self::holds(line, request, target, found));
        lines.fold(EffectSet::EMPTY, |effects, line| effects.with(line.effect))
    }

    fn holds(line: &Line, request: &Request<'_>, target: &Target<'_>, found: &Found<'_>) -> bool {
        let reading = if line.effect.is_harmless() {
            Reading::Exact
        } else {
            Reading::Possible
        };
        match &line.condition {
            When::Always => true,
            When::Perhaps => reading == Reading::Possible,
            When::Body(number, nothing) => {
                let seen = found.conditions[*number];
                match (request.body, reading) {
                    (Body::Unseen | Body::Other, Reading::Possible) => true,
                    (Body::Unseen | Body::Other, Reading::Exact) => false,
                    (_, Reading::Possible) if seen.values => seen.any || (seen.null && *nothing),
                    (_, Reading::Exact) if seen.values => !seen.not_all && (!seen.null || *nothing),
                    _ => *nothing,
                }
            }
            When::Segment(number, rest, test) => target
                .segment(*number, *rest)
                .map_or(test.passes_nothing(), |value| test.passes(&value)),
            When::Query(key, test) => {
                let mut values = target.query(key, reading == Reading::Possible).peekable();
                if values.peek().is_none() {
                    return test.passes_nothing();
                }
                match reading {
                    Reading::Exact => values.all(|value| test.passes(&value)),
                    Reading::Possible => values.any(|value| test.passes(&value)),
                }
            }
        }
    }

    /// Finds everything in a request that this route reads.
    ///
    /// # Errors
    ///
    /// The route does not take this body.
    pub(crate) fn look<'r>(&self, reads: Reads, request: &Request<'r>, target: &Target<'r>, found: &mut Found<'r>) -> Result<(), Reason> {
        match (self.body, request.body) {
            (_, Body::Unseen) => found.doubts |= Doubts::UNSEEN_BODY,
            (Some(BodyKind::Json), Body::Json(json)) => {
                if json.root().kind() != crate::table::json::JsonKind::Object {
                    return Err(Reason::Body("the body is not a JSON object"));
                }
                found.doubts |= content_type(reads, request.content_type)?;
                self.walk(reads, json, found);
            }
            (Some(BodyKind::Json), Body::None) => return Err(Reason::Body("the route takes a JSON object, and there is no body")),
            (Some(BodyKind::Json), Body::Form(_) | Body::Other) => return Err(Reason::Body("the body is not valid JSON")),
            (Some(BodyKind::Form), Body::Form(form)) => self.fields(form, found),
            (Some(BodyKind::Form), _) => return Err(Reason::Body("the route takes a multipart form")),
            (Some(BodyKind::None), Body::None) | (Some(BodyKind::Bytes), _) | (None, Body::None) => {}
            (Some(BodyKind::None), _) => found.doubts |= Doubts::UNEXPECTED_BODY,
            // It is unknown which body the route takes; a condition may still read it.
            (None, Body::Json(json)) => self.walk(reads, json, found),
            (None, Body::Form(_) | Body::Other) => {}
        }
        let mut doubts = Doubts::default();
        for (role, number, outside) in &self.models_outside {
            outside.each(request, target, &mut doubts, |name, at| {
                if !name.is_empty() {
                    found.name(Named {
                        role: *role,
                        name,
                        at,
                        place: *number,
                        counts: false,
                    });
                }
            });
        }
        for (knob, number, outside) in &self.knobs_outside {
            outside.each(request, target, &mut doubts, |_, at| {
                found.set(Set {
                    knob: *knob,
                    amount: Amount::Unlimited,
                    raw: "",
                    at,
                    place: *number,
                    counts: false,
                });
            });
        }
        for (ask, outside, test) in &self.asks_outside {
            outside.each(request, target, &mut doubts, |value, _| {
                if test.passes(&value) {
                    found.asks.insert(*ask);
                    found.images = found.images.saturating_add(u32::from(*ask == Ask::Images));
                }
            });
        }
        found.doubts |= doubts;
        if let Some(fault) = found.fault {
            return Err(Reason::Body(fault));
        }
        choose(found);
        if found.models.iter().any(|named| reads.names.is_doubtful(&named.name)) {
            found.doubts |= Doubts::NAME;
        }
        Ok(())
    }

    fn walk<'r>(&self, reads: Reads, json: &'r crate::table::json::Json<'r>, found: &mut Found<'r>) {
        if json.has_bom() {
            found.doubts |= Doubts::BOM;
        }
        if json.has_trailing() {
            found.doubts |= Doubts::TRAILING;
        }
        if !self.plan.is_idle() {
            self.plan.walk(json.root(), reads.json.ignores_case(), found);
        }
    }

    /// Whether a key at the top of the body is one that the route is known to take.
    pub(crate) fn takes_key(&self, key: &str) -> bool {
        self.plan.takes_key(key)
    }

    /// The values of a body whose keys the route is not known to take.
    pub(crate) fn unknown_keys<'j, 'b>(&self, json: &'j crate::table::json::Json<'b>) -> Vec<crate::table::json::Item<'j, 'b>> {
        let mut unknown = Vec::new();
        self.plan.unknown(json.root(), &mut unknown);
        unknown
    }

    /// Whether a field is one that the route's form is known to take; `true` for every field where the file does not name them all.
    pub(crate) fn takes_field(&self, name: &str) -> bool {
        self.fields.is_empty() || self.named_fields().any(|field| field == name.trim_end_matches("[]"))
    }

    /// The fields of the route's form that the file names.
    fn named_fields(&self) -> impl Iterator<Item = &str> {
        let places = self.models_outside.iter().map(|(_, _, outside)| outside);
        let places = places.chain(self.knobs_outside.iter().map(|(_, _, outside)| outside));
        places
            .chain(self.asks_outside.iter().map(|(_, outside, _)| outside))
            .filter_map(|outside| match outside {
                Outside::Form(name) => Some(&**name),
                _ => None,
            })
            .chain(self.fields.iter().map(|field| &**field))
    }

    /// Checks the fields of a form for one that the route does not take, or that occurs twice.
    fn fields(&self, form: &crate::table::form::Form<'_>, found: &mut Found<'_>) {
        let places: Vec<&str> = self.named_fields().collect();
        // A list of such fields, for servers that read name[] as name.
        let is_list_of_place = |field: &str| {
            let named = field.strip_suffix("[]");
            named.is_some_and(|name| {
                places.iter().any(|place| place.eq_ignore_ascii_case(name)) && !self.fields.iter().any(|known| **known == *name)
            })
        };
        if form.parts().iter().any(|part| is_list_of_place(part.name)) {
            found.doubts |= Doubts::KEY_CASE;
        }
        let names: Vec<&str> = form.parts().iter().map(|part| part.name.trim_end_matches("[]")).collect();
        for (number, name) in names.iter().enumerate() {
            let exactly = places.contains(name);
            if !exactly && places.iter().any(|place| place.eq_ignore_ascii_case(name)) {
                found.doubts |= Doubts::KEY_CASE;
            } else if !exactly && !self.fields.is_empty() {
                found.doubts |= Doubts::UNKNOWN_KEY;
            }
            if names[..number].iter().any(|before| before.eq_ignore_ascii_case(name)) && !form.parts()[number].name.ends_with("[]") {
                found.doubts |= Doubts::REPEATED_KEY;
            }
        }
    }
}

impl Outside {
    /// Each value at this place.
    fn each<'r>(
        &self,
        request: &Request<'r>,
        target: &Target<'r>,
        doubts: &mut Doubts,
        mut then: impl FnMut(std::borrow::Cow<'r, str>, At),
    ) {
        let mut count = 0;
        match self {
            Self::Segment(number, rest) => {
                if let Some(value) = target.segment(*number, *rest) {
                    then(value, At::Segment(*number));
                }
            }
            Self::Query(key) => {
                for value in target.query(key, false) {
                    count += 1;
                    then(value, At::Query);
                }
            }
            Self::Form(field) => {
                if let Body::Form(form) = request.body {
                    for (number, part) in form.parts().iter().enumerate().filter(|(_, part)| *part.name == **field) {
                        count += 1;
                        then(String::from_utf8_lossy(part.value), At::Form(number));
                    }
                }
            }
        }
        if count > 1 {
            *doubts |= Doubts::REPEATED_KEY;
        }
    }
}

fn entry<K: PartialEq, V>(all: &mut Vec<(K, Vec<V>)>, key: K) -> &mut Vec<V> {
    let at = all.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        all.push((key, Vec::new()));
        all.len() - 1
    });
    &mut all[at].1
}

/// A place outside the body, or the pointer into it.
fn outside<'p>(place: &'p Place, path: &str) -> Result<Outside, &'p crate::pointer::Pointer> {
    Ok(match place {
        Place::Body(pointer) => return Err(pointer),
        Place::Query(key) => Outside::Query(key.as_str().into()),
        Place::Form(field) => Outside::Form(field.as_str().into()),
        Place::Segment(name) => {
            let number = path.split('/').skip(1).position(|segment| segment == name).unwrap_or(usize::MAX);
            Outside::Segment(number, name.ends_with("...}"))
        }
    })
}

/// Marks which of several names, or of several values of a setting, the server uses: those of the first place that has any. Of equal
/// keys of JSON it uses the last, as every parser does; of equal keys of a query or a form the first.
fn choose(found: &mut Found<'_>) {
    // Both lists are short, and most have one entry.
    for number in 0..found.models.len() {
        let own = &found.models[number];
        let better = |(other, named): (usize, &Named<'_>)| {
            named.role == own.role && (named.place < own.place || (named.place == own.place && later(&named.at, other, number)))
        };
        let counts = !found.models.iter().enumerate().any(better);
        let several = found.models[..number]
            .iter()
            .any(|named| named.role == own.role && named.name != own.name);
        found.models[number].counts = counts;
        if several {
            found.doubts |= Doubts::SEVERAL_MODELS;
        }
    }
    for number in 0..found.sets.len() {
        let own = &found.sets[number];
        let better = |(other, set): (usize, &Set<'_>)| {
            set.knob == own.knob && (set.place < own.place || (set.place == own.place && later(&set.at, other, number)))
        };
        let counts = !found.sets.iter().enumerate().any(better);
        found.sets[number].counts = counts;
    }
    found.models.sort_by_key(|named| !named.counts);
}

/// Whether the value at one position takes precedence over another one of the same place.
fn later(at: &At, other: usize, number: usize) -> bool {
    match at {
        At::Body(_) => other > number,
        At::Segment(_) | At::Query | At::Form(_) => other < number,
    }
}

/// Whether a content type is JSON in UTF-8.
fn content_type(reads: Reads, value: Option<&str>) -> Result<Doubts, Reason> {
    let Some(value) = value else { return Ok(Doubts::default()) };
    // What nearly every client sends.
    if value == "application/json" {
        return Ok(Doubts::default());
    }
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") && !value.eq_ignore_ascii_case("utf8") {
            return Err(Reason::Body("the content type has a character set other than UTF-8"));
        }
    }
    let is_json = kind.eq_ignore_ascii_case("application/json")
        || (kind.len() > 5 && kind.is_char_boundary(kind.len() - 5) && kind[kind.len() - 5..].eq_ignore_ascii_case("+json"));
    match (is_json, reads.content_type) {
        (true, _) => Ok(Doubts::default()),
        (false, TypeReading::Any) => Ok(Doubts::CONTENT_TYPE),
        (false, TypeReading::Json) => Err(Reason::Body("the content type is not JSON, and the server checks it")),
    }
}
