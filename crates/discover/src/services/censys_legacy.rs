//! Censys Search v2: `/v2/hosts/search` and `/v2/hosts/aggregate`, with an API id and its secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::censys_shared::{Bucket, count_info, names, page_info, result};
use crate::api::{CountInfo, PageInfo, PagePosition, ServiceApi};
use crate::client::ApiRequest;
use crate::decode::{FirstValues, RecordCount, usual};
use crate::fault::{ServiceFault, StopReason, excerpt};
use crate::kind::SplitField;
use crate::secret::Secret;
use crate::url;

pub(crate) struct CensysLegacyApi {
    pub(crate) id: Secret,
    pub(crate) secret: Secret,
}

#[derive(Deserialize)]
struct SearchResult {
    #[serde(default)]
    hits: Option<RecordCount>,
    #[serde(default)]
    total: Value,
    #[serde(default)]
    links: Links,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Aggregate {
    #[serde(default)]
    total: Value,
    #[serde(default)]
    buckets: Option<FirstValues<Bucket>>,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

impl CensysLegacyApi {
    fn get(&self, path: &str, pairs: &[(&str, &str)]) -> ApiRequest {
        ApiRequest {
            method: Method::GET,
            target: format!("{path}?{}", url::query(pairs)),
            authorization: Some(format!("Basic {}", STANDARD.encode(self.pair()))),
            body: None,
        }
    }

    fn pair(&self) -> String {
        format!("{}:{}", self.id.expose(), self.secret.expose())
    }

    fn field(field: SplitField) -> &'static str {
        match field {
            SplitField::Country => "location.country_code",
            SplitField::Port => "services.port",
        }
    }
}

impl ServiceApi for CensysLegacyApi {
    fn page(&self, query: &str, at: &PagePosition) -> ApiRequest {
        let mut pairs = vec![("q", query), ("per_page", "100"), ("virtual_hosts", "EXCLUDE")];
        pairs.extend(at.token.as_deref().map(|cursor| ("cursor", cursor)));
        self.get("/v2/hosts/search", &pairs)
    }

    fn count(&self, query: &str, by: Option<SplitField>) -> ApiRequest {
        let field = by.unwrap_or(SplitField::Country);
        let most = field.most().to_string();
        self.get(
            "/v2/hosts/aggregate",
            &[("q", query), ("field", Self::field(field)), ("num_buckets", &most)],
        )
    }

    fn balance(&self) -> Option<ApiRequest> {
        None
    }

    fn read_page(&self, body: &[u8]) -> Result<PageInfo, ServiceFault> {
        let found: SearchResult = result(body)?;
        page_info(&found.total, found.hits, found.links.next)
    }

    fn read_count(&self, body: &[u8], by: Option<SplitField>) -> Result<CountInfo, ServiceFault> {
        let aggregate: Aggregate = result(body)?;
        count_info(&aggregate.total, aggregate.buckets, by)
    }

    fn read_balance(&self, _body: &[u8]) -> Option<u64> {
        None
    }

    fn refusal(&self, status: u16, body: &[u8]) -> ServiceFault {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let text = problem.error.or(problem.status).unwrap_or_default();
        let quota = text.to_ascii_lowercase().contains("quota");
        match status {
            402 | 403 | 429 if quota => ServiceFault::Stop(StopReason::Credits(excerpt(&text))),
            // The reply to an unknown id and secret.
            403 if text.to_ascii_lowercase().contains("unauthorized") => ServiceFault::Stop(StopReason::Key(excerpt(&text))),
            _ => usual(status, &text),
        }
    }

    fn narrow(&self, query: &str, by: SplitField, value: &str) -> String {
        format!("({query}) and {}: {value}", Self::field(by))
    }

    fn names(&self, query: &str, field: SplitField) -> bool {
        names(query, field)
    }

    fn counts_free(&self) -> bool {
        false
    }

    fn secrets(&self) -> Vec<Secret> {
        // The header that carries both reveals them too. It is masked without its padding, which a service may leave out.
        let sent = Secret::derived(STANDARD_NO_PAD.encode(self.pair()));
        vec![sent, self.secret.clone(), self.id.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NextPage;

    #[test]
    fn pages_cursors_and_refusals() {
        let legacy = CensysLegacyApi {
            id: Secret::new("11111111-2222").expect("an id"),
            secret: Secret::new("abcdefgh").expect("a secret"),
        };
        let at = PagePosition {
            page: 2,
            token: Some("a=b".to_owned()),
        };
        let request = legacy.page("services.port: 11434", &at);
        assert_eq!(
            request.target,
            "/v2/hosts/search?q=services.port%3A%2011434&per_page=100&virtual_hosts=EXCLUDE&cursor=a%3Db"
        );
        assert_eq!(request.authorization.as_deref(), Some("Basic MTExMTExMTEtMjIyMjphYmNkZWZnaA=="));
        let page = br#"{"code":200,"status":"OK","result":{"query":"","total":2,"hits":[{"ip":"192.0.2.1"},{"ip":"192.0.2.2"}],"links":{"prev":"","next":"abc"}}}"#;
        let info = legacy.read_page(page).expect("a page");
        assert_eq!((info.total, info.records, info.next), (2, 2, NextPage::Token("abc".to_owned())));
        let last = br#"{"result":{"total":2,"hits":[],"links":{"prev":"abc","next":""}}}"#;
        assert_eq!(legacy.read_page(last).expect("a page").next, NextPage::Nothing);
        let count = br#"{"result":{"total":9,"buckets":[{"key":"11434","count":7},{"key":"all","count":2}]}}"#;
        let count = legacy.read_count(count, Some(SplitField::Port)).expect("a count");
        assert_eq!((count.total, count.values), (9, vec![("11434".to_owned(), 7)]));
        let wrong = br#"{"code":401,"status":"Unauthorized","error":"You must authenticate with a valid API ID and secret."}"#;
        assert!(matches!(legacy.refusal(401, wrong), ServiceFault::Stop(StopReason::Key(_))));
        let quota = br#"{"code":403,"status":"Forbidden","error":"quota exceeded"}"#;
        assert!(matches!(legacy.refusal(403, quota), ServiceFault::Stop(StopReason::Credits(_))));
        let mut repeated = b"{\"authorization\":\"Basic MTExMTExMTEtMjIyMjphYmNkZWZnaA==\"}".to_vec();
        legacy.secrets().iter().for_each(|secret| secret.mask(&mut repeated));
        let repeated = String::from_utf8(repeated).expect("text");
        assert!(!repeated.contains("MTEx") && repeated.contains("****"), "{repeated}");
    }
}
