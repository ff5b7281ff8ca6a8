//! The limits of a scan.

/// How many requests and connections a scan may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Requests to one address in any 5 minutes.
    ///
    /// 120: Splunk's "Ollama Possible API Endpoint Scan Reconnaissance" and "Ollama Excessive API Requests" fire above it.
    pub requests_per_host: u32,
    /// Requests to one /24 (IPv4) or /48 (IPv6) in any 5 minutes.
    ///
    /// 2,400 are 8 a second: 20 hosts at their own limit, or 200 recognised servers at 12 requests each. A network full of servers
    /// thus takes minutes rather than seconds, and its firewall or uplink sees less than from a person opening a web page. /24 and
    /// /48 are the smallest networks that are usually routed separately, so one usually belongs to one party.
    pub requests_per_prefix: u32,
    /// New connections per second, over all hosts.
    ///
    /// 500 is a choice, not a measurement. A SYN, its answer and the RST take some 200 bytes, so 500 a second are about 1 Mbit/s and do
    /// not fill the table of a stateful firewall.
    pub connections_per_second: u32,
    /// Requests to one endpoint, recognised or not, besides those for single models.
    pub per_endpoint: u32,
    /// Models of one endpoint that are queried, with one request each.
    pub models: u32,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            requests_per_host: 120,
            requests_per_prefix: 2_400,
            connections_per_second: 500,
            per_endpoint: 12,
            models: 16,
        }
    }
}

/// Whether a request may be sent, or a connection opened, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// It may, and has been counted.
    Allowed,
    /// Not before this many microseconds have passed. Nothing has been counted; ask again then.
    Wait(u64),
}
