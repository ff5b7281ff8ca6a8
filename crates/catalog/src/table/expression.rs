//! Compiled tests on values. Each thread has its own working memory for each expression, so that requests do not wait for each other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex_automata::Input;
use regex_automata::meta::{Cache, Regex};

use crate::route::condition::Test;

/// Maximum number of expressions whose working memory a thread keeps; those of replaced tables stay until this number is reached.
const MAX_CACHES: usize = 64;

static NUMBERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CACHES: RefCell<Vec<(usize, Cache)>> = const { RefCell::new(Vec::new()) };
}

/// A regular expression.
#[derive(Debug)]
pub(crate) struct Expression {
    number: usize,
    regex: Regex,
}

impl Expression {
    /// `None`: it does not compile, which the check of the file has already reported.
    fn compile(text: &str) -> Option<Self> {
        Some(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            regex: Regex::new(text).ok()?,
        })
    }

    fn finds(&self, text: &str) -> bool {
        CACHES.with_borrow_mut(|caches| {
            let at = caches.iter().position(|(number, _)| *number == self.number);
            let at = at.unwrap_or_else(|| {
                if caches.len() >= MAX_CACHES {
                    caches.clear();
                }
                caches.push((self.number, self.regex.create_cache()));
                caches.len() - 1
            });
            let input = Input::new(text).earliest(true);
            self.regex.search_half_with(&mut caches[at].1, &input).is_some()
        })
    }
}

/// A test on a value.
#[derive(Clone, Debug)]
pub(crate) enum Compiled {
    Is(Box<str>),
    Fits(Arc<Expression>),
    Exists,
    Empty,
    /// Not null, false, or an empty string, list or object.
    Something,
    /// An expression that does not compile: every value passes.
    Unreadable,
}

impl Compiled {
    /// Whether an absent value passes.
    pub(crate) fn passes_nothing(&self) -> bool {
        match self {
            Self::Is(expected) => expected.is_empty(),
            Self::Empty => true,
            Self::Fits(_) | Self::Exists | Self::Something | Self::Unreadable => false,
        }
    }

    /// Whether a present value passes, as text; null counts as absent.
    pub(crate) fn passes(&self, value: &str) -> bool {
        match self {
            Self::Is(expected) => value == &**expected,
            Self::Fits(expression) => expression.finds(value),
            Self::Exists | Self::Unreadable => true,
            Self::Empty => value.is_empty(),
            Self::Something => !value.is_empty() && value != "false",
        }
    }
}

/// Compiles tests, each expression once.
#[derive(Default)]
pub(crate) struct Compiler {
    expressions: HashMap<String, Arc<Expression>>,
}

impl Compiler {
    pub(crate) fn test(&mut self, test: &Test) -> Compiled {
        match test {
            Test::Is(text) => Compiled::Is(text.as_str().into()),
            Test::Exists => Compiled::Exists,
            Test::Empty => Compiled::Empty,
            Test::Fits(pattern) => {
                let Some(text) = pattern.expression() else {
                    return Compiled::Unreadable;
                };
                if let Some(known) = self.expressions.get(text) {
                    return Compiled::Fits(Arc::clone(known));
                }
                let Some(expression) = Expression::compile(text) else {
                    return Compiled::Unreadable;
                };
                let expression = Arc::new(expression);
                self.expressions.insert(text.to_owned(), Arc::clone(&expression));
                Compiled::Fits(expression)
            }
        }
    }
}
