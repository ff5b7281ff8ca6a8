//! Signs from the HTTP stack: a framework that the product is not built on.

use vigie_catalog::{Condition, Product, Stack};

use super::{Session, Tells};
use crate::condition::EvaluateCondition as _;
use crate::reply::{ParsedReply, stack};

impl Session {
    /// Signs from the HTTP stack, where the product's file says on which ones it is built.
    pub(super) fn stacks(&self, product: &Product, tells: &mut Tells) {
        let replies = || self.here.transcript.replies.iter().filter(|parsed| parsed.reply().is_some());
        let named: Vec<(Stack, &ParsedReply)> = replies()
            .flat_map(|parsed| stack::of_headers(parsed).map(move |stack| (stack, parsed)))
            .collect();
        // The `Server` header has the product's name, and the product does not send that.
        let invented = replies().find_map(|parsed| {
            let server = parsed.reply()?.header("server")?;
            let own = product.server.0.iter().any(|own| own.fits(server));
            (!own && calls_itself(server, product)).then(|| format!("Server: {server}"))
        });
        if let Some(seen) = invented.filter(|_| !product.stack.is_empty()) {
            tells.add("server-header-invented", 0.6, seen);
        }
        if product.stack.is_empty() {
            return;
        }
        let foreign = |stack: Stack| !product.stack.contains(&stack);
        let absent = self
            .here
            .transcript
            .reply_to(self.identifier.absent)
            .filter(|parsed| parsed.reply().is_some());
        let words = absent.and_then(stack::of_absence);
        // Proxies written in Go also send Go's 404, for paths that they do not forward.
        let strange_words = words.filter(|stack| foreign(*stack) && *stack != Stack::Go);
        // A proxy on another stack forwards the 404 of the product.
        let own_words = words.is_some_and(|stack| !foreign(stack))
            || product
                .unknown_path
                .iter()
                .any(|condition| is_worded(condition) && condition.holds(&self.here.transcript));
        // If the product's own stack is named too, the foreign one belongs to another server beside it.
        let own_header = named.iter().any(|(stack, _)| !foreign(*stack));
        let strange_header = named
            .iter()
            .find(|(stack, _)| foreign(*stack) && (!own_words || *stack == Stack::PythonHttp))
            .filter(|_| !own_header);
        let name = &product.name;
        let (weight, seen) = match (strange_header, strange_words.filter(|_| !own_header)) {
            (Some((stack, parsed)), words) => {
                let weight = match (words, stack) {
                    (Some(_), _) => 0.6,
                    (None, Stack::PythonHttp) => 0.5,
                    (None, _) => 0.4,
                };
                (
                    weight,
                    format!("{} is answered by {stack}, on which {name} is not built", parsed.line()),
                )
            }
            (None, Some(stack)) => (
                0.5,
                format!(
                    "{} is answered with the 404 page of {stack}, on which {name} is not built",
                    vigie_catalog::ABSENT_PATH
                ),
            ),
            (None, None) => return,
        };
        tells.add("foreign-stack", weight, seen);
    }
}

/// Whether a condition tests words, which are harder to match by chance than a status.
fn is_worded(condition: &Condition) -> bool {
    !condition.rule.body.0.is_empty() || !condition.rule.json.0.is_empty()
}

/// Whether a `Server` header begins with the product's name, as `ollama/0.5.1` does.
fn calls_itself(server: &str, product: &Product) -> bool {
    let bare = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let first = server.split(['/', ' ']).next().unwrap_or_default();
    let first = bare(first);
    !first.is_empty() && (first == bare(&product.id) || first == bare(&product.name))
}
