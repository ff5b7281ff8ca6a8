//! `Shared<T>`: a copy-on-write value that observations can share.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A copy-on-write value that several observations can share.
///
/// A server often reports the same for months, so most observations share their values. In JSON it is the value itself.
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both share the same allocation, not only equal values.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it is the only owner.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// A weak reference, to recognise the value while it is in use.
    #[must_use]
    pub fn mark(&self) -> Mark<T> {
        Mark(Arc::downgrade(&self.0))
    }
}

/// A weak reference to a shared value.
pub struct Mark<T>(Weak<T>);

impl<T> Mark<T> {
    /// Whether it refers to this value.
    #[must_use]
    pub fn is(&self, value: &Shared<T>) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&value.0))
    }

    /// Whether the value is no longer in use.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// A number for lookups, unique among all values with an owner or a reference.
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
    fn a_change_copies_first() {
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
    fn a_mark_refers_to_one_value_only() {
        let mut value: Shared<String> = "said".to_owned().into();
        let mark = value.mark();
        assert!(mark.is(&value) && !mark.is_gone());
        assert!(!mark.is(&"said".to_owned().into()), "an equal one is not the same");
        // A changed value is another one, even if it was the only owner.
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
