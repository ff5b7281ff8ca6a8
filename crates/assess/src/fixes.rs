//! Fixes of a finding: the settings of the product that can cause it, with safe values.

use std::sync::Arc;

use vigie_catalog::{Product, Setting};
use vigie_model::{Fix, Known};

use crate::product_version::ProductVersion;

/// The fixes for one version of a product, by finding.
#[derive(Debug, Default)]
pub(crate) struct Fixes(Vec<(String, Arc<[Fix]>)>);

impl Fixes {
    /// The fixes of the settings that this version surely reads.
    pub(crate) fn new(product: &Product, version: &Known<String>) -> Self {
        let version = ProductVersion::new(product, version);
        let is_read = |setting: &&Setting| version.is_within(setting.since.as_deref(), setting.until.as_deref()) == Some(true);
        let settings: Vec<&Setting> = product.settings.iter().filter(is_read).collect();
        let mut by_finding: Vec<(String, Arc<[Fix]>)> = Vec::new();
        for finding in settings.iter().flat_map(|setting| &setting.findings) {
            if !by_finding.iter().any(|(id, _)| id == finding) {
                let acting = settings.iter().filter(|setting| setting.findings.contains(finding));
                by_finding.push((finding.clone(), acting.flat_map(|setting| setting.fixes()).collect()));
            }
        }
        Self(by_finding)
    }

    /// The fixes for a finding.
    pub(crate) fn of(&self, finding: &str) -> Arc<[Fix]> {
        let found = self.0.iter().find(|(id, _)| id == finding);
        found.map_or_else(Arc::default, |(_, fixes)| Arc::clone(fixes))
    }
}

#[cfg(test)]
mod tests {
    use vigie_advisory::Version;
    use vigie_catalog::Catalog;
    use vigie_model::Why;

    use super::*;

    #[test]
    fn a_fix_names_the_setting_that_it_changes() {
        let mut named = 0;
        for product in Catalog::embedded().products() {
            for (finding, fixes) in Fixes::new(product, &Known::unknown(Why::Hidden)).0 {
                for fix in &*fixes {
                    let setting = product.settings.iter().find(|setting| Some(&setting.id) == fix.setting.as_ref());
                    let setting = setting.unwrap_or_else(|| panic!("{} {finding}: {fix:?}", product.id));
                    assert!(setting.findings.contains(&finding), "{} {finding}: {fix:?}", product.id);
                    assert!(setting.fixes().any(|own| own == *fix), "{} {finding}: {fix:?}", product.id);
                    named += 1;
                }
            }
        }
        assert!(named > 100, "{named}");
    }

    #[test]
    fn a_fix_is_given_for_the_versions_that_read_its_setting() {
        let catalog = Catalog::embedded();
        let (mut always, mut at_bound, mut never, mut before) = (0, 0, 0, 0);
        for product in catalog.products() {
            for setting in product.settings.iter().filter(|setting| !setting.findings.is_empty()) {
                let own: Vec<Fix> = setting.fixes().collect();
                let given = |version: &Known<String>, finding: &String| {
                    let fixes = Fixes::new(product, version).of(finding);
                    own.iter().all(|fix| fixes.contains(fix))
                };
                let unknown = Known::unknown(Why::Hidden);
                let name = format!("{} {}", product.id, setting.id);
                for finding in &setting.findings {
                    if setting.since.is_none() && setting.until.is_none() {
                        assert!(given(&unknown, finding), "{name}");
                        always += 1;
                    } else {
                        assert!(!given(&unknown, finding), "{name}: an unknown version may not read it");
                        never += 1;
                    }
                    for bound in setting.since.iter().chain(&setting.until) {
                        assert!(given(&Known::Known(bound.clone()), finding), "{name}: {bound}");
                        at_bound += 1;
                    }
                    let parse = |text: &str| Version::parse(product.versions, text).ok();
                    let since = setting.since.as_deref().and_then(parse);
                    if since.zip(parse("0.0.1")).is_some_and(|(since, early)| early < since) {
                        assert!(!given(&Known::Known("0.0.1".to_owned()), finding), "{name}: 0.0.1");
                        before += 1;
                    }
                }
            }
        }
        assert!(
            [always, at_bound, never, before].iter().all(|count| *count > 0),
            "{always} {at_bound} {never} {before}"
        );
    }
}
