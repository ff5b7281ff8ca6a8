//! The limits of a scan.

/// The limits of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Requests to one address in any 5 minutes.
    ///
    /// 120: Splunk's "Ollama Possible API Endpoint Scan Reconnaissance" and "Ollama Excessive API Requests" fire above.
    pub requests_per_host: u32,
    /// Requests to one /24 (IPv4) or /48 (IPv6) in any 5 minutes.
    ///
    /// 2,400 are 8 a second: what 20 hosts take at their own limit, or 200 recognised servers at 12 requests each, so
    /// that a network full of servers takes minutes rather than seconds, and the one firewall or uplink before it sees
    /// less than a person opening a web page. /24 and /48 are the smallest networks that are usually routed for
    /// themselves, so most often one party's.
    pub requests_per_prefix: u32,
    /// New connections in a second, over all hosts.
    ///
    /// 500: a choice, not a measurement. A SYN, its answer and the RST after it are some 200 bytes, so that 500 a second
    /// are about 1 Mbit/s and do not crowd a stateful firewall's table.
    pub connections_per_second: u32,
    /// Requests to one endpoint, recognised or not, without those per model.
    pub per_endpoint: u32,
    /// Models asked about, one request each.
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

/// Whether a request may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// It may, and is counted.
    Allowed,
    /// Not before this many microseconds have passed; nothing is counted, ask again.
    Wait(u64),
}
