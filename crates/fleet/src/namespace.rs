//! The proof that a listener on every address reaches nobody.

use std::fs;

use crate::FleetError;

/// Devices that a new network namespace may hold from the start (the kernel's fallback tunnels); they are down.
const FALLBACK_DEVICES: [&str; 10] = [
    "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0",
];

/// The proof that this process is in a network namespace of its own, which has nothing but loopback. Without one, the fleet never
/// listens on 0.0.0.0; there is no other way to get one.
#[derive(Debug)]
pub struct OwnNamespace(());

impl OwnNamespace {
    /// Looks at the namespace: it must not be the one of process 1, and hold no device but loopback.
    ///
    /// Where the namespace of process 1 cannot be read (an unprivileged user namespace), the second test stands alone: where there
    /// is no other device, nobody else can connect.
    ///
    /// # Errors
    ///
    /// Which of the two does not hold, or that this system has no such namespaces.
    pub fn prove() -> Result<Self, FleetError> {
        let own = fs::read_link("/proc/self/ns/net").map_err(|error| FleetError::Namespace(format!("read /proc/self/ns/net: {error}")))?;
        if fs::read_link("/proc/1/ns/net").is_ok_and(|first| first == own) {
            return Err(FleetError::Namespace(
                "this is the namespace of process 1; start it under unshare --net or ip netns exec".to_owned(),
            ));
        }
        let devices =
            fs::read_to_string("/proc/self/net/dev").map_err(|error| FleetError::Namespace(format!("read /proc/self/net/dev: {error}")))?;
        match other_device(&devices) {
            Some(device) => Err(FleetError::Namespace(format!(
                "{device} leads out of it; remove the device or use an empty namespace"
            ))),
            None => Ok(Self(())),
        }
    }
}

/// The first device that is neither loopback nor a fallback tunnel. The file has two lines of headings, then `name: counters`.
fn other_device(devices: &str) -> Option<&str> {
    devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next().map(str::trim))
        .find(|device| !device.is_empty() && !FALLBACK_DEVICES.contains(device))
}

#[cfg(test)]
mod tests {
    use super::other_device;

    const HEADINGS: &str = "Inter-|   Receive\n face |bytes\n";

    #[test]
    fn a_namespace_with_loopback_only_is_told_from_one_that_leads_out() {
        assert_eq!(other_device(&format!("{HEADINGS}    lo: 0 0\n  sit0: 0 0\n")), None);
        assert_eq!(other_device(&format!("{HEADINGS}    lo: 0 0\n  eth0: 1 1\n")), Some("eth0"));
        assert_eq!(other_device(&format!("{HEADINGS}  veth1: 1 1\n")), Some("veth1"));
    }
}
