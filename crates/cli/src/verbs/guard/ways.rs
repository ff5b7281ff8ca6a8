//! Whether the gateway is the only way to the server behind, for `init` and `check`.

use vigie_guard::config::Config;
use vigie_guard::ways;

/// Looks where else the server behind answers, and prints what is found and the change that closes it. Nothing is changed.
pub(super) fn say(config: &Config) {
    let admin = config.admin.as_ref().map(|admin| admin.address);
    let own: Vec<_> = [Some(config.listen.address), admin].into_iter().flatten().collect();
    let standings = match ways::look(config, &own) {
        Ok(standings) => standings,
        Err(error) => return eprintln!("vigie: whether the server answers without the gateway cannot be looked at: {error}"),
    };
    for standing in standings {
        eprintln!("vigie: {}", standing.line());
        if let Some(remedy) = ways::remedy(&standing) {
            eprintln!("\n{remedy}");
        }
    }
}
