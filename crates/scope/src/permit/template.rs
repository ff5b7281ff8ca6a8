//! The template of a scope file.

use std::fmt::Write as _;

use vigie_model::address::Hosts;

use super::scope::Scope;

impl Scope {
    /// A scope file for the user to complete, with these addresses and names. It is rejected until `owner`, `contact` and `expires` are
    /// filled in.
    #[must_use]
    pub fn template(hosts: &[Hosts]) -> String {
        let mut text = String::from(TEMPLATE);
        for entry in hosts {
            let key = match entry {
                Hosts::Name(_) => "name",
                Hosts::Addresses(range) if !range.to_string().contains('-') => "cidr",
                Hosts::Addresses(_) => "range",
            };
            let _ = write!(text, "\n[[range]]\n{key} = \"{entry}\"\n");
        }
        if hosts.is_empty() {
            text.push_str("\n[[range]]\ncidr = \"\"               # or range = \"A-B\", or name = \"a host name\"\n");
        }
        text.push_str(TEMPLATE_END);
        text
    }
}

const TEMPLATE: &str = r#"# Who authorised the scan of what, until when. Fill in what is empty.
schema = "vigie.scope/1"
owner = ""                 # who is responsible for the addresses below
contact = ""               # a mail address or a URL, sent with every request
expires = ""               # the last day, e.g. 2027-01-31
# authorised_by = "who approved it"
# reference = "ticket or contract"
# vantage = "office"       # the place from which the scan is made
# opt_out = ["opt-out.txt"]

# [window]                 # in UTC; without it, always
# days = ["mon", "tue", "wed", "thu", "fri"]
# hours = "08:00-18:00"
"#;

const TEMPLATE_END: &str = r#"# ports = [11434, "8000-8100"]   # without it, any port
# exclusions = []                # parts of it that are not scanned
# owner = true                   # these hosts belong to the owner
# allow = ["infer"]              # --prove may send them a prompt

# [[exclude]]
# cidr = ""
# reason = ""
# date = 2026-11-30
"#;

#[cfg(test)]
mod tests {
    use vigie_model::address::AddressRange;

    use super::*;
    use crate::file::scope_file::ScopeFile;
    use crate::fixtures::{ip, now};

    #[test]
    fn the_template_is_rejected_until_it_is_completed() {
        let subjects = [
            Hosts::Addresses(AddressRange::single(ip("198.18.0.1"))),
            Hosts::Name("gpu.example.org".into()),
        ];
        let template = Scope::template(&subjects);
        insta::assert_snapshot!("template", template);
        let refused = ScopeFile::parse(&template, now()).err().map(|e| e.to_string()).unwrap_or_default();
        insta::assert_snapshot!("template_refused", refused);
        let filled = template
            .replace("owner = \"\"", "owner = \"Example\"")
            .replace("contact = \"\"", "contact = \"a@example.org\"")
            .replace("expires = \"\"", "expires = 2027-01-31");
        assert!(ScopeFile::parse(&filled, now()).is_ok(), "{:?}", ScopeFile::parse(&filled, now()));
        assert!(ScopeFile::parse(&Scope::template(&[]), now()).is_err());
    }
}
