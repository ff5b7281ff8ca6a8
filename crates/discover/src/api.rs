//! What each service implements: requests to send, and the meaning of its replies.

use crate::client::ApiRequest;
use crate::fault::ServiceFault;
use crate::kind::SplitField;
use crate::secret::Secret;

/// The number of records on a page, the same for every service.
pub(crate) const PAGE: u64 = 100;

/// The API of a service: its requests, and how its replies are read.
pub(crate) trait ServiceApi: Send + Sync {
    /// The request for a page of records.
    fn page(&self, query: &str, at: &PagePosition) -> ApiRequest;
    /// The request for the number of records, and for their number by each value of a field.
    fn count(&self, query: &str, by: Option<SplitField>) -> ApiRequest;
    /// The request for the credits left in the account, where the service reports them for free.
    fn balance(&self) -> Option<ApiRequest>;
    fn read_page(&self, body: &[u8]) -> Result<PageInfo, ServiceFault>;
    fn read_count(&self, body: &[u8], by: Option<SplitField>) -> Result<CountInfo, ServiceFault>;
    fn read_balance(&self, body: &[u8]) -> Option<u64>;
    /// The meaning of a status other than 200.
    fn refusal(&self, status: u16, body: &[u8]) -> ServiceFault;
    /// The query restricted to one value of a field.
    fn narrow(&self, query: &str, by: SplitField, value: &str) -> String;
    /// Whether the query itself restricts the field. Then it is not split by that field.
    fn names(&self, query: &str, field: SplitField) -> bool;
    /// Whether counts are free.
    fn counts_free(&self) -> bool;
    /// What is masked in replies.
    fn secrets(&self) -> Vec<Secret>;
}

/// The position of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PagePosition {
    /// The number of the page, from 1.
    pub(crate) page: u32,
    /// The token that the previous page gave for this one, where the service uses tokens.
    pub(crate) token: Option<String>,
}

/// What a page says besides its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageInfo {
    pub(crate) total: u64,
    pub(crate) records: u64,
    pub(crate) next: NextPage,
}

/// How the next page is requested.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextPage {
    /// By its number, as long as the total promises more.
    Number,
    /// By this token.
    Token(String),
    /// There is none.
    Nothing,
}

/// The result of a count.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CountInfo {
    pub(crate) total: u64,
    pub(crate) values: Vec<(String, u64)>,
}
