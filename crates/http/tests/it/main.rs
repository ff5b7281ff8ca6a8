//! What must hold for any input.

mod any;
mod fuzz;
mod path;
mod reply;
