//! Keys of clients are in the memory of a process that serves them: it is kept out of core dumps and of other processes of the same user.

/// Has the system write no core dump of this process, and give its memory to nobody but root. What cannot be done is returned, in words.
///
/// # Errors
///
/// Why the memory of this process may still end in a file.
pub fn keep_memory_private() -> Result<(), String> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        setrlimit(Resource::Core, none).map_err(|error| format!("core dumps cannot be switched off: {error}"))?;
    }
    // A handler of core dumps that the kernel pipes them to does not ask for the limit, and a debugger needs no dump.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| format!("the memory of this process cannot be kept from other processes: {error}"))?;
    }
    Ok(())
}
