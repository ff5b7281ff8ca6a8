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
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the mapping file and in records.
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
    /// The view by type of autonomous system: what its operator mostly does for a living.
    AsType {
        /// Access for homes and businesses over a line, consumer providers included.
        FixedAccessTelecom = "fixed-access-telecom",
        /// Access over a mobile network alone.
        Mobile = "mobile",
        /// Carries other networks' traffic.
        Transit = "transit",
        /// Rents out machines: clouds, virtual and dedicated servers, colocation.
        Hosting = "hosting",
        /// Delivers its own or its customers' content.
        Content = "content",
        /// Teaches, or does research, or connects those who do.
        Education = "education",
        /// The public administration, its military included.
        Government = "government",
        /// Any other organisation.
        Business = "business",
        /// Nothing maps it, or what maps it contradicts itself.
        Unattributed = "unattributed",
    }
}

words! {
    /// The view by tier of infrastructure: what kind of machine an address there is.
    Tier {
        /// A cloud of world-wide scale.
        Hyperscaler = "hyperscaler",
        /// An independent cloud, a hoster of virtual or dedicated servers, colocation.
        CloudVps = "cloud-vps",
        /// An edge that answers for machines that stand elsewhere.
        Edge = "edge",
        /// A line of a telecom: a home, an office, a phone.
        TelecomResidential = "telecom-residential",
        /// A university, a school, a laboratory, or their network.
        Academic = "academic",
        /// The public administration.
        Government = "government",
        /// An organisation's own network.
        Enterprise = "enterprise",
        /// Nothing maps it, or what maps it contradicts itself.
        Unattributed = "unattributed",
    }
}
