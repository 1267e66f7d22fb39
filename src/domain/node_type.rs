//! What the name of a node type says: pure.

/// vCPUs of a node of this type, such as `cache.r7g.xlarge`; `None` when its name does not tell.
///
/// The name's last part is the size of the EC2 instance under it, and those of one size have as many, but for the smallest
/// of the first generations.
#[must_use]
pub(crate) fn vcpus(node_type: &str) -> Option<i32> {
    let mut parts = node_type.strip_prefix("cache.")?.split('.');
    let (family, size) = (parts.next()?, parts.next()?);
    match (family, size) {
        ("t1", "micro") | ("t2", "micro" | "small") | ("m1", "small" | "medium") | ("m3", "medium") => Some(1),
        ("c1" | "m1" | "m2", _) => None,
        (_, "micro" | "small" | "medium" | "large") => Some(2),
        (_, "xlarge") => Some(4),
        (_, size) => {
            size.strip_suffix("xlarge")?.parse::<i32>().ok().filter(|times| (2..=64).contains(times)).map(|n| 4 * n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::vcpus;

    #[test]
    fn the_size_tells_the_vcpus() {
        for (node_type, expected) in [
            ("cache.t2.micro", Some(1)),
            ("cache.t3.micro", Some(2)),
            ("cache.t4g.medium", Some(2)),
            ("cache.m7g.large", Some(2)),
            ("cache.r7g.xlarge", Some(4)),
            ("cache.r7g.2xlarge", Some(8)),
            ("cache.r6gd.16xlarge", Some(64)),
            ("cache.m2.xlarge", None),
            ("cache.x9.huge", None),
            ("cache.x9.xxlarge", None),
            ("db.t3.micro", None),
            ("cache.t3", None),
        ] {
            assert_eq!(vcpus(node_type), expected, "{node_type}");
        }
    }
}
