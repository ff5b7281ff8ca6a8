//! The two classifications of an autonomous system: by type, and by tier of infrastructure.

use serde::Deserialize;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every class, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word in mapping files and in records.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// The class of an autonomous system by its type: the main business of its operator.
    AsType {
        /// Access lines for homes and businesses.
        FixedAccessTelecom = "fixed-access-telecom",
        /// Access over a mobile network only.
        Mobile = "mobile",
        /// Carries other networks' traffic.
        Transit = "transit",
        /// Rents out machines: cloud, virtual and dedicated servers, colocation.
        Hosting = "hosting",
        /// Delivers its own or its customers' content.
        Content = "content",
        /// Teaching and research, and their networks.
        Education = "education",
        /// Public administration, including the military.
        Government = "government",
        /// Any other organisation.
        Business = "business",
        /// No entry maps it, or the entries contradict each other.
        Unattributed = "unattributed",
    }
}

words! {
    /// The class of an autonomous system by its tier of infrastructure: the kind of machine behind its addresses.
    Tier {
        /// A cloud of global scale.
        Hyperscaler = "hyperscaler",
        /// An independent cloud, virtual or dedicated servers, colocation.
        CloudVps = "cloud-vps",
        /// An edge network that answers for machines elsewhere.
        Edge = "edge",
        /// An access line: a home, an office, a phone.
        TelecomResidential = "telecom-residential",
        /// A university, a school, a laboratory, or their network.
        Academic = "academic",
        /// Public administration.
        Government = "government",
        /// An organisation's own network.
        Enterprise = "enterprise",
        /// No entry maps it, or the entries contradict each other.
        Unattributed = "unattributed",
    }
}
