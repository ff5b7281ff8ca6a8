//! Shodan's REST API: `/shodan/host/search`, `/shodan/host/count`, `/api-info`. The key is part of the URL.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::quotes::outside_quotes;
use crate::api::{CountInfo, NextPage, PageInfo, PagePosition, ServiceApi};
use crate::client::ApiRequest;
use crate::decode::{FirstValues, RecordCount, read, records, usual, values, whole};
use crate::fault::{ServiceFault, StopReason, excerpt};
use crate::kind::SplitField;
use crate::secret::Secret;
use crate::url;

pub(crate) struct ShodanApi {
    pub(crate) key: Secret,
}

#[derive(Deserialize)]
struct ShodanReply {
    #[serde(default)]
    matches: Option<RecordCount>,
    #[serde(default)]
    total: Option<Value>,
    #[serde(default)]
    facets: Facets,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct Facets {
    #[serde(default)]
    country: FirstValues<Facet>,
    #[serde(default)]
    port: FirstValues<Facet>,
}

#[derive(Deserialize)]
struct Facet {
    #[serde(default)]
    value: Value,
    #[serde(default)]
    count: Value,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
}

#[derive(Deserialize)]
struct Account {
    query_credits: i64,
}

impl ShodanApi {
    fn get(&self, path: &str, pairs: &[(&str, &str)]) -> ApiRequest {
        let mut all = vec![("key", self.key.expose())];
        all.extend(pairs);
        ApiRequest {
            method: Method::GET,
            target: format!("{path}?{}", url::query(&all)),
            authorization: None,
            body: None,
        }
    }

    fn reply(&self, body: &[u8]) -> Result<(ShodanReply, u64), ServiceFault> {
        let reply: ShodanReply = read(body)?;
        if let Some(error) = &reply.error {
            // "The search request timed out or your query was invalid." comes with status 200.
            return Err(if error.contains("timed out") {
                ServiceFault::Again(excerpt(error))
            } else {
                of_account(error).unwrap_or_else(|| ServiceFault::Query(excerpt(error)))
            });
        }
        let total = reply
            .total
            .as_ref()
            .and_then(whole)
            .ok_or_else(|| ServiceFault::Again("the reply has no total".to_owned()))?;
        Ok((reply, total))
    }
}

impl ServiceApi for ShodanApi {
    fn page(&self, query: &str, at: &PagePosition) -> ApiRequest {
        let page = at.page.to_string();
        // Minified banners lack the page body, by which a server is recognised.
        self.get("/shodan/host/search", &[("query", query), ("page", &page), ("minify", "false")])
    }

    fn count(&self, query: &str, by: Option<SplitField>) -> ApiRequest {
        match by {
            None => self.get("/shodan/host/count", &[("query", query)]),
            Some(field) => {
                let facet = format!("{}:{}", field.word(), field.most());
                self.get("/shodan/host/count", &[("query", query), ("facets", &facet)])
            }
        }
    }

    fn balance(&self) -> Option<ApiRequest> {
        Some(self.get("/api-info", &[]))
    }

    fn read_page(&self, body: &[u8]) -> Result<PageInfo, ServiceFault> {
        let (reply, total) = self.reply(body)?;
        let matches = reply
            .matches
            .ok_or_else(|| ServiceFault::Again("the reply has no matches".to_owned()))?;
        Ok(PageInfo {
            total,
            records: records(Some(matches))?,
            next: NextPage::Number,
        })
    }

    fn read_count(&self, body: &[u8], by: Option<SplitField>) -> Result<CountInfo, ServiceFault> {
        let (reply, total) = self.reply(body)?;
        let values = by.map_or_else(Vec::new, |field| {
            let facets = match field {
                SplitField::Country => &reply.facets.country,
                SplitField::Port => &reply.facets.port,
            };
            values(field, facets.0.iter().map(|facet| (&facet.value, &facet.count)))
        });
        Ok(CountInfo { total, values })
    }

    fn read_balance(&self, body: &[u8]) -> Option<u64> {
        // Negative: unlimited.
        let account: Account = serde_json::from_slice(body).ok()?;
        u64::try_from(account.query_credits).ok()
    }

    fn refusal(&self, status: u16, body: &[u8]) -> ServiceFault {
        // A wrong key gives an HTML page; used-up credits give the same status with a JSON body.
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => match of_account(&problem.error) {
                Some(fault) if (400..500).contains(&status) && status != 429 => fault,
                _ => usual(status, &problem.error),
            },
            Err(_) if status == 401 => ServiceFault::Stop(StopReason::Key("it is wrong, or no longer valid".to_owned())),
            Err(_) if status == 403 => ServiceFault::Stop(StopReason::Plan("access denied; searching needs a membership".to_owned())),
            Err(_) => usual(status, ""),
        }
    }

    fn narrow(&self, query: &str, by: SplitField, value: &str) -> String {
        format!("{query} {}:{value}", by.word())
    }

    fn names(&self, query: &str, field: SplitField) -> bool {
        outside_quotes(query).split_whitespace().any(|word| {
            let word = word.trim_start_matches('-');
            word.strip_prefix(field.word()).is_some_and(|rest| rest.starts_with(':'))
        })
    }

    fn counts_free(&self) -> bool {
        true
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.key.clone()]
    }
}

/// The fault that an error text reports about the account rather than the query.
fn of_account(error: &str) -> Option<ServiceFault> {
    let has = |text: &str| error.to_ascii_lowercase().contains(text);
    if has("query credits") {
        Some(ServiceFault::Stop(StopReason::Credits(excerpt(error))))
    } else if has("api key") {
        Some(ServiceFault::Stop(StopReason::Key(excerpt(error))))
    } else if has("upgrade") || has("membership") {
        Some(ServiceFault::Stop(StopReason::Plan(excerpt(error))))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shodan() -> ShodanApi {
        ShodanApi {
            key: Secret::new("0123456789abcdef").expect("a key"),
        }
    }

    #[test]
    fn the_body_of_a_401_gives_its_meaning() {
        let credits = br#"{"error": "Insufficient query credits, please upgrade your API plan or wait for the monthly limit to reset"}"#;
        assert!(matches!(shodan().refusal(401, credits), ServiceFault::Stop(StopReason::Credits(_))));
        let page = b"<html><head><title>401 Unauthorized</title></head></html>";
        assert!(matches!(shodan().refusal(401, page), ServiceFault::Stop(StopReason::Key(_))));
        let plan = br#"{"error": "Please upgrade your API plan to use filters or paging."}"#;
        assert!(matches!(shodan().refusal(401, plan), ServiceFault::Stop(StopReason::Plan(_))));
        let slow = br#"{"error": "Request rate limit reached (1 request/ second). Please wait a second before trying again and slow down your API calls."}"#;
        assert_eq!(shodan().refusal(429, slow), ServiceFault::Slow);
        let late = br#"{"error": "The search request timed out or your query was invalid."}"#;
        assert!(matches!(shodan().read_page(late), Err(ServiceFault::Again(_))));
        assert!(matches!(shodan().refusal(500, late), ServiceFault::Again(_)));
        assert!(matches!(
            shodan().read_page(b"{\"matches\": [{\"ip_str\""),
            Err(ServiceFault::Again(_))
        ));
    }

    #[test]
    fn filters_count_outside_quotes_only() {
        let names = |query: &str| shodan().names(query, SplitField::Port);
        assert!(names("product:Ollama port:11434") && names("ollama -port:443"));
        assert!(!names("http.html:\"port:1\"") && !names("http.transport:tcp") && !names("support:1"));
    }

    #[test]
    fn facets_give_only_values_fit_for_a_query() {
        let body = br#"{"matches": [], "total": 30, "facets": {"country": [{"value": "DE", "count": 20}, {"value": "", "count": 5}, {"value": "X Y", "count": 5}]}}"#;
        let count = shodan().read_count(body, Some(SplitField::Country)).expect("a count");
        assert_eq!(
            count,
            CountInfo {
                total: 30,
                values: vec![("DE".to_owned(), 20)]
            }
        );
        let body = br#"{"matches": [], "total": 30, "facets": {"port": [{"value": 8080, "count": 20}, {"value": "443", "count": 5}, {"value": 70000, "count": 5}]}}"#;
        let count = shodan().read_count(body, Some(SplitField::Port)).expect("a count");
        assert_eq!(count.values, [("8080".to_owned(), 20), ("443".to_owned(), 5)]);
    }
}
