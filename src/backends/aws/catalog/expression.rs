//! Guards and changes as DynamoDB expressions: the same rules as `record::Transition`, as the tests check.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{attribute_of, seconds};
use crate::record::{Change, FIRST_SCHEMA, Guard, SCHEMA, Sequencer, Status, Transition};

/// The names and values that an expression refers to. Every name is a placeholder, since many are reserved words.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Terms {
    /// Adds an attribute and returns its placeholder.
    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// Adds a value and returns its placeholder. No other value may have the same `name`.
    fn value(&mut self, name: &str, value: &impl serde::Serialize) -> String {
        let placeholder = format!(":{name}");
        self.values.insert(placeholder.clone(), attribute_of(value));
        placeholder
    }

    /// `attribute <operator> value`.
    fn compare(&mut self, attribute: &str, operator: &str, name: &str, value: &impl serde::Serialize) -> String {
        format!("{} {operator} {}", self.name(attribute), self.value(name, value))
    }

    fn is_missing(&mut self, attribute: &str) -> String {
        format!("attribute_not_exists({})", self.name(attribute))
    }
}

/// A transition as a condition expression and an update expression.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) condition: String,
    pub(super) update: String,
    pub(super) terms: Terms,
}

/// Renders [`Transition::is_admitted_by`] as a condition and [`Transition::apply_to`] as an update.
pub(super) fn render(transition: &Transition) -> Rendered {
    let mut terms = Terms::default();
    let condition = condition(transition, &mut terms);
    let update = Update { terms: &mut terms, sets: Vec::new(), removes: Vec::new() }.of(transition);
    Rendered { condition, update, terms }
}

/// True when there is no record, or its revision is `rev`.
pub(super) fn is_absent_or_at(terms: &mut Terms, rev: u64) -> String {
    format!("{} OR {}", terms.is_missing("id"), terms.compare("rev", "=", "seen", &rev))
}

/// The guard. A record of a newer schema admits no transition; a record with this attempt's token admits one unless it
/// has another outcome.
fn condition(transition: &Transition, terms: &mut Terms) -> String {
    let is_known_schema = format!("{} OR {}", terms.is_missing("v"), terms.compare("v", "<=", "schema", &SCHEMA));
    // AND binds more tightly than OR, and DynamoDB rejects redundant parentheses.
    let is_own = format!(
        "{} AND ({} OR {})",
        terms.compare("claim", "=", "token", &transition.attempt.token),
        terms.compare("status", "=", "working", &Status::WaitingForThumbnails),
        terms.compare("status", "=", "outcome", &transition.change.outcome()),
    );
    let guard = match &transition.guard {
        Guard::Enter { .. } => format!("{is_own} OR {}", enter(transition, terms)),
        Guard::Absent => format!("{is_own} OR {}", terms.is_missing("id")),
        Guard::Unchanged { rev } => format!("{is_own} OR {}", terms.compare("rev", "=", "seen", rev)),
        Guard::Hold => is_own,
    };
    format!("({is_known_schema}) AND ({guard})")
}

/// No upload has entered, or an older one has, or the same one is open to this message.
fn enter(transition: &Transition, terms: &mut Terms) -> String {
    let Guard::Enter { seq, src } = &transition.guard else { return String::new() };
    let is_first = terms.is_missing("seq");
    let is_newer = terms.compare("seq", "<", "seq", seq);
    let is_same = terms.compare("seq", "=", "seq", seq);
    let is_same_source = src.as_ref().map_or_else(String::new, |src| {
        format!(" AND ({} OR {})", terms.is_missing("src"), terms.compare("src", "=", "read", src))
    });
    let message = &transition.attempt.message;
    let failed = format!(
        "{} AND ({} OR {})",
        terms.compare("status", "=", "failed", &Status::Failed),
        terms.is_missing("message"),
        terms.compare("message", "<>", "message", message),
    );
    let working = format!(
        "{} AND ({} OR {} OR {})",
        terms.compare("status", "=", "working", &Status::WaitingForThumbnails),
        terms.compare("message", "=", "message", message),
        terms.is_missing("lease_until"),
        terms.compare("lease_until", "<=", "now", &transition.at),
    );
    format!("{is_first} OR {is_newer} OR ({is_same}{is_same_source} AND (({failed}) OR ({working})))")
}

/// The parts of an update expression: attributes to set and to remove. Attributes that it does not name stay unchanged.
struct Update<'a> {
    terms: &'a mut Terms,
    sets: Vec<String>,
    removes: Vec<String>,
}

impl Update<'_> {
    fn of(mut self, transition: &Transition) -> String {
        self.set_if_new("key", &transition.key);
        match transition.change.schema() {
            Some(schema) => self.set("v", &schema),
            None => self.set_if_new("v", &FIRST_SCHEMA),
        }
        self.set_if_new("created_at", &transition.at);
        self.set("updated_at", &transition.at);
        self.count_revision();
        if let Change::Release { error } = &transition.change {
            self.set("last_error", error);
            self.remove("lease_until");
            self.set_if_new("status", &Status::WaitingForUpload);
            self.set_if_new("deaths", &0);
        } else {
            self.set("claim", &transition.attempt.token);
            self.set("message", &transition.attempt.message);
            if !matches!(transition.change, Change::Delete { .. }) {
                self.remove("ttl");
            }
            if let Guard::Enter { seq, .. } = &transition.guard {
                self.set("seq", seq);
            }
            self.set_or_remove("refused_kind", transition.refused_kind().as_ref());
            self.set_or_remove("settled_at", transition.change.is_verdict().then_some(&transition.at));
            self.change(transition);
        }
        self.finish()
    }

    /// The attributes that each change writes. Every change sets or removes status, reason, error, lease and deaths.
    fn change(&mut self, transition: &Transition) {
        match &transition.change {
            Change::Claim { src, original, lease_until, deaths } => {
                self.outcome(&transition.change, *deaths);
                self.set("src", src);
                self.set("original", original);
                self.set("lease_until", lease_until);
                self.remove("reason");
                self.remove("last_error");
                return;
            }
            Change::Reject { reason, src, detail, kind: _ } => {
                self.outcome(&transition.change, 0);
                self.set("reason", reason);
                self.set_or_remove("src", src.as_ref());
                self.remove("original");
                self.set("last_error", detail);
            }
            Change::Publish(published) => {
                self.outcome(&transition.change, 0);
                self.set("published", published);
                self.remove("reason");
                self.remove("last_error");
                self.forget_original_unless_held(&transition.guard);
            }
            Change::Fail { reason, src, deaths, error } => {
                self.outcome(&transition.change, *deaths);
                self.set("reason", reason);
                self.set_or_remove("src", src.as_ref());
                self.set("last_error", error);
                self.forget_original_unless_held(&transition.guard);
            }
            Change::Delete { forget_at } => {
                self.outcome(&transition.change, 0);
                self.set("ttl", &seconds(forget_at.as_millis()));
                if !matches!(transition.guard, Guard::Enter { .. }) {
                    self.set_if_new("seq", &Sequencer::last());
                }
                for attribute in ["reason", "last_error", "src", "original", "published"] {
                    self.remove(attribute);
                }
            }
            Change::Release { .. } => {}
        }
        self.remove("lease_until");
    }

    fn outcome(&mut self, change: &Change, deaths: u32) {
        self.set("status", &change.outcome());
        self.set("deaths", &deaths);
    }

    /// The original that an earlier claim read may belong to another upload.
    fn forget_original_unless_held(&mut self, guard: &Guard) {
        if *guard != Guard::Hold {
            self.remove("original");
        }
    }

    fn count_revision(&mut self) {
        let rev = self.terms.name("rev");
        let (zero, one) = (self.terms.value("zero", &0), self.terms.value("one", &1));
        self.sets.push(format!("{rev} = if_not_exists({rev}, {zero}) + {one}"));
    }

    fn set(&mut self, attribute: &str, value: &impl serde::Serialize) {
        let term = self.terms.compare(attribute, "=", &format!("new_{attribute}"), value);
        self.sets.push(term);
    }

    fn set_if_new(&mut self, attribute: &str, value: &impl serde::Serialize) {
        let name = self.terms.name(attribute);
        let value = self.terms.value(&format!("new_{attribute}"), value);
        self.sets.push(format!("{name} = if_not_exists({name}, {value})"));
    }

    fn set_or_remove(&mut self, attribute: &str, value: Option<&impl serde::Serialize>) {
        match value {
            Some(value) => self.set(attribute, value),
            None => self.remove(attribute),
        }
    }

    fn remove(&mut self, attribute: &str) {
        let name = self.terms.name(attribute);
        self.removes.push(name);
    }

    fn finish(self) -> String {
        let removes =
            if self.removes.is_empty() { String::new() } else { format!(" REMOVE {}", self.removes.join(", ")) };
        format!("SET {}{removes}", self.sets.join(", "))
    }
}
