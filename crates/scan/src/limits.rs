//! How many descriptors there are to spend.

/// The descriptors this process may have open: what the system says, else the usual 1,024.
#[must_use]
pub fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(if cfg!(target_os = "macos") { 256 } else { 1_024 })
}

/// Sockets of the sweep: under half of what there is, at most 4,096.
#[must_use]
pub fn sweep_sockets() -> usize {
    (descriptors() * 2 / 5).clamp(32, 4_096)
}

/// Endpoints talked to at once: each may hold two sockets.
#[must_use]
pub fn probes() -> usize {
    (descriptors() / 8).clamp(16, 256)
}
