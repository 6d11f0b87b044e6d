//! Reads variables one after another and remembers every mistake on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::values::Parsed;

/// The beginning of every variable that is darkroom's own.
const PREFIX: &str = "DARKROOM_";

/// The variables of a process, or of a test, with the arguments of the command line that replace some of them.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// By the variable that it replaces.
    arguments: BTreeMap<&'static str, &'static str>,
}

impl Environment {
    /// The variables of this process. Those that are not Unicode cannot be darkroom's and are left out.
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        std::env::vars_os().filter_map(unicode).collect()
    }

    /// Replaces a variable by an argument of the command line, such as `--listen`; messages then name the argument.
    pub fn replace(&mut self, variable: &'static str, argument: &'static str, value: impl Into<String>) {
        self.variables.insert(variable.to_owned(), value.into());
        self.arguments.insert(variable, argument);
    }

    /// What sets the variable: the argument that replaces it, else the variable itself.
    fn name_of(&self, variable: &'static str) -> &'static str {
        self.arguments.get(variable).copied().unwrap_or(variable)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, arguments: BTreeMap::new() }
    }
}

/// One thing wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or the argument of the command line that replaces it.
    pub variable: &'static str,
    /// Its value, unless it is not set.
    pub value: Option<String>,
    /// What is wrong, in words that follow the variable.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?} {}", self.variable, self.problem),
            None => write!(f, "{} {}", self.variable, self.problem),
        }
    }
}

/// Everything wrong with the settings, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// Reads variables, and remembers which are known and what was wrong.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    known: BTreeSet<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, known: BTreeSet::new(), mistakes: Vec::new() }
    }

    /// The variable as text; an empty one counts as not set.
    pub(super) fn text(&mut self, variable: &'static str) -> Option<&'a str> {
        self.text_or_empty(variable).filter(|value| !value.is_empty())
    }

    /// The variable as text, where being empty means something.
    pub(super) fn text_or_empty(&mut self, variable: &'static str) -> Option<&'a str> {
        self.known.insert(variable);
        self.environment.variables.get(variable).map(|value| value.trim())
    }

    /// The variable's value, if it is set and right.
    pub(super) fn optional<T>(&mut self, variable: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = self.text(variable)?;
        self.parsed(variable, text, parse)
    }

    /// The variable's value, or `default`; also `default` when it is wrong, to find further mistakes.
    pub(super) fn or<T>(&mut self, variable: &'static str, default: T, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.optional(variable, parse).unwrap_or(default)
    }

    /// The variable's value, which must be set.
    pub(super) fn required<T>(&mut self, variable: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        if self.text(variable).is_none() {
            self.mistake(variable, "must be set");
            return None;
        }
        self.optional(variable, parse)
    }

    /// The value of `text`; remembers what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &'static str,
        text: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        parse(text).map_err(|problem| self.mistake(variable, problem)).ok()
    }

    /// Remembers that something is wrong with a variable.
    pub(super) fn mistake(&mut self, variable: &'static str, problem: impl Into<String>) {
        let value = self.text_or_empty(variable).map(str::to_owned);
        let variable = self.name_of(variable);
        self.mistakes.push(Mistake { variable, value, problem: problem.into() });
    }

    /// The variable exactly as it is set, where a space is part of the value.
    pub(super) fn untrimmed(&mut self, variable: &'static str) -> Option<&'a str> {
        self.known.insert(variable);
        self.environment.variables.get(variable).map(String::as_str)
    }

    /// Remembers that something is wrong with a variable whose value must not be shown.
    pub(super) fn secret_mistake(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.mistakes.push(Mistake { variable, value: None, problem: problem.into() });
    }

    /// What sets the variable: the argument of the command line that replaces it, else the variable itself.
    pub(super) fn name_of(&self, variable: &'static str) -> &'static str {
        self.environment.name_of(variable)
    }

    /// Marks variables that this role has no use for as known.
    pub(super) fn ignore(&mut self, variables: &[&'static str]) {
        self.known.extend(variables);
    }

    /// Variables that look like darkroom's and are not: most likely a slip of the pen.
    pub(super) fn unknown(&self) -> Vec<String> {
        let ours = self.environment.variables.keys().filter(|name| name.starts_with(PREFIX));
        ours.filter(|name| !self.known.contains(name.as_str())).cloned().collect()
    }

    /// `Err` with every mistake so far, if there was one.
    pub(super) fn check(&mut self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Mistakes(std::mem::take(&mut self.mistakes))) }
    }
}
