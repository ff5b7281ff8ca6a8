//! `Shared<T>`: a value that observations may have in common.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that several observations may hold without each having its own; whoever changes it gets their own first.
///
/// The same server says the same for months, so copies are the rule and changes the exception. In JSON it is the value itself.
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both hold one and the same value, not only equal ones.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether nobody else holds it.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// By which it is known again as long as somebody holds it.
    #[must_use]
    pub fn mark(&self) -> Mark<T> {
        Mark(Arc::downgrade(&self.0))
    }
}

/// A shared value remembered without holding it.
pub struct Mark<T>(Weak<T>);

impl<T> Mark<T> {
    /// Whether this is the value that was remembered.
    #[must_use]
    pub fn is(&self, value: &Shared<T>) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&value.0))
    }

    /// Whether nobody holds it any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// A number for looking it up: no two values that are held or remembered have the same.
    #[must_use]
    pub fn number(&self) -> usize {
        self.0.as_ptr().addr()
    }
}

impl<T> fmt::Debug for Mark<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<A, T: FromIterator<A>> FromIterator<A> for Shared<T> {
    fn from_iter<I: IntoIterator<Item = A>>(items: I) -> Self {
        T::from_iter(items).into()
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        T::default().into()
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || *self.0 == *other.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<'a, T> IntoIterator for &'a Shared<T>
where
    &'a T: IntoIterator,
{
    type Item = <&'a T as IntoIterator>::Item;
    type IntoIter = <&'a T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&*self.0).into_iter()
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut Shared<T>
where
    &'a mut T: IntoIterator,
{
    type Item = <&'a mut T as IntoIterator>::Item;
    type IntoIter = <&'a mut T as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        Arc::make_mut(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changes_it_has_their_own() {
        let first: Shared<Vec<u8>> = vec![1, 2].into();
        let mut second = first.clone();
        assert!(first.is(&second) && !first.is_alone());
        second.push(3);
        assert!(!first.is(&second) && first.is_alone());
        assert_eq!((first.len(), second.len()), (2, 3));
        assert_ne!(first, second);
        assert_eq!(first, vec![1, 2].into());
    }

    #[test]
    fn a_mark_knows_the_value_and_no_other() {
        let mut value: Shared<String> = "said".to_owned().into();
        let mark = value.mark();
        assert!(mark.is(&value) && !mark.is_gone());
        assert!(!mark.is(&"said".to_owned().into()), "an equal one is not the same");
        // What was changed is another value, though nobody else held it.
        value.push('!');
        assert!(!mark.is(&value) && mark.is_gone());
    }

    #[test]
    fn in_json_it_is_the_value() {
        let value: Shared<Vec<u8>> = vec![1].into();
        assert_eq!(serde_json::to_string(&value).expect("written"), "[1]");
        assert_eq!(serde_json::from_str::<Shared<Vec<u8>>>("[1]").expect("read"), value);
    }
}
