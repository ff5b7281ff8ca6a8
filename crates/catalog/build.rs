//! Rebuilds when a catalogue file comes or goes; the files' contents are watched by the compiler itself.

fn main() {
    for folder in [
        "products",
        "advisories",
        "findings",
        "openings.yaml",
        "markers.yaml",
        "measured.json",
    ] {
        println!("cargo:rerun-if-changed=../../catalog/{folder}");
    }
}
