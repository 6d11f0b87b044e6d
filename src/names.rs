//! Enums whose variants have names in metrics, logs, the API or stored data: each name is written once, in a table.

/// Declares an enum, the list of its variants, and their names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        $crate::names::impl_names! { $name { $($variant = $text,)* } }
    };
}

/// Like [`named`], with serde implementations that use the same names.
macro_rules! named_in_data {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        $crate::names::impl_names! { $name { $($variant = $text,)* } }
    };
}

macro_rules! impl_names {
    ($name:ident { $($variant:ident = $text:literal,)* }) => {
        impl $name {
            /// Every value, in the order of their declaration.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// The name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value with that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use {impl_names, named, named_in_data};

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    named_in_data! {
        /// A traffic light.
        Light {
            /// Stop.
            Red = "red",
            /// A name that is not derived from its variant's.
            Green = "go_on",
        }
    }

    #[test]
    fn names_are_the_same_wherever_they_are_read_and_written() {
        assert_eq!(Light::ALL.map(Light::as_str), ["red", "go_on"]);
        for light in Light::ALL {
            let json = serde_json::Value::from(light.as_str());
            assert_eq!(serde_json::to_value(light).unwrap(), json);
            assert_eq!(serde_json::from_value::<Light>(json).unwrap(), light);
            assert_eq!(Light::from_name(&light.to_string()), Some(light));
        }
        assert_eq!(Light::from_name("green"), None);
        assert!(serde_json::from_value::<Light>("Green".into()).is_err());
    }
}
