//! The gateway as its clients reach it, in front of servers on loopback: replies of real servers, recorded, and requests that try to get
//! past it.

mod admin;
mod authorize;
mod behind;
mod bypass;
mod case;
mod closing;
mod decoy;
mod detect;
mod grants;
mod grpc;
mod http2;
mod limit;
mod meter;
mod policy;
mod reload;
mod restart;
mod servers;
mod stage;
mod telemetry;
