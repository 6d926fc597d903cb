//! Numbers by name in JSON, exact to the last bit: as texts, since JSON knows neither NaN nor infinities, and readers of JSON round.
//! Use with `#[serde(with = "flyball_model::exact")]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes the numbers as the shortest texts that give them back.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(values: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, value.to_string())))
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// A text that is no number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    let number = |(name, text): (String, String)| match text.parse() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(de::Error::custom(format!("'{text}' is no number"))),
    };
    texts.into_iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_to_the_last_bit() {
        for value in [0.0, -0.0, 0.1 + 0.2, 1e300, f64::MIN_POSITIVE / 2.0, f64::MAX, f64::INFINITY, f64::NAN] {
            let values = BTreeMap::from([("v".to_owned(), value)]);
            let mut json = Vec::new();
            serialize(&values, &mut serde_json::Serializer::new(&mut json)).expect("numbers can be written");
            let read = deserialize(&mut serde_json::Deserializer::from_slice(&json)).expect("and read");
            assert_eq!(read["v"].to_bits(), value.to_bits(), "{value}");
        }
    }
}
