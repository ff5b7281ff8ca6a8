//! Rebuilds when a recording comes or goes; the files' contents are watched by the compiler itself.

fn main() {
    println!("cargo:rerun-if-changed=../../catalog/fixtures");
}
