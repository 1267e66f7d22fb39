//! What a cluster costs: pure. A dated table; prices that are not in it are not invented.

use crate::engine::Engine;

/// When and where the prices below were read.
const BASIS: &str = "us-east-1 on-demand, 2026-10-02, backups and data transfer extra";
/// The region of the prices.
const REGION: &str = "us-east-1";
/// Hours of a month, as AWS counts them.
const HOURS: f64 = 730.0;

/// Node type, then USD per hour for Valkey and for Redis OSS (`None`: not offered).
const PRICES: &[(&str, f64, Option<f64>)] = &[
    ("cache.t4g.micro", 0.0128, Some(0.016)),
    ("cache.t4g.small", 0.0256, Some(0.032)),
    ("cache.t4g.medium", 0.052, Some(0.065)),
    ("cache.t3.micro", 0.0136, Some(0.017)),
    ("cache.t3.small", 0.0272, Some(0.034)),
    ("cache.t3.medium", 0.0544, Some(0.068)),
    ("cache.m7g.large", 0.1264, Some(0.158)),
    ("cache.m8g.large", 0.1266, None),
    ("cache.r6g.large", 0.1648, Some(0.206)),
    ("cache.r7g.large", 0.1752, Some(0.219)),
    ("cache.r8g.large", 0.1756, None),
    ("cache.c7gn.large", 0.204, Some(0.255)),
];

/// A monthly estimate with what it is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// USD with two decimals.
    pub monthly_usd: String,
    /// Region and date of the price.
    pub basis: &'static str,
}

/// The estimate for `nodes` nodes; `None` when the price is unknown.
#[must_use]
pub fn estimate(region: &str, engine: Engine, node_type: &str, nodes: i32) -> Option<Estimate> {
    let (_, valkey, redis) = PRICES.iter().find(|(name, _, _)| *name == node_type)?;
    let hourly = match engine {
        Engine::Valkey => *valkey,
        Engine::Redis => (*redis)?,
    };
    let monthly_usd = format!("{:.2}", hourly * HOURS * f64::from(nodes));
    (region == REGION).then_some(Estimate { monthly_usd, basis: BASIS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prices_are_multiplied_and_unknown_ones_left_out() {
        assert_eq!(estimate("us-east-1", Engine::Valkey, "cache.t4g.micro", 2).unwrap().monthly_usd, "18.69");
        assert_eq!(estimate("us-east-1", Engine::Redis, "cache.r7g.large", 1).unwrap().monthly_usd, "159.87");
        assert_eq!(estimate("eu-west-1", Engine::Valkey, "cache.t4g.micro", 1), None);
        assert_eq!(estimate("us-east-1", Engine::Redis, "cache.r8g.large", 1), None);
        assert_eq!(estimate("us-east-1", Engine::Valkey, "cache.r7g.16xlarge", 1), None);
    }
}
