//! The Censys Platform's API v3: `/v3/global/search/query` and `/v3/global/search/aggregate`, with a personal access token.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::censys_shared::{Bucket, count_info, names, page_info, result};
use crate::api::{CountInfo, PAGE, PageInfo, PagePosition, ServiceApi};
use crate::client::ApiRequest;
use crate::decode::{FirstValues, RecordCount, usual};
use crate::fault::{ServiceFault, StopReason, excerpt};
use crate::kind::SplitField;
use crate::secret::Secret;
use crate::url;

pub(crate) struct CensysApi {
    pub(crate) token: Secret,
    pub(crate) organization: Option<String>,
}

#[derive(Deserialize)]
struct SearchResult {
    #[serde(default)]
    hits: Option<RecordCount>,
    #[serde(default)]
    total_hits: Value,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Aggregate {
    #[serde(default)]
    total_count: Value,
    #[serde(default)]
    buckets: Option<FirstValues<Bucket>>,
}

/// An error: as in RFC 9457, or as the service's gateway reports a wrong token.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    error: Option<GatewayError>,
}

#[derive(Deserialize)]
struct GatewayError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl CensysApi {
    fn post(&self, path: &str, body: &Value) -> ApiRequest {
        let organization = self
            .organization
            .as_ref()
            .map(|id| format!("?{}", url::query(&[("organization_id", id)])))
            .unwrap_or_default();
        ApiRequest {
            method: Method::POST,
            target: format!("{path}{organization}"),
            authorization: Some(format!("Bearer {}", self.token.expose())),
            body: Some(body.to_string()),
        }
    }

    fn field(field: SplitField) -> &'static str {
        match field {
            SplitField::Country => "host.location.country_code",
            SplitField::Port => "host.services.port",
        }
    }
}

impl ServiceApi for CensysApi {
    fn page(&self, query: &str, at: &PagePosition) -> ApiRequest {
        let mut body = json!({"query": query, "page_size": PAGE});
        if let (Some(token), Some(body)) = (&at.token, body.as_object_mut()) {
            body.insert("page_token".to_owned(), token.as_str().into());
        }
        self.post("/v3/global/search/query", &body)
    }

    fn count(&self, query: &str, by: Option<SplitField>) -> ApiRequest {
        let field = by.unwrap_or(SplitField::Country);
        let body = json!({
            "query": query,
            "field": Self::field(field),
            "number_of_buckets": field.most(),
            // Of the ports of a host, only those that match the query.
            "filter_by_query": true,
        });
        self.post("/v3/global/search/aggregate", &body)
    }

    fn balance(&self) -> Option<ApiRequest> {
        None
    }

    fn read_page(&self, body: &[u8]) -> Result<PageInfo, ServiceFault> {
        let found: SearchResult = result(body)?;
        page_info(&found.total_hits, found.hits, found.next_page_token)
    }

    fn read_count(&self, body: &[u8], by: Option<SplitField>) -> Result<CountInfo, ServiceFault> {
        let aggregate: Aggregate = result(body)?;
        count_info(&aggregate.total_count, aggregate.buckets, by)
    }

    fn read_balance(&self, _body: &[u8]) -> Option<u64> {
        None
    }

    fn refusal(&self, status: u16, body: &[u8]) -> ServiceFault {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let inner = problem.error.and_then(|error| error.message.or(error.reason));
        let text = problem.detail.or(inner).or(problem.title).unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        match status {
            402 | 403 if lower.contains("credit") => ServiceFault::Stop(StopReason::Credits(excerpt(&text))),
            _ => usual(status, &text),
        }
    }

    fn narrow(&self, query: &str, by: SplitField, value: &str) -> String {
        match by {
            SplitField::Country => format!("({query}) and {}=\"{value}\"", Self::field(by)),
            SplitField::Port => format!("({query}) and {}={value}", Self::field(by)),
        }
    }

    fn names(&self, query: &str, field: SplitField) -> bool {
        names(query, field)
    }

    fn counts_free(&self) -> bool {
        false
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.token.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NextPage;

    fn platform() -> CensysApi {
        CensysApi {
            token: Secret::new("censys_0123456789").expect("a key"),
            organization: Some("11111111-2222-3333-4444-555555555555".to_owned()),
        }
    }

    #[test]
    fn the_organisation_is_in_the_url_and_the_token_is_not() {
        let at = PagePosition {
            page: 2,
            token: Some("next".to_owned()),
        };
        let request = platform().page("host.services.port=11434", &at);
        assert_eq!(
            request.target,
            "/v3/global/search/query?organization_id=11111111-2222-3333-4444-555555555555"
        );
        let body: Value = serde_json::from_str(&request.body.expect("a body")).expect("JSON");
        assert_eq!(
            body,
            json!({"query": "host.services.port=11434", "page_size": 100, "page_token": "next"})
        );
    }

    #[test]
    fn replies_and_refusals() {
        let page = br#"{"result":{"hits":[{"host_v1":{"resource":{"ip":"192.0.2.1"}}}],"total_hits":1234.0,"next_page_token":"abc","previous_page_token":"","query_duration_millis":3}}"#;
        let info = platform().read_page(page).expect("a page");
        assert_eq!((info.total, info.records, info.next), (1_234, 1, NextPage::Token("abc".to_owned())));
        let last = br#"{"result":{"hits":null,"total_hits":0,"next_page_token":""}}"#;
        assert_eq!(platform().read_page(last).expect("a page").next, NextPage::Nothing);
        let count = br#"{"result":{"buckets":[{"key":"DE","count":7},{"key":"zz","count":1}],"total_count":9,"other_count":1}}"#;
        assert_eq!(
            platform().read_count(count, Some(SplitField::Country)).expect("a count").values,
            [("DE".to_owned(), 7)]
        );
        for (status, text) in [(204, ""), (206, "{\"result\":{}}")] {
            assert!(
                matches!(platform().refusal(status, text.as_bytes()), ServiceFault::Again(text) if text.contains(&status.to_string())),
                "{status} does not concern the query"
            );
        }
        let token = br#"{"error":{"code":401,"status":"Unauthorized","message":"Access credentials are invalid"}}"#;
        assert!(matches!(platform().refusal(401, token), ServiceFault::Stop(StopReason::Key(text)) if text.contains("invalid")));
        let credits = br#"{"title":"Forbidden","status":403,"detail":"Insufficient credits to perform this action."}"#;
        assert!(matches!(
            platform().refusal(403, credits),
            ServiceFault::Stop(StopReason::Credits(_))
        ));
        let query = br#"{"title":"Unprocessable Entity","status":422,"detail":"invalid query"}"#;
        assert_eq!(platform().refusal(422, query), ServiceFault::Query("invalid query".to_owned()));
    }
}
