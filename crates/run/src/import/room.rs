//! A bound on bytes that several threads hold.

use std::sync::{Condvar, Mutex, PoisonError};

/// Room for so many bytes. Something larger gets in once the room is empty, and has it alone.
pub(super) struct Room {
    most: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// Bytes in a room, held as long as this lives.
pub(super) struct Permit<'r> {
    room: &'r Room,
    bytes: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Mutex::new(0),
            freed: Condvar::new(),
        }
    }

    /// Waits until there is room.
    pub(super) fn enter(&self, bytes: usize) -> Permit<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |taken: &mut usize| *taken > 0 && *taken + bytes > self.most;
        let mut taken = self.freed.wait_while(taken, is_full).unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Permit { room: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.room.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_does_not_fit_waits_and_what_is_too_large_is_alone() {
        let room = Room::new(10);
        let large = room.enter(100);
        std::thread::scope(|scope| {
            let (entered, waits) = channel();
            let room = &room;
            scope.spawn(move || {
                let _small = room.enter(1);
                entered.send(()).expect("somebody waits");
            });
            assert!(waits.recv_timeout(Duration::from_millis(50)).is_err(), "the large one is alone");
            drop(large);
            waits.recv_timeout(Duration::from_secs(60)).expect("there is room");
        });
        let (_five, _other) = (room.enter(5), room.enter(5));
    }
}
