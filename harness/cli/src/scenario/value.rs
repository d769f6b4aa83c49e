//! A value of a scenario file, and what can be made of it: each reading gives the value, or the mistake at its place.

use std::borrow::Cow;
use std::fmt::Display;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::keys::{Key, Kind};
use super::mistake::{Mistake, Place};
use super::table::Table;
use crate::nearest::nearest;

/// A value under its key; an element of a list is under the list's.
pub(crate) struct Value<'t> {
    /// The key.
    pub key: Key,
    /// Where the key stands.
    pub key_place: Place,
    /// The value, with its place.
    pub value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        self.value.span()
    }

    /// Words in quotes.
    pub(crate) fn text(&self) -> Result<&'t str, Mistake> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type())
    }

    /// Words in quotes, at least one.
    pub(crate) fn sentence(&self) -> Result<String, Mistake> {
        match self.text()?.trim() {
            "" => Err(self.wrong(format!("`{}` says nothing", self.key.name), "")),
            words => Ok(words.to_owned()),
        }
    }

    /// A whole number, as it is typed on the command line.
    pub(crate) fn number(&self) -> Result<Cow<'t, str>, Mistake> {
        self.value.get_ref().as_integer().map(decimal).ok_or_else(|| self.wrong_type())
    }

    /// Words in quotes or a whole number.
    pub(crate) fn text_or_number(&self) -> Result<Cow<'t, str>, Mistake> {
        self.text().map(Cow::Borrowed).or_else(|_| self.number())
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, Mistake> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type())
    }

    /// What `parser`, shared with the command line, makes of `typed`.
    pub(crate) fn parsed<T>(&self, typed: &str, parser: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Mistake> {
        parser(typed).map_err(|why| self.refused(why))
    }

    /// The one of `choices` that it names; they are of a `kind` ("loader").
    pub(crate) fn one_of<T: Copy>(&self, kind: &str, choices: &[(&str, T)]) -> Result<T, Mistake> {
        let word = self.text()?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice);
        chosen.ok_or_else(|| self.unknown(kind, &choices.iter().map(|(name, _)| *name).collect::<Vec<_>>()))
    }

    /// The elements of a list, none of them twice, each with its place.
    pub(crate) fn set<T: PartialEq>(
        &self,
        read: impl Fn(&Value<'t>) -> Result<T, Mistake>,
    ) -> Result<Vec<(T, Place)>, Mistake> {
        let mut found: Vec<(T, Place)> = Vec::new();
        for value in self.value.get_ref().as_array().ok_or_else(|| self.wrong_type())? {
            let element = Value { key: self.key, key_place: self.key_place.clone(), value };
            let read = read(&element)?;
            if let Some((_, first)) = found.iter().find(|(earlier, _)| *earlier == read) {
                let message = format!("the same twice in `{}`", self.key.name);
                return Err(Mistake::new(message, element.place(), "again").and(first.clone(), "here first"));
            }
            found.push((read, element.place()));
        }
        Ok(found)
    }

    /// As [`Value::set`], and at least one.
    pub(crate) fn filled_set<T: PartialEq>(
        &self,
        read: impl Fn(&Value<'t>) -> Result<T, Mistake>,
    ) -> Result<Vec<(T, Place)>, Mistake> {
        let found = self.set(read)?;
        if found.is_empty() { Err(self.empty()) } else { Ok(found) }
    }

    /// The tables of `kind` under headers in double brackets, at least one.
    pub(crate) fn tables(&self, kind: &Kind) -> Result<Vec<Table<'t>>, Mistake> {
        let tables = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type())?;
        if tables.is_empty() {
            return Err(self.empty());
        }
        let table = |value: &'t Spanned<DeValue<'t>>| match value.get_ref().as_table() {
            Some(entries) => Table::new(kind, value.span(), entries),
            None => Err(self.wrong_type()),
        };
        tables.iter().map(table).collect()
    }

    /// It is none of the `listed` names of a `kind`.
    pub(crate) fn unknown(&self, kind: &str, listed: &[&str]) -> Mistake {
        let word = self.value.get_ref().as_str().unwrap_or_default();
        let label = match nearest(word, listed) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("no such {kind}"),
        };
        let help = format!("there are: {}", listed.join(", "));
        Mistake::new(format!("unknown {kind} `{word}`"), self.place(), label).help(help)
    }

    /// It is of the right type, and refused for a reason.
    pub(crate) fn refused(&self, why: impl Display) -> Mistake {
        self.wrong(format!("invalid value for `{}`: {why}", self.key.name), "")
    }

    /// It is of the wrong type.
    pub(crate) fn wrong_type(&self) -> Mistake {
        let is = match self.value.get_ref() {
            DeValue::String(_) => "this is in quotes",
            DeValue::Integer(_) => "this is a number",
            DeValue::Float(_) => "this is a float",
            DeValue::Boolean(_) => "this is true or false",
            DeValue::Datetime(_) => "this is a date or a time of day",
            DeValue::Array(_) => "this is a list",
            DeValue::Table(_) => "this is a table",
        };
        self.wrong(format!("`{}` must be {}", self.key.name, self.key.must_be), is)
    }

    fn empty(&self) -> Mistake {
        self.wrong(format!("`{}` is empty", self.key.name), "")
    }

    fn wrong(&self, message: String, label: &str) -> Mistake {
        Mistake::new(message, self.place(), label).help(format!("write it like this:\n{}", self.key.example))
    }
}

/// An integer in decimal digits, whatever its base in the file; one that is too long for any number stays as it is.
fn decimal<'t>(integer: &'t DeInteger<'_>) -> Cow<'t, str> {
    match (integer.radix(), i128::from_str_radix(integer.as_str(), integer.radix())) {
        (10, _) | (_, Err(_)) => Cow::Borrowed(integer.as_str()),
        (_, Ok(number)) => Cow::Owned(number.to_string()),
    }
}
