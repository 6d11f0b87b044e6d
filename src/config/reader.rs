//! Reads variables and collects all mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::values::Parsed;

/// The prefix of darkroom's variables.
const PREFIX: &str = "DARKROOM_";

/// The environment variables of a process or a test, and the command-line arguments that replace some of them.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Maps each replaced variable to its argument.
    arguments: BTreeMap<&'static str, &'static str>,
}

impl Environment {
    /// The variables of this process. It skips those that are not Unicode: they cannot be darkroom's.
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        std::env::vars_os().filter_map(unicode).collect()
    }

    /// Replaces a variable by a command-line argument, such as `--listen`. Messages then name the argument.
    pub fn replace(&mut self, variable: &'static str, argument: &'static str, value: impl Into<String>) {
        self.variables.insert(variable.to_owned(), value.into());
        self.arguments.insert(variable, argument);
    }

    /// The argument that replaces the variable, or the variable itself.
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

/// One mistake in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The variable, or the command-line argument that replaces it.
    pub variable: &'static str,
    /// Its value, if it is set.
    pub value: Option<String>,
    /// What is wrong. The text continues a sentence that starts with the variable.
    pub problem: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?} {}", self.variable, self.problem),
            None => write!(f, "{} {}", self.variable, self.problem),
        }
    }
}

/// All mistakes in the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingErrors(pub Vec<SettingError>);

impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// Reads variables and records which are known and which are invalid.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    known: BTreeSet<&'static str>,
    mistakes: Vec<SettingError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, known: BTreeSet::new(), mistakes: Vec::new() }
    }

    /// The variable as text. Empty counts as unset.
    pub(super) fn text(&mut self, variable: &'static str) -> Option<&'a str> {
        self.text_or_empty(variable).filter(|value| !value.is_empty())
    }

    /// The variable as text, where empty is a meaningful value.
    pub(super) fn text_or_empty(&mut self, variable: &'static str) -> Option<&'a str> {
        self.known.insert(variable);
        self.environment.variables.get(variable).map(|value| value.trim())
    }

    /// The variable's value, if it is set and valid.
    pub(super) fn optional<T>(&mut self, variable: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let text = self.text(variable)?;
        self.parsed(variable, text, parse)
    }

    /// The variable's value, or `default`. Also `default` if it is invalid, to find further mistakes.
    pub(super) fn or<T>(&mut self, variable: &'static str, default: T, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.optional(variable, parse).unwrap_or(default)
    }

    /// The variable's value. It must be set.
    pub(super) fn required<T>(&mut self, variable: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        if self.text(variable).is_none() {
            self.mistake(variable, "must be set");
            return None;
        }
        self.optional(variable, parse)
    }

    /// Parses `text` and records a mistake if it is invalid.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &'static str,
        text: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        parse(text).map_err(|problem| self.mistake(variable, problem)).ok()
    }

    /// Records a mistake in a variable.
    pub(super) fn mistake(&mut self, variable: &'static str, problem: impl Into<String>) {
        let value = self.text_or_empty(variable).map(str::to_owned);
        let variable = self.name_of(variable);
        self.mistakes.push(SettingError { variable, value, problem: problem.into() });
    }

    /// The variable without trimming, where spaces are part of the value.
    pub(super) fn untrimmed(&mut self, variable: &'static str) -> Option<&'a str> {
        self.known.insert(variable);
        self.environment.variables.get(variable).map(String::as_str)
    }

    /// Records a mistake in a variable whose value is secret.
    pub(super) fn secret_mistake(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.mistakes.push(SettingError { variable, value: None, problem: problem.into() });
    }

    /// The command-line argument that replaces the variable, or the variable itself.
    pub(super) fn name_of(&self, variable: &'static str) -> &'static str {
        self.environment.name_of(variable)
    }

    /// Marks variables that this role does not use as known.
    pub(super) fn ignore(&mut self, variables: &[&'static str]) {
        self.known.extend(variables);
    }

    /// Unknown variables with darkroom's prefix, which are probably typing errors.
    pub(super) fn unknown(&self) -> Vec<String> {
        let ours = self.environment.variables.keys().filter(|name| name.starts_with(PREFIX));
        ours.filter(|name| !self.known.contains(name.as_str())).cloned().collect()
    }

    /// `Err` with all mistakes so far, if there are any.
    pub(super) fn check(&mut self) -> Result<(), SettingErrors> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(SettingErrors(std::mem::take(&mut self.mistakes))) }
    }
}
