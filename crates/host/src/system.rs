//! Reads the listening sockets from the operating system.

#[cfg(target_os = "linux")]
pub(crate) use linux::listening;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::listening;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;

    use procfs::ProcError;
    use procfs::net::{TcpNetEntry, TcpState};
    use procfs::process::FDTarget;
    use vigie_model::{Known, Why};

    use crate::error::Error;
    use crate::socket::{ListeningSocket, Owner};

    pub(crate) fn listening() -> Result<Vec<ListeningSocket>, Error> {
        let mut entries = listed("/proc/net/tcp", procfs::net::tcp())?;
        entries.extend(match procfs::net::tcp6() {
            // A kernel without IPv6 has no such file.
            Err(ProcError::NotFound(_)) => Vec::new(),
            answer => listed("/proc/net/tcp6", answer)?,
        });
        entries.retain(|entry| entry.state == TcpState::Listen);

        let (owners, unread) = owners();
        Ok(entries
            .into_iter()
            .map(|entry| ListeningSocket {
                address: entry.local_address.ip(),
                port: entry.local_address.port(),
                // The socket table does not carry the option.
                v6only: Known::unknown(Why::NotCarried),
                uid: Some(entry.uid),
                owner: match owners.get(&entry.inode) {
                    Some(owner) => Known::Known(owner.clone()),
                    None if unread => Known::unknown(Why::Refused),
                    // Every process was read, so the owner is the kernel or a process in another namespace.
                    None => Known::unknown(Why::Hidden),
                },
            })
            .collect())
    }

    fn listed(what: &'static str, answer: Result<Vec<TcpNetEntry>, ProcError>) -> Result<Vec<TcpNetEntry>, Error> {
        answer.map_err(|why| Error::Sockets {
            what,
            why: why.to_string(),
        })
    }

    /// The owner of each socket by inode, and whether the descriptors of some process could not be read.
    fn owners() -> (HashMap<u64, Owner>, bool) {
        let mut holders: HashMap<u64, Vec<(i32, i32, String)>> = HashMap::new();
        let mut unread = false;
        let Ok(processes) = procfs::process::all_processes() else {
            return (HashMap::new(), true);
        };
        // A process that ends while it is read is not an error.
        for process in processes.flatten() {
            let descriptors = match process.fd() {
                Ok(descriptors) => descriptors,
                Err(ProcError::PermissionDenied(_)) => {
                    unread = true;
                    continue;
                }
                Err(_) => continue,
            };
            let sockets: Vec<u64> = descriptors
                .flatten()
                .filter_map(|descriptor| match descriptor.target {
                    FDTarget::Socket(inode) => Some(inode),
                    _ => None,
                })
                .collect();
            if sockets.is_empty() {
                continue;
            }
            let Ok(stat) = process.stat() else { continue };
            for inode in sockets {
                holders.entry(inode).or_default().push((stat.pid, stat.ppid, stat.comm.clone()));
            }
        }
        let owners = holders
            .into_iter()
            .filter_map(|(inode, holders)| Some((inode, owner_of(&holders)?)))
            .collect();
        (owners, unread)
    }

    /// The owner of a socket that several processes hold: the ancestor of the others. The init process is passed over if another one
    /// holds the socket too, because init only passes sockets on.
    fn owner_of(holders: &[(i32, i32, String)]) -> Option<Owner> {
        let apart_from_init: Vec<_> = holders.iter().filter(|(pid, ..)| *pid != 1).collect();
        let candidates = if apart_from_init.is_empty() {
            holders.iter().collect()
        } else {
            apart_from_init
        };
        let first = candidates
            .iter()
            .filter(|(_, parent, _)| !candidates.iter().any(|(pid, ..)| pid == parent))
            .min_by_key(|(pid, ..)| *pid)?;
        Some(Owner {
            pid: u32::try_from(first.0).ok()?,
            name: first.2.clone(),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_ancestor_owns_the_socket() {
            let holder = |pid, parent, name: &str| (pid, parent, name.to_owned());
            let cases = [
                (vec![holder(7, 1, "a")], 7),
                (vec![holder(9, 7, "w"), holder(7, 1, "m"), holder(8, 7, "w")], 7),
                (vec![holder(1, 0, "systemd"), holder(30, 1, "a")], 30),
                (vec![holder(1, 0, "server")], 1),
                (vec![holder(70, 50, "b"), holder(60, 50, "a")], 60),
            ];
            for (holders, pid) in cases {
                assert_eq!(owner_of(&holders).map(|owner| owner.pid), Some(pid), "{holders:?}");
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use crate::error::Error;
    use crate::socket::ListeningSocket;

    #[cfg(any(target_os = "macos", target_os = "windows"))]
    pub(crate) fn listening() -> Result<Vec<ListeningSocket>, Error> {
        use vigie_model::{Known, Why};

        use crate::socket::Owner;

        let listed = listeners::get_all().map_err(|why| Error::Sockets {
            what: "the system's socket table",
            why: why.to_string(),
        })?;
        Ok(listed
            .into_iter()
            .filter(|one| one.protocol == listeners::Protocol::TCP && one.state == listeners::SocketState::Listen)
            .map(|one| ListeningSocket {
                address: one.socket.ip(),
                port: one.socket.port(),
                v6only: Known::unknown(Why::NotCarried),
                uid: None,
                owner: if one.process.pid == 0 || one.process.name.is_empty() {
                    Known::unknown(Why::Refused)
                } else {
                    Known::Known(Owner {
                        pid: one.process.pid,
                        name: one.process.name,
                    })
                },
            })
            .collect())
    }

    #[cfg(not(any(target_os = "macos", target_os = "windows")))]
    pub(crate) fn listening() -> Result<Vec<ListeningSocket>, Error> {
        Err(Error::Sockets {
            what: "this operating system",
            why: "vigie does not support its socket table".to_owned(),
        })
    }
}
