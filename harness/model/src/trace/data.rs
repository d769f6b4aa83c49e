//! What a call has written: its bytes, or how many there were.

use serde::{Deserialize, Serialize};

/// What a call has written. As JSON a string where it is UTF-8, else `{"hex": "…"}`; `{"length": n}` where only that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "DataText", into = "DataText")]
pub enum Data {
    /// The bytes.
    Kept(Vec<u8>),
    /// How many bytes: nobody wanted to keep them.
    Length(u64),
}

impl Default for Data {
    fn default() -> Data {
        Data::Kept(Vec::new())
    }
}

impl Data {
    /// The bytes; none where they were not kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Data::Kept(bytes) => bytes,
            Data::Length(_) => &[],
        }
    }

    /// Returns how many bytes were written.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Data::Kept(bytes) => bytes.len() as u64,
            Data::Length(length) => *length,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DataText {
    Text(String),
    Hex { hex: String },
    Length { length: u64 },
}

impl From<Data> for DataText {
    fn from(data: Data) -> DataText {
        match data {
            Data::Kept(bytes) => String::from_utf8(bytes).map_or_else(
                |error| DataText::Hex { hex: error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect() },
                DataText::Text,
            ),
            Data::Length(length) => DataText::Length { length },
        }
    }
}

impl From<DataText> for Data {
    fn from(text: DataText) -> Data {
        match text {
            DataText::Text(text) => Data::Kept(text.into_bytes()),
            // A digit that is none reads as 0: the text is our own.
            DataText::Hex { hex } => Data::Kept(
                hex.as_bytes()
                    .chunks(2)
                    .map(|pair| {
                        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0)
                    })
                    .collect(),
            ),
            DataText::Length { length } => Data::Length(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn data_survives_json_whatever_it_is(bytes: Vec<u8>) {
            for data in [Data::Length(bytes.len() as u64), Data::Kept(bytes)] {
                let json = serde_json::to_string(&data).unwrap();
                prop_assert_eq!(serde_json::from_str::<Data>(&json).unwrap(), data);
            }
        }
    }
}
