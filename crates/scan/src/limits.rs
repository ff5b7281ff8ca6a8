//! Limits that follow from the number of file descriptors.

/// Number of file descriptors that this process may open: the system's limit, or a usual default where it cannot be read.
#[must_use]
pub fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(if cfg!(target_os = "macos") { 256 } else { 1_024 })
}

/// Number of sockets of the sweep: two fifths of the descriptors, at most 4,096.
#[must_use]
pub fn sweep_sockets() -> usize {
    (descriptors() * 2 / 5).clamp(32, 4_096)
}

/// Number of endpoints that are probed at the same time: each may need two sockets.
#[must_use]
pub fn probes() -> usize {
    (descriptors() / 8).clamp(16, 256)
}
