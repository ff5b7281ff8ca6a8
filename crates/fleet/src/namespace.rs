//! Proof that nobody outside can reach a listener on all addresses.

use std::fs;

use crate::FleetError;

/// Devices that a new network namespace may have (the kernel's fallback tunnels); they are down.
const FALLBACK_DEVICES: [&str; 10] = [
    "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0",
];

/// Proof that this process is in its own network namespace, with no device but loopback. The fleet listens on 0.0.0.0 only with this value,
/// and only [`OwnNamespace::prove`] creates it.
#[derive(Debug)]
pub struct OwnNamespace(());

impl OwnNamespace {
    /// Checks that the namespace is not that of process 1 and has no device but loopback.
    ///
    /// If the namespace of process 1 cannot be read (in an unprivileged user namespace), only the second check applies: without another
    /// device, nobody else can connect.
    ///
    /// # Errors
    ///
    /// The check that failed, or a system without such namespaces.
    pub fn prove() -> Result<Self, FleetError> {
        let own = fs::read_link("/proc/self/ns/net").map_err(|error| FleetError::Namespace(format!("read /proc/self/ns/net: {error}")))?;
        if fs::read_link("/proc/1/ns/net").is_ok_and(|first| first == own) {
            return Err(FleetError::Namespace(
                "this is the namespace of process 1; start with unshare --net or ip netns exec".to_owned(),
            ));
        }
        let devices =
            fs::read_to_string("/proc/self/net/dev").map_err(|error| FleetError::Namespace(format!("read /proc/self/net/dev: {error}")))?;
        match other_device(&devices) {
            Some(device) => Err(FleetError::Namespace(format!(
                "it has the device {device}; remove the device or use an empty namespace"
            ))),
            None => Ok(Self(())),
        }
    }
}

/// The first device that is neither loopback nor a fallback tunnel. The file has two header lines, then `name: counters`.
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
    fn only_a_namespace_without_other_devices_passes() {
        assert_eq!(other_device(&format!("{HEADINGS}    lo: 0 0\n  sit0: 0 0\n")), None);
        assert_eq!(other_device(&format!("{HEADINGS}    lo: 0 0\n  eth0: 1 1\n")), Some("eth0"));
        assert_eq!(other_device(&format!("{HEADINGS}  veth1: 1 1\n")), Some("veth1"));
    }
}
