//! Measured confidence: how often a product's rules were right over the whole corpus of fixtures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Right and wrong identifications per product, over every fixture of the corpus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// `vigie.measured/1`.
    pub schema: String,
    /// Counts by product.
    pub products: BTreeMap<String, Counts>,
}

/// Counts of one product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Fixtures of all products, as recorded and behind a proxy, that were identified correctly: as this product, or not as it.
    pub right: u32,
    /// Fixtures that were identified wrongly.
    pub wrong: u32,
    /// Own fixtures recorded from the real server.
    pub recorded: u32,
    /// Own fixtures built from source or documentation.
    pub constructed: u32,
}

impl Counts {
    /// The chance of being right on the next server by Laplace's rule of succession, (right + 1) / (right + wrong + 2), and at
    /// most 0.8 while no fixture of the product was recorded.
    #[must_use]
    pub fn confidence(self) -> f64 {
        let chance = f64::from(self.right + 1) / f64::from(self.right + self.wrong + 2);
        if self.recorded == 0 { chance.min(0.8) } else { chance }
    }
}

impl Measured {
    /// The counts of the embedded catalogue (`catalog/measured.json`, written by `vigie catalog test --write`; a test fails
    /// when it is out of date).
    ///
    /// # Panics
    ///
    /// Never in a build that passed its tests.
    #[must_use]
    pub fn embedded() -> Self {
        #[expect(clippy::expect_used, reason = "a test reads the same file")]
        serde_json::from_str(include_str!("../../../catalog/measured.json")).expect("catalog/measured.json is of its schema")
    }

    /// The highest confidence a product may have; 0.5, the rule of succession over nothing, for one without fixtures.
    #[must_use]
    pub fn confidence(&self, product: &str) -> f64 {
        self.products.get(product).copied().unwrap_or_default().confidence().min(0.99)
    }
}
